"""Rows in quarantine as people and programs read them. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from lakehouse.cli.screen import Column, as_json_value, written
from lakehouse.run.quarantined_rows import QuarantinedRow, QuarantineSummary
from lakehouse.serving.figures import count, instant

_SOURCE_FILE = "_source_file"
# What the load says of a row beside its file is no help here.
_OF_THE_LOAD = frozenset({_SOURCE_FILE, "_ingested_at", "_epoch"})

_GAP = 3  # blanks between the columns of a table on a terminal

LS_COLUMNS = (
    Column(key="dataset", title="dataset"),
    Column(key="rows", title="rows", write=count, right=True),
    Column(key="since", title="since"),
    Column(key="why", title="set aside by", folds=True),
)


def by_expectation_text(summary: QuarantineSummary) -> str:
    """The expectations with their counts, most rows first: `plausible 2, known_country 1`."""
    return ", ".join(f"{name} {count(rows)}" for name, rows in summary.by_expectation.items())


def row_fields(row: QuarantinedRow) -> dict[str, Any]:
    """A row as plain fields."""
    return {
        "failed_expectations": list(row.failed_expectations),
        "values": dict(row.values),
        "run": row.run,
        "quarantined_at": row.at,
        "versions_read": dict(row.versions_read),
    }


def row_columns(rows: Sequence[QuarantinedRow]) -> list[Column]:
    """Why a row is there, its own values, and where it comes from: a source file, or the versions of tables."""
    names = [name for name in (rows[0].values if rows else {}) if name not in _OF_THE_LOAD]
    has_files = any(row.values.get(_SOURCE_FILE) for row in rows)
    origin = Column(key="from", title="source file" if has_files else "versions read", folds=True)
    return [
        Column(key="why", title="fails", folds=True),
        *(Column(key=f"value {name}", title=name, folds=True, right=_is_number(rows, name)) for name in names),
        origin,
        Column(key="run", title="run", wide=True, folds=True),
        Column(key="at", title="set aside (UTC)", write=instant, wide=True, folds=True),
    ]


def shown_row(row: QuarantinedRow) -> dict[str, Any]:
    """A row under the keys of `row_columns`."""
    versions = ", ".join(f"{name} {version}" for name, version in row.versions_read.items())
    return {
        **{f"value {name}": _text(value) for name, value in row.values.items()},
        "why": ", ".join(row.failed_expectations),
        "from": row.values.get(_SOURCE_FILE) or versions or None,
        "run": row.run,
        "at": row.at,
    }


def table_width(columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> int:
    """How wide a terminal must be for the table to stand in it with no line folded."""
    cells = [[column.title, *(written(column, row) for row in rows)] for column in columns]
    return sum(max(map(len, found)) for found in cells) + _GAP * (len(columns) - 1)


def block_lines(columns: Sequence[Column], row: dict[str, Any]) -> list[str]:
    """A row as lines, one a column, for where the table is too wide."""
    width = max(len(column.title) for column in columns)
    return [f"{column.title:<{width}}  {written(column, row)}" for column in columns]


def _is_number(rows: Sequence[QuarantinedRow], name: str) -> bool:
    values = [row.values[name] for row in rows if row.values[name] is not None]
    return bool(values) and all(
        isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in values
    )


def _text(value: Any) -> Any:
    if isinstance(value, bool | dict | list):
        return json.dumps(value, default=as_json_value, ensure_ascii=False)
    return value
