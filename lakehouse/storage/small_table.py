"""Small Delta tables without Spark: rows in, rows out, through `deltalake` and the Arrow library that it brings.

Not through pyarrow: building or reading one array imports pandas, half a second that a run with nothing to do need
not pay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any

from arro3.core import Array, DataType, Field, Schema, Table
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import TableNotFoundError

Filter = tuple[str, str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">=", "in", "not in"})


class Kind(Enum):
    """The type of a column: string, bigint, double, boolean, timestamp (in UTC, to the microsecond), binary."""

    TEXT = "text"
    WHOLE = "whole"
    REAL = "real"
    TRUTH = "truth"
    INSTANT = "instant"
    BYTES = "bytes"


_TYPES: Mapping[Kind, DataType] = {
    Kind.TEXT: DataType.string(),
    Kind.WHOLE: DataType.int64(),
    Kind.REAL: DataType.float64(),
    Kind.TRUTH: DataType.bool(),
    Kind.INSTANT: DataType.timestamp("us", tz="UTC"),
    Kind.BYTES: DataType.binary(),
}


def arrow_table(columns: Mapping[str, Kind], rows: Iterable[Mapping[str, Any]]) -> Table:
    """Rows (dictionaries; a missing key is NULL) as an Arrow table with these columns."""
    listed = list(rows)
    arrays = [_array([row.get(name) for row in listed], kind) for name, kind in columns.items()]
    return Table.from_arrays(arrays, schema=Schema([Field(name, _TYPES[kind]) for name, kind in columns.items()]))


def plain_rows(found: Any) -> list[dict[str, Any]]:
    """The rows of an Arrow table or stream as dictionaries; instants are datetimes in UTC."""
    table = Table.from_arrow(found)
    values = [
        [value for chunk in table.column(name).chunks for value in chunk.to_pylist()] for name in table.column_names
    ]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*values, strict=True)]


def open_table(location: str) -> DeltaTable | None:
    """The Delta table at `location`, or None if there is none."""
    try:
        return DeltaTable(location)
    except TableNotFoundError:
        return None


def read_rows(table: DeltaTable, columns: Iterable[str], filters: Iterable[Filter] = ()) -> list[dict[str, Any]]:
    """The rows that satisfy every filter (column, operator, value), with these columns. NULL satisfies no filter."""
    chosen = ", ".join(f'"{column}"' for column in columns)
    conditions = [f'("{column}" {_operator(operator)} {_literal(value)})' for column, operator, value in filters]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return ask(table, f'SELECT {chosen} FROM "rows"{where}')


def ask(table: DeltaTable, query: str) -> list[dict[str, Any]]:
    """The rows of a query, in the SQL of `deltalake`, over the table under the name `rows`."""
    return plain_rows(QueryBuilder().register("rows", table).execute(query).read_all())


def text_literal(text: str) -> str:
    """A string as a literal of the SQL that `deltalake` speaks."""
    return "'" + text.replace("'", "''") + "'"


def quoted_name(name: str) -> str:
    """A name as an identifier of the SQL that `deltalake` speaks: exactly this one."""
    return '"' + name.replace('"', '""') + '"'


def microseconds(instant: datetime) -> int:
    """An instant as microseconds since 1970, without passing through a float."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def instant_at(count: int) -> datetime:
    """The inverse of `microseconds`."""
    return _EPOCH + timedelta(microseconds=count)


def _array(values: list[Any], kind: Kind) -> Array:
    if kind is not Kind.INSTANT:
        return Array(values, _TYPES[kind])
    return Array([None if v is None else microseconds(v) for v in values], DataType.int64()).cast(_TYPES[kind])


def _operator(operator: str) -> str:
    assert operator in _OPERATORS, operator
    return operator.upper()


def _literal(value: Any) -> str:
    match value:
        case str():
            return text_literal(value)
        case bool() | int() | float():
            return str(value)
        case datetime():
            instant = value.astimezone(timezone.utc).isoformat(timespec="microseconds")
            return f"arrow_cast({text_literal(instant)}, 'Timestamp(Microsecond, Some(\"UTC\"))')"
        case _:
            return "(" + ", ".join(_literal(item) for item in value) + ")"
