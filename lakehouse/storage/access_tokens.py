"""Access tokens in `<warehouse>/system/tokens`: made, revoked, listed, and told from what is not one.

A token is `lh_<id>_<secret>`. The secret has 256 random bits, so that a single round of SHA-256 over id and secret is
as good as a slow hash: there is nothing to guess. The table is append-only: a revocation is one more row.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from lakehouse.errors import UnknownName
from lakehouse.storage.small_table import open_table
from lakehouse.storage.system_tables import SystemTable
from lakehouse.storage.table_lock import table_lock

_PREFIX = "lh"
_ID_BYTES, _SECRET_BYTES = 6, 32
_CREATED, _REVOKED = "created", "revoked"
_MOST_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """What is known of a token; its secret is not. Instants are in UTC."""

    token: str
    principal: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    secret_hash: str = ""

    def is_valid(self, now: datetime) -> bool:
        """Whether it opens anything at `now`."""
        return self.revoked_at is None and now < self.expires_at


class AccessTokens:
    """The tokens of one warehouse. Safe to use from several threads."""

    def __init__(self, warehouse: str) -> None:
        self._folder = f"{warehouse}/system"
        self._table = SystemTable(self._folder, "tokens")
        self._lock = threading.Lock()
        self._opened: DeltaTable | None = None
        self._read_version = -1
        self._known: dict[str, AccessToken] = {}

    def create(self, principal: str, lifetime: timedelta, now: datetime) -> tuple[str, AccessToken]:
        """A new token for a principal: the text that the holder keeps and no one sees again, and what is stored."""
        token, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
        made = AccessToken(
            token=token,
            principal=principal.strip().lower(),
            created_at=now,
            expires_at=now + lifetime,
            secret_hash=_hash(token, secret),
        )
        row = {
            "token": token,
            "principal": made.principal,
            "action": _CREATED,
            "secret_hash": made.secret_hash,
            "recorded_at": now,
            "expires_at": made.expires_at,
        }
        self._append(row)
        return f"{_PREFIX}_{token}_{secret}", made

    def revoke(self, token: str, now: datetime) -> AccessToken:
        """Ends a token by its id, for good; one that is revoked already stays as it is. Raises UnknownName."""
        known = {found.token: found for found in self.all()}
        if token not in known:
            raise UnknownName(token, known, what="token")
        if known[token].revoked_at is None:
            row = {"token": token, "principal": known[token].principal, "action": _REVOKED, "recorded_at": now}
            self._append(row)
        return next(found for found in self.all() if found.token == token)

    def all(self) -> list[AccessToken]:
        """Every token that was made, oldest first."""
        return sorted(self._current().values(), key=lambda found: (found.created_at, found.token))

    def principal_of(self, presented: str, now: datetime) -> str | None:
        """The name of the principal whose token this is; None if it is none, has expired or was revoked."""
        prefix, _, rest = presented.partition("_")
        token, _, secret = rest.partition("_")
        found = self._current().get(token)
        # Unknown ids take the same time as known ones.
        expected = found.secret_hash if found else _hash("", "")
        matches = hmac.compare_digest(_hash(token, secret), expected)
        return found.principal if found and matches and prefix == _PREFIX and found.is_valid(now) else None

    def _append(self, row: dict[str, Any]) -> None:
        """One row, whoever else writes at this moment, in this process or another."""
        if "://" not in self._folder:
            Path(self._table.location).mkdir(parents=True, exist_ok=True)
        with table_lock(self._table.location):  # processes of one machine wait for each other
            for attempt in range(_MOST_ATTEMPTS):
                try:
                    self._table.append([row])
                except DeltaError:
                    # Another machine made the table, committed, or compacted meanwhile. Was the row written before
                    # that? A token is in the table at most once for each action.
                    if self._is_there(row):
                        return
                    if attempt == _MOST_ATTEMPTS - 1:
                        raise
                    time.sleep(secrets.randbelow(50 * (attempt + 1)) / 1000)  # else both meet again
                else:
                    return

    def _is_there(self, row: dict[str, Any]) -> bool:
        return bool(self._table.rows(["token"], [("token", "=", row["token"]), ("action", "=", row["action"])]))

    def _current(self) -> dict[str, AccessToken]:
        """The tokens as the table has them now; it is read again only when it has changed."""
        with self._lock:
            if self._opened is None:
                self._opened = open_table(self._table.location)
            else:
                self._opened.update_incremental()
            if self._opened is not None and self._opened.version() != self._read_version:
                version = self._opened.version()
                self._known = _tokens(self._table)
                self._read_version = version
            return self._known


def _tokens(table: SystemTable) -> dict[str, AccessToken]:
    rows = table.rows()
    revoked: dict[str, datetime] = {}
    for row in rows:
        if row["action"] == _REVOKED:
            revoked[row["token"]] = min(row["recorded_at"], revoked.get(row["token"], row["recorded_at"]))
    return {
        row["token"]: AccessToken(
            token=row["token"],
            principal=row["principal"],
            created_at=row["recorded_at"],
            expires_at=row["expires_at"],
            revoked_at=revoked.get(row["token"]),
            secret_hash=row["secret_hash"],
        )
        for row in rows
        if row["action"] == _CREATED
    }


def _hash(token: str, secret: str) -> str:
    return hashlib.sha256(f"{token}:{secret}".encode("utf-8", "surrogatepass")).hexdigest()
