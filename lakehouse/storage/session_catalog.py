"""Datasets under their names in a Spark session, each pinned to one version.

A table is registered twice: raw, in a schema of its own that users do not name, and as a view `schema.name` over
`… VERSION AS OF n`. The view is the only pinning form Spark offers that survives later commits. A dataset that is
not built yet is a view without rows, so that queries over it can be analysed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession

from lakehouse.names import TableName
from lakehouse.storage.session import sibling_session

_RAW_SCHEMA_PREFIX = "lakehouse_raw_"


class SessionCatalog:
    """The names a session can read. Safe to use from several threads."""

    def __init__(self, session: SparkSession, default_schema: str) -> None:
        self.session = session
        self._default_schema = default_schema
        self._pinned: dict[TableName, tuple[str, int]] = {}
        self._raw: dict[TableName, str] = {}
        self._schemas: set[str] = set()
        self._lock = threading.RLock()
        self._schema(default_schema)
        session.sql(f"USE `{default_schema}`")

    def pin(self, name: TableName, location: str, version: int) -> None:
        """Makes `name` read the Delta table at `location` as it was at `version`."""
        with self._lock:
            if self._pinned.get(name) == (location, version):
                return
            raw = self._raw_table(name, location)
            self._schema(name.schema)
            self.session.sql(f"CREATE OR REPLACE VIEW {name.quoted} AS SELECT * FROM {raw} VERSION AS OF {version}")
            self._pinned[name] = (location, version)

    def declare(self, name: TableName, columns: str, empty_query: str) -> None:
        """Makes `name` known as a view over `empty_query`, a SELECT that returns no rows; `columns` is the list of
        column names and comments in parentheses."""
        with self._lock:
            self._schema(name.schema)
            self.session.sql(f"CREATE OR REPLACE VIEW {name.quoted} {columns} AS {empty_query}")
            self._pinned.pop(name, None)

    def stand_in(self, name: TableName, columns: str, table_columns: str, location: str) -> None:
        """Makes `name` known as a view over a table without rows, whose plan looks like that of a table with rows.
        `columns` is as for `declare`, `table_columns` the list of names and types; nothing is written to `location`,
        a folder that is not there."""
        with self._lock:
            schema = f"{_RAW_SCHEMA_PREFIX}{name.schema}"
            raw = f"`{schema}`.`{name.name}`"
            self._schema(name.schema)
            self._schema(schema)
            self.session.sql(f"DROP TABLE IF EXISTS {raw}")
            self.session.sql(f"CREATE TABLE {raw} {table_columns} USING parquet LOCATION {_quoted(location)}")
            self.session.sql(f"CREATE OR REPLACE VIEW {name.quoted} {columns} AS SELECT * FROM {raw}")
            self._pinned.pop(name, None)
            self._raw.pop(name, None)

    def define_temporary(self, name: str, frame: DataFrame) -> None:
        """Makes the query behind `frame` known under a name without schema, in this session only."""
        with self._lock:
            frame.createOrReplaceTempView(f"`{name}`")

    def configured(self, settings: Mapping[str, str]) -> SessionCatalog:
        """The same tables in a session with these settings; this catalog itself if there are none. Temporary views
        are not shared."""
        if not settings:
            return self
        sibling = SessionCatalog(sibling_session(self.session, settings), self._default_schema)
        sibling._pinned, sibling._raw, sibling._lock = self._pinned, self._raw, self._lock
        return sibling

    def table(self, location: str, version: int) -> DataFrame:
        """The rows of the Delta table at `location` as they were at `version`."""
        return self.session.read.format("delta").option("versionAsOf", version).load(location)

    def forget(self, name: TableName) -> None:
        """Removes `name` if it is there."""
        with self._lock:
            self.session.sql(f"DROP VIEW IF EXISTS {name.quoted}")
            self._pinned.pop(name, None)

    def _raw_table(self, name: TableName, location: str) -> str:
        schema = f"{_RAW_SCHEMA_PREFIX}{name.schema}"
        raw = f"`{schema}`.`{name.name}`"
        if self._raw.get(name) != location:
            self._schema(schema)
            self.session.sql(f"DROP TABLE IF EXISTS {raw}")
            self.session.sql(f"CREATE TABLE {raw} USING delta LOCATION {_quoted(location)}")
            self._raw[name] = location
        return raw

    def _schema(self, schema: str) -> None:
        if schema not in self._schemas:
            self.session.sql(f"CREATE SCHEMA IF NOT EXISTS `{schema}`")
            self._schemas.add(schema)


def _quoted(location: str) -> str:
    escaped = location.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
