"""The audit in `<warehouse>/system/audit`: rows that are only ever added, each with a hash over itself and the one
before, so that a row that is changed, removed or put in between is found.

What is cut off at the end cannot be told from the rows. So the last row's place and hash are kept in a file beside the
table, too: who cuts off the end, or puts back an older copy of the table, must know of that file and change it
consistently. Who may write both can do so: only a hash that is kept elsewhere finds that. A warehouse that is not on
a local filesystem has no such file. Events of queries that run at the same time are committed together, so that each
need not wait for a commit of its own.
"""

from __future__ import annotations

import hashlib
import json
import queue
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from deltalake import DeltaTable, write_deltalake

from lakehouse.errors import LakehouseError
from lakehouse.storage.small_table import arrow_table, ask, microseconds, open_table, read_rows
from lakehouse.storage.system_tables import SCHEMAS
from lakehouse.storage.table_lock import table_lock

FIRST_HASH = "0" * 64
OK, MALFORMED, UNAUTHENTICATED, DENIED, FAILED = 200, 400, 401, 403, 500  # as Unity Catalog: HTTP's
_COLUMNS = SCHEMAS["audit"]
_COMPACT_EVERY = 200
_COMPACT_TO = 8 << 20  # larger files are left alone, so that compacting costs the same however long the log is


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """Something that was asked for, and what came of it."""

    event_time: datetime
    action_name: str
    user: str
    status_code: int = OK
    error_message: str | None = None
    request_id: str = ""
    request_params: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    source_ip_address: str | None = None
    user_agent: str | None = None
    session_id: str | None = None
    service_name: str = "gateway"


@dataclass(frozen=True, slots=True)
class AuditEnd:
    """The last row that was written: its place from 1, and its hash."""

    sequence: int
    hash: str


class AuditUnwritable(LakehouseError):
    """The audit cannot be written; what depends on it must not happen."""


class AuditLog:
    """Appends to the audit of one warehouse. A context manager: entering starts its writer, leaving ends it when all
    is written. Several processes may write at once."""

    def __init__(self, warehouse: str) -> None:
        self.location = f"{warehouse}/system/audit"
        self._end_file = _end_file(warehouse)
        self._queue: queue.SimpleQueue[tuple[AuditEvent, Future[None]] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, name="lakehouse-audit", daemon=True)
        self._head: tuple[int, int, str] = (-1, 0, FIRST_HASH)  # version of the table, sequence and hash of its end
        self._table: DeltaTable | None = None

    def __enter__(self) -> AuditLog:
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.put(None)
        self._writer.join()

    def submit(self, event: AuditEvent) -> Future[None]:
        """Hands over an event. The answer is done when the event is durable, and raises AuditUnwritable if it cannot
        be made so."""
        future: Future[None] = Future()
        if not self._writer.is_alive():
            future.set_exception(AuditUnwritable("the audit is closed."))
        else:
            self._queue.put((event, future))
        return future

    def record(self, event: AuditEvent) -> None:
        """Returns when the event is durable. Raises AuditUnwritable."""
        self.submit(event).result()

    def _write_all(self) -> None:
        ended = False
        while not ended:
            batch = [self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get())
            ended = None in batch
            found = [entry for entry in batch if entry is not None]
            if found:
                self._write(found)

    def _write(self, batch: Sequence[tuple[AuditEvent, Future[None]]]) -> None:
        try:
            self._commit([event for event, _ in batch])
        except Exception as error:  # whatever it is, those who wait must hear of it
            self._head, self._table = (-1, 0, FIRST_HASH), None
            for _, future in batch:
                future.set_exception(AuditUnwritable(f"the audit cannot be written ({type(error).__name__})."))
        else:
            for _, future in batch:
                future.set_result(None)

    def _commit(self, events: Sequence[AuditEvent]) -> None:
        if "://" not in self.location:
            Path(self.location).mkdir(parents=True, exist_ok=True)
        with table_lock(self.location):
            sequence, previous = self._read_head()
            rows = []
            for event in events:
                sequence += 1
                row = _row(event, sequence, previous)
                previous = row["hash"]
                rows.append(row)
            batch = arrow_table(_COLUMNS, rows)
            if self._table is None:
                settings = {"delta.appendOnly": "true"}
                write_deltalake(self.location, batch, mode="append", configuration=settings)
                self._table = DeltaTable(self.location)
            else:
                write_deltalake(self._table, batch, mode="append")
                self._table.update_incremental()
            if self._table.version() % _COMPACT_EVERY == _COMPACT_EVERY - 1:
                self._table.optimize.compact(target_size=_COMPACT_TO)
                self._table.create_checkpoint()
            self._head = (self._table.version(), sequence, previous)
            if self._end_file is not None:
                _write_end(self._end_file, AuditEnd(sequence, previous))

    def _read_head(self) -> tuple[int, str]:
        """Sequence and hash of the last row; read again only if another process has written."""
        if self._table is None:
            self._table = open_table(self.location)
        else:
            self._table.update_incremental()
        version, sequence, previous = self._head
        if self._table is not None and self._table.version() != version:
            last = ask(self._table, 'SELECT sequence, hash FROM "rows" ORDER BY sequence DESC LIMIT 1')
            sequence, previous = (last[0]["sequence"], last[0]["hash"]) if last else (0, FIRST_HASH)
        return sequence, previous


def read_audit(warehouse: str, filters: Sequence[tuple[str, str, Any]] = ()) -> list[dict[str, Any]]:
    """The rows that satisfy every filter, in the order in which they were written; none where none was written."""
    table = open_table(f"{warehouse}/system/audit")
    found = read_rows(table, list(_COLUMNS), filters) if table else []
    return sorted(found, key=lambda row: (row["sequence"], row["event_id"]))


def verify_chain(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The first row that does not follow from those before it: changed itself, or something before it is gone, put in
    or exchanged; None if all is as it was written. `rows` are all of them, as `read_audit` gives them."""
    previous = FIRST_HASH
    for sequence, row in enumerate(rows, start=1):
        if row["sequence"] != sequence or row["previous_hash"] != previous or row["hash"] != row_hash(row):
            return row
        previous = row["hash"]
    return None


def verify_end(rows: Sequence[Mapping[str, Any]], end: AuditEnd | None) -> bool:
    """Whether the rows, a whole chain, reach as far as was noted when they were written. There may be more: whoever
    wrote them was stopped before it could note it. Without a note only if there are no rows, as nothing was written.
    """
    if end is None:
        return not rows
    return 0 < end.sequence <= len(rows) and rows[end.sequence - 1]["hash"] == end.hash


def read_audit_end(warehouse: str) -> AuditEnd | None:
    """What was noted of the last row; None if there is no such note, or it cannot be read."""
    file = _end_file(warehouse)
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file else {}
        return AuditEnd(int(found["sequence"]), str(found["hash"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keeps_end(warehouse: str) -> bool:
    """Whether the end is noted: not where the warehouse is not on a local filesystem."""
    return _end_file(warehouse) is not None


def row_hash(row: Mapping[str, Any]) -> str:
    """SHA-256 over a row's other columns, as a JSON array in the order of the table; instants as microseconds."""
    values = [row.get(name) for name in _COLUMNS if name != "hash"]
    plain = [microseconds(value) if isinstance(value, datetime) else value for value in values]
    return hashlib.sha256(json.dumps(plain, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


def _end_file(warehouse: str) -> Path | None:
    return None if "://" in warehouse else Path(warehouse) / "system" / "audit_end.json"


def _write_end(file: Path, end: AuditEnd) -> None:
    """In one step: a reader sees the note before or this one."""
    new = file.with_suffix(".new")
    new.write_text(json.dumps({"sequence": end.sequence, "hash": end.hash}), encoding="utf-8")
    new.replace(file)


def _row(event: AuditEvent, sequence: int, previous: str) -> dict[str, Any]:
    response = {"status_code": event.status_code, "error_message": event.error_message, "result": dict(event.result)}
    row = {
        "sequence": sequence,
        "event_id": str(uuid.uuid4()),
        "event_time": event.event_time,
        "event_date": event.event_time.date().isoformat(),
        "service_name": event.service_name,
        "action_name": event.action_name,
        "user_identity": _json({"email": event.user}),
        "source_ip_address": event.source_ip_address,
        "user_agent": event.user_agent,
        "session_id": event.session_id,
        "request_id": event.request_id,
        "request_params": _json(dict(event.request_params)),
        "response": _json(response),
        "previous_hash": previous,
    }
    return {**row, "hash": row_hash(row)}


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, default=str)  # ASCII: a lone surrogate in a query must not fail the write
