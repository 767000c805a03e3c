"""Reading small Delta tables without Spark, through the query engine that `deltalake` brings.

Not through `pyarrow.dataset`: importing that imports pandas, half a second that a run with nothing to do need not pay.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import TableNotFoundError

Filter = tuple[str, str, Any]
_OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">=", "in", "not in"})


def open_table(location: str) -> DeltaTable | None:
    """The Delta table at `location`, or None if there is none."""
    try:
        return DeltaTable(location)
    except TableNotFoundError:
        return None


def read_rows(table: DeltaTable, columns: Iterable[str], filters: Iterable[Filter] = ()) -> pa.Table:
    """The rows that satisfy every filter (column, operator, value), with these columns. NULL satisfies no filter."""
    chosen = ", ".join(f'"{column}"' for column in columns)
    conditions = [f'("{column}" {_operator(operator)} {_value(value)})' for column, operator, value in filters]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    found = QueryBuilder().register("rows", table).execute(f'SELECT {chosen} FROM "rows"{where}').read_all()
    return as_arrow(found)


def as_arrow(stream: Any) -> pa.Table:
    """Whatever speaks Arrow's stream interface, as a table. `pa.table` would do the same, and import pandas."""
    return pa.RecordBatchReader.from_stream(stream).read_all()


def text_literal(text: str) -> str:
    """A string as a literal of the SQL that `deltalake` speaks."""
    return "'" + text.replace("'", "''") + "'"


def _operator(operator: str) -> str:
    assert operator in _OPERATORS, operator
    return operator.upper()


def _value(value: Any) -> str:
    match value:
        case str():
            return text_literal(value)
        case bool() | int() | float():
            return str(value)
        case datetime():
            instant = value.astimezone(timezone.utc).isoformat(timespec="microseconds")
            return f"arrow_cast({text_literal(instant)}, 'Timestamp(Microsecond, Some(\"UTC\"))')"
        case _:
            return "(" + ", ".join(_value(item) for item in value) + ")"
