"""Whether all instants in a table's files are such as `deltalake` reads rightly.

Spark writes TIMESTAMP as INT96, which `deltalake` reads by way of 64-bit nanoseconds: an instant before 1677 or after
2262 comes out as another one, without an error. The statistics of the files tell whether there are any.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from arro3.core import DataType, Table
from deltalake import DeltaTable

from lakehouse.storage.commit_log import Commit
from lakehouse.storage.small_table import microseconds

_YEARS = range(1700, 2250)  # wide enough, and away from the edges whatever the time zone
_FIRST, _LAST = (microseconds(datetime(year, 1, 1, tzinfo=timezone.utc)) for year in (_YEARS.start, _YEARS.stop))
_YEAR = re.compile(r"(\d{4})-")


def has_instants(schema: Mapping[str, Any]) -> bool:
    """Whether a column of a schema (a struct type of the Delta protocol) is or contains a TIMESTAMP."""
    return bool(_instant_columns(schema)) or _has_nested(schema)


def instants_fit(schema: Mapping[str, Any], commits: Iterable[Commit], before: DeltaTable | None) -> bool:
    """Whether every instant in the files of the version before and in those that the commits added is within reach.

    False where that is not known: without statistics, and for TIMESTAMP inside of structs, arrays and maps.
    """
    columns = _instant_columns(schema)
    if _has_nested(schema) or before is None:
        return False
    added = (json.loads(file.get("stats") or "{}") for commit in commits for file in commit.of("add"))
    return all(_fits(stats, column) for stats in added for column in columns) and _files_fit(before, columns)


def _instant_columns(schema: Mapping[str, Any]) -> list[str]:
    return [field["name"] for field in schema["fields"] if field["type"] == "timestamp"]


def _has_nested(schema: Mapping[str, Any]) -> bool:
    return any(
        not isinstance(field["type"], str) and '"timestamp"' in json.dumps(field["type"]) for field in schema["fields"]
    )


def _fits(stats: Mapping[str, Any], column: str) -> bool:
    """By a file's statistics as its `add` action has them."""
    bounds = [stats.get(key, {}).get(column) for key in ("minValues", "maxValues")]
    if None in bounds:
        return "numRecords" in stats and stats.get("nullCount", {}).get(column) == stats["numRecords"]
    years = [_YEAR.match(str(bound)) for bound in bounds]
    return all(year is not None and int(year[1]) in _YEARS for year in years)


def _files_fit(table: DeltaTable, columns: list[str]) -> bool:
    files = Table.from_arrow(table.get_add_actions(flatten=True))

    def values(name: str) -> list[Any]:
        if name not in files.column_names:
            return [None] * files.num_rows
        return [value for chunk in files.column(name).cast(DataType.int64()).chunks for value in chunk.to_pylist()]

    records = values("num_records")
    for column in columns:
        for least, greatest, nulls, rows in zip(
            values(f"min.{column}"), values(f"max.{column}"), values(f"null_count.{column}"), records, strict=True
        ):
            if least is None or greatest is None:
                if nulls is None or nulls != rows:
                    return False
            elif least < _FIRST or greatest >= _LAST:
                return False
    return True
