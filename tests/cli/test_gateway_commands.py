"""`token` and `audit`, and what `serve` refuses before Spark starts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake

from lakehouse.definition.spec_file import read_spec
from lakehouse.storage.access_tokens import AccessTokens
from lakehouse.storage.audit_log import DENIED, AuditEvent, AuditLog
from tests.cli.conftest import Answer

Command = Callable[..., Answer]

NOW = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)
ACCESS = "principals:\n  users: {ana@corp: {}}\n  groups: {analysts: [ana@corp]}\n...\n"


@pytest.fixture
def guarded(project: Path) -> Path:
    with (project / "spark-pipeline.yml").open("a") as file:
        file.write("access: access.yml\n")
    (project / "access.yml").write_text(ACCESS)
    return project


def warehouse(project: Path) -> str:
    return read_spec(project, target=None, variables={}).warehouse


def test_a_token_is_made_listed_and_revoked(lakehouse: Command, guarded: Path) -> None:
    answer = lakehouse("token", "create", "Ana@corp", "--expires", "12h", "--project", guarded)
    assert answer.code == 0
    secret = answer.out.strip()
    tokens = AccessTokens(warehouse(guarded))
    assert tokens.principal_of(secret, datetime.now(timezone.utc)) == "ana@corp"
    (row,) = lakehouse("token", "ls", guarded, "--json").events
    assert (row["principal"], row["state"]) == ("ana@corp", "valid")
    assert secret.split("_", 2)[2] not in json.dumps(row)
    assert "ana@corp" in lakehouse("token", "ls", guarded).out
    assert lakehouse("token", "revoke", row["token"], "--project", guarded).code == 0
    assert tokens.principal_of(secret, datetime.now(timezone.utc)) is None
    assert lakehouse("token", "ls", guarded, "--json").events[0]["state"] == "revoked"


@pytest.mark.parametrize("name", ["bob@corp", "analysts", "group:analysts", "account users"])
def test_tokens_are_for_who_acts(lakehouse: Command, guarded: Path, name: str) -> None:
    answer = lakehouse("token", "create", name, "--project", guarded, "--json")
    assert (answer.code, answer.events[0]["class"]) == (2, "UnknownName")
    assert AccessTokens(warehouse(guarded)).all() == []


@pytest.mark.parametrize("expires", ["0d", "x", "5", "-1d", "1y"])
def test_time_spans_that_are_none(lakehouse: Command, guarded: Path, expires: str) -> None:
    assert lakehouse("token", "create", "ana@corp", f"--expires={expires}", "--project", guarded).code == 2


def test_the_audit_is_listed_filtered_and_verified(lakehouse: Command, guarded: Path) -> None:
    with AuditLog(warehouse(guarded)) as log:
        for day, (user, status) in enumerate((("ana@corp", 200), ("bob@corp", DENIED), ("ana@corp", DENIED)), start=1):
            params = {"commandText": f"SELECT {day}"}
            log.record(
                AuditEvent(event_time=NOW.replace(day=day), action_name="query", user=user, status_code=status,
                           request_params=params)
            )  # fmt: skip

    def commands(*options: str) -> list[str]:
        answer = lakehouse("audit", *options, "--project", guarded, "--json")
        return [row["command"] for row in answer.events]

    assert commands() == ["SELECT 3", "SELECT 2", "SELECT 1"]
    assert commands("--denied") == ["SELECT 3", "SELECT 2"]
    assert commands("--principal", "ana@corp") == ["SELECT 3", "SELECT 1"]
    assert commands("--since", "2026-01-02T12:00:00Z") == ["SELECT 3", "SELECT 2"]
    assert commands("--limit", "1") == ["SELECT 3"]
    assert "SELECT 3" in lakehouse("audit", "--project", guarded).out
    assert lakehouse("audit", "--since", "yesterday", "--project", guarded).code == 2
    (verified,) = lakehouse("audit", "--verify", "--project", guarded, "--json").events
    assert (verified["rows"], verified["broken_sequence"]) == (3, None)


def test_an_audit_that_was_tampered_with(lakehouse: Command, guarded: Path) -> None:
    place = f"{warehouse(guarded)}/system/audit"
    with AuditLog(warehouse(guarded)) as log:
        for number in range(3):
            log.record(AuditEvent(event_time=NOW, action_name="query", user="ana", request_id=str(number)))
    table = DeltaTable(place).to_pyarrow_table()
    shutil.rmtree(place)
    write_deltalake(place, table.filter([number != "1" for number in table["request_id"].to_pylist()]))
    answer = lakehouse("audit", "--verify", "--project", guarded, "--json")
    assert (answer.code, answer.events[0]["broken_sequence"]) == (1, 3)
    shutil.rmtree(place)  # the end cut off: what is left is a whole chain
    write_deltalake(place, table.filter([number == "0" for number in table["request_id"].to_pylist()]))
    answer = lakehouse("audit", "--verify", "--project", guarded, "--json")
    assert (answer.code, answer.events[0]["broken_sequence"], answer.events[0]["reaches_noted_end"]) == (1, None, False)
    assert lakehouse("audit", "--verify", "--project", guarded).code == 1
    Path(warehouse(guarded), "system", "audit_end.json").unlink()
    assert lakehouse("audit", "--verify", "--project", guarded).code == 1


@pytest.mark.parametrize(
    "options",
    [("--host", "0.0.0.0"), ("--tls-cert", "cert.pem"), ("--tls-cert", "a", "--tls-key", "b"), ("--port", "x"),
     ("--max-rows", "0"), ("--max-bytes", "much")],
)  # fmt: skip
def test_what_serve_refuses(lakehouse: Command, guarded: Path, options: tuple[str, ...]) -> None:
    assert lakehouse("serve", "--project", guarded, *options).code == 2


def test_serve_refuses_rules_that_cannot_be_meant(lakehouse: Command, guarded: Path) -> None:
    (guarded / "access.yml").write_text("principals: {users: {ana@corp: {}}\n")
    assert lakehouse("serve", "--project", guarded).code == 2
