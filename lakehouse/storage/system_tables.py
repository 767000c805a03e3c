"""The system tables: what the framework knows, as Delta tables that anyone may query. Written without Spark.

Every table is created on first use; columns are plain types. Nested facts (versions read, records) are JSON text,
so that any reader can open them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from lakehouse.storage.small_table import open_table, read_rows

_WHEN = pa.timestamp("us", tz="UTC")

SCHEMAS: Mapping[str, pa.Schema] = {
    "runs": pa.schema(
        [
            ("run", pa.string()),
            ("project", pa.string()),
            ("status", pa.string()),
            ("started_at", _WHEN),
            ("ended_at", _WHEN),
            ("seconds", pa.float64()),
            ("publication", pa.int64()),
            ("process", pa.int64()),
            ("host", pa.string()),
            ("version", pa.string()),
        ]
    ),
    "refreshes": pa.schema(
        [
            ("run", pa.string()),
            ("project", pa.string()),
            ("dataset", pa.string()),
            ("status", pa.string()),
            ("mode", pa.string()),
            ("reason_code", pa.string()),
            ("reason", pa.string()),
            ("epoch", pa.int64()),
            ("version", pa.int64()),
            ("versions_read", pa.string()),
            ("rows_in", pa.int64()),
            ("rows_out", pa.int64()),
            ("rows_dropped", pa.int64()),
            ("rows_quarantined", pa.int64()),
            ("files", pa.int64()),
            ("bad_files", pa.int64()),
            ("fingerprint", pa.string()),
            ("error_class", pa.string()),
            ("error", pa.string()),
            ("started_at", _WHEN),
            ("ended_at", _WHEN),
            ("seconds", pa.float64()),
        ]
    ),
    "publications": pa.schema(
        [
            ("project", pa.string()),
            ("sequence", pa.int64()),
            ("run", pa.string()),
            ("published_at", _WHEN),
            ("tables", pa.string()),
        ]
    ),
    "lineage": pa.schema(
        [
            ("project", pa.string()),
            ("dataset", pa.string()),
            ("fingerprint", pa.string()),
            ("column_name", pa.string()),
            ("source_dataset", pa.string()),
            ("source_column", pa.string()),
            ("kind", pa.string()),
            ("recorded_at", _WHEN),
        ]
    ),
    "resets": pa.schema(
        [
            ("project", pa.string()),
            ("dataset", pa.string()),
            ("requested_at", _WHEN),
        ]
    ),
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
        batch = pa.Table.from_pylist(
            [{name: row.get(name) for name in self._schema.names} for row in rows], self._schema
        )
        properties = CommitProperties(
            app_transactions=[Transaction(app_id=application, version=sequence)] if application else None
        )
        write_deltalake(self.location, batch, mode="append", commit_properties=properties)
        self._compact_now_and_then()

    def rows(
        self, columns: Iterable[str] | None = None, filters: list[tuple[str, str, Any]] | None = None
    ) -> list[dict[str, Any]]:
        """The rows that satisfy every filter (column, operator, value); none if the table was never written."""
        table = open_table(self.location)
        if table is None:
            return []
        wanted = self._schema.names if columns is None else columns
        return list(read_rows(table, wanted, filters or ()).to_pylist())

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
