"""Tables and change sets for the tests of committing changes: what they need of a session, and what a table holds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from lakehouse.plan.change_set import CHANGE
from lakehouse.storage.change_commit import StagedChange, stage_change
from lakehouse.storage.change_rows import ChangeRows
from lakehouse.storage.committer_choice import LIMITS, CommitterLimits
from lakehouse.storage.staged_write import TableWrite, WriteMode

APPLICATION = "lakehouse/p/gold.g"
BY_SPARK = CommitterLimits(rows=-1)  # nothing is small enough for deltalake
SCHEMA = pa.schema([("k", pa.int64()), ("v", pa.string())])
FEED = {"delta.enableChangeDataFeed": "true"}


@dataclass
class Settings:
    """The only thing of a session that committing by deltalake asks for."""

    zone: str = "UTC"

    @property
    def conf(self) -> Settings:
        return self

    def get(self, key: str) -> str:
        assert key == "spark.sql.session.timeZone"
        return self.zone


def make_table(folder: Path, rows: Sequence[tuple[Any, ...]], schema: pa.Schema = SCHEMA, **options: Any) -> str:
    """A table with these rows, and its location."""
    options.setdefault("configuration", FEED)
    write_deltalake(str(folder), arrow(rows, schema), **options)
    return str(folder)


def arrow(rows: Sequence[tuple[Any, ...]], schema: pa.Schema = SCHEMA) -> pa.Table:
    """Rows as an Arrow table."""
    columns = [pa.array([row[index] for row in rows], field.type) for index, field in enumerate(schema)]
    return pa.table(columns, schema=schema)


def changes(rows: Sequence[tuple[Any, ...]], schema: pa.Schema = SCHEMA) -> pa.Table:
    """A change set from rows whose first value says what becomes of the rest."""
    found = arrow([row[1:] for row in rows], schema)
    return found.append_column(CHANGE, pa.array([row[0] for row in rows], pa.string()))


def staged(
    session: SparkSession | None,
    path: str,
    rows: Any,
    key: tuple[str, ...] | None = ("k",),
    *,
    expected_version: int | None = None,
    limits: CommitterLimits = LIMITS,
) -> StagedChange:
    """A change set of the table at `path`, staged; without a session only deltalake can commit it."""
    write = TableWrite(path=path, application=APPLICATION, mode=WriteMode.APPEND)
    used: Any = session or Settings()
    change = ChangeRows(rows=rows, key=key)
    return stage_change(used, write, change, expected_version=expected_version, limits=limits)


def contents(path: str) -> list[tuple[Any, ...]]:
    """All rows of a table as `deltalake` reads them, sorted by their text."""
    table = DeltaTable(path).to_pyarrow_table()
    return sorted((tuple(row.values()) for row in table.to_pylist()), key=repr)


def plain(value: Any) -> Any:
    """A value such that equal ones are equal and have one hash, NaN and zeros too."""
    match value:
        case float():
            return "NaN" if math.isnan(value) else value + 0.0
        case datetime():
            return value.astimezone(timezone.utc).isoformat() if value.tzinfo else value.isoformat()
        case list() | tuple():
            return tuple(plain(item) for item in value)
        case dict():
            return tuple((name, plain(item)) for name, item in value.items())
        case _:
            return value


def spark_rows(session: SparkSession, path: str) -> Counter[Any]:
    """All rows of a table as Spark reads them."""
    return Counter(plain(tuple(row.values())) for row in _listed(session.read.format("delta").load(path).toArrow()))


def spark_feed(session: SparkSession, path: str, version: int) -> Counter[Any]:
    """The change feed of one version as Spark reads it: (kind of change, row), counted."""
    reader = session.read.format("delta").option("readChangeFeed", "true")
    feed = reader.option("startingVersion", version).option("endingVersion", version).load(path)
    found: Counter[Any] = Counter()
    for row in _listed(feed.drop("_commit_version", "_commit_timestamp").toArrow()):
        kind = row.pop("_change_type")
        found[kind, plain(tuple(row.values()))] += 1
    return found


def netted(feed: Counter[Any]) -> Counter[Any]:
    """A change feed as rows with what is to be added to their number, never 0."""
    total: Counter[Any] = Counter()
    for (kind, row), count in feed.items():
        total[row] += count if kind in {"insert", "update_postimage"} else -count
    return Counter({row: count for row, count in total.items() if count})


def _listed(table: pa.Table) -> list[dict[str, Any]]:
    return list(table.to_pylist())
