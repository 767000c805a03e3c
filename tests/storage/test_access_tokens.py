"""Tokens: shown once, kept as a hash, valid until they expire or are revoked."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from deltalake.exceptions import CommitFailedError

from lakehouse.errors import UnknownName
from lakehouse.storage.access_tokens import AccessTokens
from lakehouse.storage.system_tables import SystemTable

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def test_a_token_opens_until_it_expires(tmp_path: Path) -> None:
    tokens = AccessTokens(str(tmp_path))
    text, made = tokens.create("Ana@Corp ", DAY, NOW)
    assert tokens.principal_of(text, NOW) == "ana@corp"
    assert tokens.principal_of(text, NOW + DAY - timedelta(microseconds=1)) == "ana@corp"
    assert tokens.principal_of(text, NOW + DAY) is None
    assert (made.principal, made.expires_at) == ("ana@corp", NOW + DAY)


def test_what_is_almost_a_token_opens_nothing(tmp_path: Path) -> None:
    tokens = AccessTokens(str(tmp_path))
    assert tokens.principal_of("lh_1_x", NOW) is None
    text, _ = tokens.create("ana", DAY, NOW)
    other, _ = tokens.create("bob", DAY, NOW)
    _, token, secret = text.split("_", 2)
    wrong = (
        "", "_", "__", "lh", secret, f"xx_{token}_{secret}", f"lh_{token}_", f"lh_{token}_{secret}=",
        f"lh_{other.split('_')[1]}_{secret}", f"LH_{token}_{secret}", f"{text}\0", "lh_\ud800_x",
    )  # fmt: skip
    assert [presented for presented in wrong if tokens.principal_of(presented, NOW)] == []


def test_a_revocation_holds_at_once_in_every_process(tmp_path: Path) -> None:
    here, elsewhere = AccessTokens(str(tmp_path)), AccessTokens(str(tmp_path))
    text, made = here.create("ana", DAY, NOW)
    kept, _ = here.create("ana", DAY, NOW)
    assert here.principal_of(text, NOW) == elsewhere.principal_of(text, NOW) == "ana"
    assert elsewhere.revoke(made.token, NOW).revoked_at == NOW
    assert elsewhere.revoke(made.token, NOW + DAY).revoked_at == NOW
    assert here.principal_of(text, NOW) is None
    assert here.principal_of(kept, NOW) == "ana"
    with pytest.raises(UnknownName):
        here.revoke("nobody", NOW)


def test_the_secret_is_nowhere_in_the_files(tmp_path: Path) -> None:
    text, made = AccessTokens(str(tmp_path)).create("ana", DAY, NOW)
    secret = text.split("_", 2)[2].encode()
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(made.token.encode() in content for content in files)
    assert not any(secret in content for content in files)


def test_many_make_tokens_at_once(tmp_path: Path) -> None:
    """Threads of this process and processes beside it, on a table that is not there yet."""
    code = (
        "import sys; from datetime import datetime, timedelta, timezone\n"
        "from lakehouse.storage.access_tokens import AccessTokens\n"
        "tokens, now = AccessTokens(sys.argv[1]), datetime.now(timezone.utc)\n"
        "print(*(tokens.create(sys.argv[2], timedelta(days=1), now)[0] for _ in range(10)))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [
        subprocess.Popen([*command, f"user{number}"], stdout=subprocess.PIPE, text=True) for number in range(3)
    ]
    made: list[tuple[str, str]] = []

    def make(name: str) -> None:
        tokens = AccessTokens(str(tmp_path))
        made.extend((tokens.create(name, DAY, datetime.now(timezone.utc))[0], name) for _ in range(10))

    threads = [threading.Thread(target=make, args=(f"thread{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, process in enumerate(processes):
        output, _ = process.communicate()
        assert process.returncode == 0
        made += [(token, f"user{number}") for token in output.split()]
    tokens, now = AccessTokens(str(tmp_path)), datetime.now(timezone.utc)
    assert len(made) == len(set(made)) == len(tokens.all()) == 60
    assert [token for token, name in made if tokens.principal_of(token, now) != name] == []


def test_a_commit_that_fails_is_tried_again_and_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = AccessTokens(str(tmp_path))
    append, failures = SystemTable.append, iter([True, False, True])

    def conflicting(self: SystemTable, rows: list[dict[str, object]]) -> None:
        before = next(failures, None)
        if before is not None and not before:  # it was committed, and failed after that
            append(self, rows)
        if before is not None:
            raise CommitFailedError("another commit")
        append(self, rows)

    monkeypatch.setattr(SystemTable, "append", conflicting)
    tokens.create("ana", DAY, NOW)
    assert len(tokens.all()) == 1
    tokens.create("bob", DAY, NOW)
    assert {found.principal for found in tokens.all()} == {"ana", "bob"}
    assert len(SystemTable(f"{tmp_path}/system", "tokens").rows()) == 2
