"""The system tables: what the framework knows, as Delta tables that anyone may query. Written without Spark.

Every table is created on first use; columns are plain types. Nested facts (versions read, records) are JSON text,
so that any reader can open them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from lakehouse.storage.small_table import Kind, arrow_table, open_table, read_rows

SCHEMAS: Mapping[str, Mapping[str, Kind]] = {
    "runs": {
        "run": Kind.TEXT,
        "project": Kind.TEXT,
        "status": Kind.TEXT,
        "started_at": Kind.INSTANT,
        "ended_at": Kind.INSTANT,
        "seconds": Kind.REAL,
        "publication": Kind.WHOLE,
        "process": Kind.WHOLE,
        "host": Kind.TEXT,
        "version": Kind.TEXT,
    },
    "refreshes": {
        "run": Kind.TEXT,
        "project": Kind.TEXT,
        "dataset": Kind.TEXT,
        "status": Kind.TEXT,
        "mode": Kind.TEXT,
        "reason_code": Kind.TEXT,
        "reason": Kind.TEXT,
        "epoch": Kind.WHOLE,
        "version": Kind.WHOLE,
        "versions_read": Kind.TEXT,
        "rows_in": Kind.WHOLE,
        "rows_out": Kind.WHOLE,
        "rows_inserted": Kind.WHOLE,
        "rows_updated": Kind.WHOLE,
        "rows_deleted": Kind.WHOLE,
        "lacking": Kind.TEXT,
        "expected": Kind.TEXT,
        "rows_dropped": Kind.WHOLE,
        "rows_quarantined": Kind.WHOLE,
        "files": Kind.WHOLE,
        "bad_files": Kind.WHOLE,
        "fingerprint": Kind.TEXT,
        "error_class": Kind.TEXT,
        "error": Kind.TEXT,
        "started_at": Kind.INSTANT,
        "ended_at": Kind.INSTANT,
        "seconds": Kind.REAL,
    },
    "publications": {
        "project": Kind.TEXT,
        "sequence": Kind.WHOLE,
        "run": Kind.TEXT,
        "published_at": Kind.INSTANT,
        "tables": Kind.TEXT,
    },
    "lineage": {
        "project": Kind.TEXT,
        "dataset": Kind.TEXT,
        "fingerprint": Kind.TEXT,
        "column_name": Kind.TEXT,
        "source_dataset": Kind.TEXT,
        "source_column": Kind.TEXT,
        "kind": Kind.TEXT,
        "recorded_at": Kind.INSTANT,
    },
    # A row per expectation and judgement. `observed` and the sampled keys in `details` are JSON.
    "expectations": {
        "project": Kind.TEXT,
        "run": Kind.TEXT,
        "dataset": Kind.TEXT,
        "name": Kind.TEXT,
        "version": Kind.WHOLE,
        "epoch": Kind.WHOLE,
        "fingerprint": Kind.TEXT,
        "expectation": Kind.TEXT,
        "on_violation": Kind.TEXT,
        "severity": Kind.TEXT,
        "origin": Kind.TEXT,
        "status": Kind.TEXT,
        "passed_records": Kind.WHOLE,
        "failed_records": Kind.WHOLE,
        "element_count": Kind.WHOLE,
        "missing_records": Kind.WHOLE,
        "observed": Kind.TEXT,
        "details": Kind.TEXT,
        "judged_at": Kind.INSTANT,
    },
    # A row per column and version, or load. `quantiles` and `top` are JSON, for readers that know no sketches.
    "profiles": {
        "project": Kind.TEXT,
        "dataset": Kind.TEXT,
        "version": Kind.WHOLE,
        "epoch": Kind.WHOLE,
        "run": Kind.TEXT,
        "is_increment": Kind.TRUTH,
        "column_name": Kind.TEXT,
        "column_type": Kind.TEXT,
        "rows": Kind.WHOLE,
        "nulls": Kind.WHOLE,
        "measured": Kind.WHOLE,
        "low": Kind.TEXT,
        "high": Kind.TEXT,
        "mean": Kind.REAL,
        "deviation": Kind.REAL,
        "distinct": Kind.WHOLE,
        "quantiles": Kind.TEXT,
        "top": Kind.TEXT,
        "distinct_sketch": Kind.BYTES,
        "quantile_sketch": Kind.BYTES,
        "recorded_at": Kind.INSTANT,
    },
    # A row per statement about access, never changed; written by `access_ledger` alone.
    "access": {
        "project": Kind.TEXT,
        "sequence": Kind.WHOLE,
        "previous": Kind.WHOLE,
        "principal": Kind.TEXT,
        "stated_at": Kind.INSTANT,
        "statement": Kind.TEXT,
    },
    "resets": {
        "project": Kind.TEXT,
        "dataset": Kind.TEXT,
        "requested_at": Kind.INSTANT,
    },
}

_COMPACT_EVERY = 50


class SystemTable:
    """One system table at `<folder>/<name>`."""

    def __init__(self, folder: str, name: str) -> None:
        self.location = f"{folder}/{name}"
        self._schema = SCHEMAS[name]

    def append(self, rows: Sequence[Mapping[str, Any]], *, application: str = "", sequence: int = 0) -> None:
        """Adds rows (keys as in the table's schema; missing ones are NULL) in one commit.

        With `application` and `sequence` the commit carries them as a transaction identifier.
        """
        batch = arrow_table(self._schema, rows)
        properties = CommitProperties(
            app_transactions=[Transaction(app_id=application, version=sequence)] if application else None
        )
        # A table that an earlier version of the product made may lack columns.
        write_deltalake(self.location, batch, mode="append", schema_mode="merge", commit_properties=properties)
        self._compact_now_and_then()

    def rows(
        self, columns: Iterable[str] | None = None, filters: list[tuple[str, str, Any]] | None = None
    ) -> list[dict[str, Any]]:
        """The rows that satisfy every filter (column, operator, value); none if the table was never written."""
        table = open_table(self.location)
        if table is None:
            return []
        wanted = list(self._schema if columns is None else columns)
        there = {field.name for field in table.schema().fields}
        rows = read_rows(table, [name for name in wanted if name in there], filters or ())
        return rows if there.issuperset(wanted) else [{name: row.get(name) for name in wanted} for row in rows]

    def sequence(self, application: str) -> int:
        """The highest sequence that `application` committed; 0 if none."""
        table = open_table(self.location)
        found = table.transaction_version(application) if table else None
        return int(found or 0)

    def _compact_now_and_then(self) -> None:
        # Small commits leave small files; without this every read would open one file a run.
        table = DeltaTable(self.location)
        if table.version() % _COMPACT_EVERY == _COMPACT_EVERY - 1:
            table.optimize.compact()
            table.create_checkpoint()


def utc(moment: datetime | None) -> str | None:
    """An instant as ISO text to the second, as people read it."""
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment else None
