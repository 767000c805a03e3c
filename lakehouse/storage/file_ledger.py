"""The ingestion ledger `system/files`: which file came into which table by which commit. Written without Spark.

The protocol: the files of a load are recorded as pending before the table's commit, and settled after it, or by the
next run, which asks the table for its last epoch. A load that replaces rows (of a file, of the whole table) makes the
entries of those rows superseded in the same commit that confirms it. So the files with rows in a table are, at every
moment, those that say `loaded`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from deltalake import DeltaTable, write_deltalake

from lakehouse.names import TableName
from lakehouse.plan.load_plan import FileStatus, LedgerEntry
from lakehouse.storage.small_table import (
    Kind,
    arrow_table,
    instant_at,
    microseconds,
    open_table,
    plain_rows,
    text_literal,
)

_COLUMNS = {
    "project": Kind.TEXT,
    "dataset": Kind.TEXT,
    "flow": Kind.TEXT,
    "path": Kind.TEXT,
    "size": Kind.WHOLE,
    "modified_at": Kind.INSTANT,
    "content_hash": Kind.TEXT,
    "epoch": Kind.WHOLE,
    "run": Kind.TEXT,
    "status": Kind.TEXT,
    "reason": Kind.TEXT,
    "full": Kind.TRUTH,
    "recorded_at": Kind.INSTANT,
}
_PENDING = FileStatus.PENDING
_PAST = "('superseded', 'abandoned')"
_COMPACT_EVERY = 20
_BATCH = 1_000  # names in one predicate


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class FileLedger:
    """The ledger at `location`, a path or a URI; `now` tells when an entry is recorded. Safe between threads; that
    only one run of a project writes is the project lock's concern."""

    def __init__(self, location: str, now: Callable[[], datetime] = _utc_now) -> None:
        self._location = location
        self._now = now
        self._writing = threading.Lock()

    def entries(self, dataset: str | None = None) -> tuple[LedgerEntry, ...]:
        """The entries that count, of one table or of all, oldest first: neither superseded nor abandoned."""
        counting = f"(status NOT IN {_PAST})"
        return self._select(counting if dataset is None else f"{counting} AND (dataset = {text_literal(dataset)})")

    def record_intent(self, entries: Sequence[LedgerEntry]) -> None:
        """Records what the next commit of a table is about to bring (pending) and what is set aside (bad, duplicate)
        in one commit; entries that say `loaded` only correct size and time of the one that is there."""
        moved = [entry for entry in entries if entry.status is FileStatus.LOADED]
        fresh = [entry for entry in entries if entry.status is not FileStatus.LOADED]
        with self._writing:
            if moved:
                self._move(moved)
            if fresh:
                write_deltalake(self._location, _rows(fresh, self._now()), mode="append")
                self._forget_earlier_verdicts(fresh)
                self._compact_now_and_then()

    def confirm(self, dataset: str, epoch: int) -> None:
        """The epoch's commit happened: its pending files are loaded, and what they replace is superseded, in one
        commit. Doing it again changes nothing."""
        with self._writing:
            table = self._open()
            pending = [e for e in self._pending(dataset) if e.epoch == epoch]
            if table is None or not pending:
                return
            run = pending[0].run
            others = f"(dataset = {text_literal(dataset)}) AND (status IN ('loaded', 'bad', 'duplicate'))"
            if any(entry.full for entry in pending):
                # What this load itself set aside stays.
                replaced = [f"({others} AND NOT ((epoch = {epoch}) AND (run = {text_literal(run)})))"]
            else:
                fresh = {(entry.flow, entry.path) for entry in pending}
                known = [entry for entry in self.entries(dataset) if (entry.flow, entry.path) in fresh]
                replaced = [
                    f"({others} AND {_names(batch)})"
                    for batch in _batches([e for e in known if e.status is not FileStatus.PENDING])
                ]
            table.update(
                updates={"status": "CASE WHEN (status = 'pending') THEN 'loaded' ELSE 'superseded' END"},
                predicate=" OR ".join([f"({_is_pending(dataset, epoch)})", *replaced]),
            )
            self._compact_now_and_then()

    def abandon(self, dataset: str, epoch: int) -> None:
        """The epoch's commit will never happen: its pending files are not loaded, and the next run sees them as new."""
        with self._writing:
            table = self._open()
            if table is not None:
                table.update(updates={"status": "'abandoned'"}, predicate=_is_pending(dataset, epoch))

    def pending(self, dataset: str) -> int | None:
        """The epoch whose commit was neither confirmed nor given up, if there is one."""
        return max((entry.epoch for entry in self._pending(dataset)), default=None)

    def pending_epochs(self, project: str) -> Mapping[TableName, int]:
        """The same for every table of a project that has one."""
        return {
            TableName(*entry.dataset.split(".", 1)): entry.epoch
            for entry in self._pending()
            if entry.project == project
        }

    def _select(self, predicate: str) -> tuple[LedgerEntry, ...]:
        table = self._open()
        if table is None:
            return ()
        return tuple(_entries(plain_rows(table.scan(columns=list(_COLUMNS), predicate=predicate))))

    def _pending(self, dataset: str | None = None) -> tuple[LedgerEntry, ...]:
        return self._select(
            "(status = 'pending')" + (f" AND (dataset = {text_literal(dataset)})" if dataset is not None else "")
        )

    def _move(self, moved: list[LedgerEntry]) -> None:
        keys = ("dataset", "flow", "path", "epoch", "status")
        DeltaTable(self._location).merge(
            _rows(moved, self._now()),
            predicate=" AND ".join(f"(t.{key} = s.{key})" for key in keys),
            source_alias="s",
            target_alias="t",
        ).when_matched_update({"size": "s.size", "modified_at": "s.modified_at"}).execute()

    def _forget_earlier_verdicts(self, fresh: list[LedgerEntry]) -> None:
        """A file that is set aside again, or loaded now, is no longer what an earlier run called it."""
        fresh_keys = {(entry.dataset, entry.flow, entry.path) for entry in fresh if entry.status is not _PENDING}
        if not fresh_keys:
            return
        run = fresh[0].run
        earlier = [
            entry
            for entry in self._select("(status IN ('bad', 'duplicate'))")
            if entry.run != run and (entry.dataset, entry.flow, entry.path) in fresh_keys
        ]
        for dataset in {entry.dataset for entry in earlier}:
            for batch in _batches([entry for entry in earlier if entry.dataset == dataset]):
                DeltaTable(self._location).update(
                    updates={"status": "'superseded'"},
                    predicate=f"(dataset = {text_literal(dataset)}) AND (run <> {text_literal(run)}) "
                    f"AND (status IN ('bad', 'duplicate')) AND {_names(batch)}",
                )

    def _open(self) -> DeltaTable | None:
        return open_table(self._location)

    def _compact_now_and_then(self) -> None:
        # Every load leaves a small file; without this every look at the ledger would open them all.
        table = DeltaTable(self._location)
        if table.version() % _COMPACT_EVERY >= _COMPACT_EVERY - 2:
            table.optimize.compact()
            table.create_checkpoint()


def _rows(entries: Iterable[LedgerEntry], recorded_at: datetime) -> Any:
    return arrow_table(
        _COLUMNS,
        [
            {
                **{name: getattr(entry, name, None) for name in _COLUMNS},
                "status": entry.status.value,
                "modified_at": instant_at(entry.modified_at),
                "recorded_at": recorded_at,
            }
            for entry in entries
        ],
    )


def _entries(rows: Iterable[dict[str, Any]]) -> Iterable[LedgerEntry]:
    for row in sorted(rows, key=lambda row: (row["recorded_at"], row["epoch"])):
        row.pop("recorded_at")
        yield LedgerEntry(
            **{**row, "status": FileStatus(row["status"]), "modified_at": microseconds(row["modified_at"])}
        )


def _is_pending(dataset: str, epoch: int) -> str:
    return f"(dataset = {text_literal(dataset)}) AND (epoch = {epoch}) AND (status = 'pending')"


def _names(entries: Sequence[LedgerEntry]) -> str:
    """Matches the files of these entries: few flows, many paths."""
    paths: dict[str, list[str]] = {}
    for entry in entries:
        paths.setdefault(entry.flow, []).append(text_literal(entry.path))
    choices = [f"((flow = {text_literal(flow)}) AND (path IN ({', '.join(names)})))" for flow, names in paths.items()]
    return f"({' OR '.join(choices)})"


def _batches(entries: Sequence[LedgerEntry]) -> Iterable[Sequence[LedgerEntry]]:
    return [entries[start : start + _BATCH] for start in range(0, len(entries), _BATCH)]
