"""The rows of a large Delta table that hold one of a few key values, found in its files without Spark.

The query engine of `deltalake` (DataFusion) looks for them: of a row that holds none it decodes the key column only,
and there is no job to plan and to schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, QueryBuilder

from lakehouse.storage.key_ranges import column_ranges
from lakehouse.storage.small_table import quoted_name, text_literal

INSTANT_UNIT = "us"
"""What Spark's old timestamps (INT96) are read as: Arrow's default, nanoseconds, wraps outside of 1677 to 2262."""

COUNT = "__rows"

_SETTINGS = {"datafusion.execution.parquet.coerce_int96": INSTANT_UNIT}
_RANGES = 32
_ORDERED = (pa.types.is_integer, pa.types.is_date32)
_LOOKED_FOR = (*_ORDERED, pa.types.is_string, pa.types.is_boolean)


def lookup_column(table: DeltaTable, values: pa.Table) -> str | None:
    """The column of these key values by which rows are looked for: where they are the smallest share of what the table
    holds, as far as its statistics tell, and of a type that Arrow and Spark compare alike; None if there is none."""
    found = [name for name in values.column_names if _is_any(values.schema.field(name).type, _LOOKED_FOR)]
    actions = pa.table(table.get_add_actions(flatten=True))
    return min(found, key=lambda name: (_share(actions, values, name), name), default=None)


def _share(actions: pa.Table, values: pa.Table, name: str) -> float:
    """The share of the values between the column's least and greatest that are looked for. Where the statistics do not
    tell, a column is taken for one that holds ten times as many values; the more are looked for, the better."""
    wanted = int(pc.count_distinct(values[name]).as_py())
    low, high = f"min.{name}", f"max.{name}"
    if _is_any(values.schema.field(name).type, _ORDERED) and low in actions.column_names:
        least, greatest = (_place(edge(actions[column]).as_py()) for edge, column in ((pc.min, low), (pc.max, high)))
        if least is not None and greatest is not None:
            return wanted / max(greatest - least + 1, 1)
    return 0.1 + 0.01 / max(wanted, 1)


def _place(value: Any) -> int | None:
    return value.toordinal() if isinstance(value, date) else None if value is None else int(value)


def find_rows(table: DeltaTable, values: pa.Table, name: str, schema: pa.Schema, most: int) -> pa.Table | None:
    """The table's rows (columns of `schema`) whose column `name` holds one of its `values`, and each other column one
    of its, NULL being a value; floating point numbers are not compared. None if there are more than `most`. The table's
    rows must be in its files as they are, without partitions."""
    conditions = _conditions(values[name], quoted_name(name), _ranges(table, values, name))
    columns = ", ".join(map(quoted_name, schema.names))
    statements = [f"SELECT {columns} FROM found WHERE {condition}" for condition in conditions]
    return _selected(table, statements, schema, _others(values, name), most)


def count_rows(table: DeltaTable, values: pa.Table, name: str, most: int) -> pa.Table | None:
    """How many rows `find_rows` would find of each combination of values: the columns of `values`, and `COUNT` (int64).
    Only these columns are read. None if there are more than `most` combinations, or if a column is not compared."""
    if COUNT in values.column_names or not all(_is_any(field.type, _LOOKED_FOR) for field in values.schema):
        return None
    conditions = _conditions(values[name], quoted_name(name), _ranges(table, values, name))
    columns = ", ".join(map(quoted_name, values.column_names))
    statements = [
        f"SELECT {columns}, count(*) AS {quoted_name(COUNT)} FROM found WHERE {condition} GROUP BY {columns}"
        for condition in conditions
    ]
    schema = values.schema.append(pa.field(COUNT, pa.int64()))
    return _selected(table, statements, schema, _others(values, name), most)


def _others(values: pa.Table, name: str) -> list[tuple[str, pa.Array]]:
    """The columns that are compared beside `name`, with the values that are looked for."""
    return [
        (column, pc.unique(values[column].combine_chunks()))
        for column in values.column_names
        if column != name and _is_any(values.schema.field(column).type, _LOOKED_FOR)
    ]


def _selected(
    table: DeltaTable, statements: Sequence[str], schema: pa.Schema, others: list[tuple[str, pa.Array]], most: int
) -> pa.Table | None:
    """What the statements select from `found`, whose other columns hold one of their values; None if it is too much."""
    if not statements:
        return schema.empty_table()
    pieces, count = [schema.empty_table()], 0
    # Not one statement with OR: DataFusion cannot plan that.
    for batch in QueryBuilder(_SETTINGS).register("found", table).execute(" UNION ALL ".join(statements)):
        rows = pa.Table.from_batches([pa.record_batch(batch)])
        # Not in the statement: there are few rows left, and each more condition would be a join.
        rows = pa.table([rows[field.name].cast(field.type) for field in schema], schema=schema)
        for column, wanted in others:
            rows = rows.filter(pc.is_in(rows[column], value_set=wanted))
        pieces.append(rows)
        count += rows.num_rows
        if count > most:
            return None
    return pa.concat_tables(pieces)


def _conditions(values: pa.ChunkedArray, column: str, ranges: Sequence[tuple[Any, Any]]) -> list[str]:
    """Of a row that holds one of the values, one is met. They are rows to join with, not a list: DataFusion plans a
    long list recursively, and some ten thousand items exhaust its stack. By ranges it skips files and pages."""
    known = pc.unique(values.drop_null().combine_chunks())
    conditions = [f"{column} IS NULL"] if values.null_count else []
    if len(known):
        rows = ", ".join(f"({_literal(value)})" for value in known.to_pylist())
        condition = f"{column} IN (SELECT column1 FROM (VALUES {rows}))"
        if ranges:
            between = (f"{column} BETWEEN {_literal(low)} AND {_literal(high)}" for low, high in ranges)
            condition += f" AND ({' OR '.join(between)})"
        conditions.append(condition)
    return conditions


def _ranges(table: DeltaTable, values: pa.Table, name: str) -> Sequence[tuple[Any, Any]]:
    """Ranges that hold the values: several where their gaps skip files, as every row is compared with every range."""
    if not _is_any(values.schema.field(name).type, _ORDERED):
        return ()
    one, several = (column_ranges(name, values[name], most).ranges for most in (1, _RANGES))
    actions = pa.table(table.get_add_actions(flatten=True))
    low, high = f"min.{name}", f"max.{name}"
    if low not in actions.column_names:
        return one
    bounds = list(zip(actions[low].to_pylist(), actions[high].to_pylist(), strict=True))
    files = [sum(_may_hold(found, ranges) for found in bounds) for ranges in (one, several)]
    return several if files[1] <= files[0] // 2 else one


def _may_hold(bounds: tuple[Any, Any], ranges: Sequence[tuple[Any, Any]]) -> bool:
    least, greatest = bounds
    return least is None or greatest is None or any(low <= greatest and least <= high for low, high in ranges)


def _literal(value: Any) -> str:
    match value:
        case bool() | int():
            return str(value).lower()
        case date():
            return f"DATE '{value.isoformat()}'"
        case _:
            return text_literal(str(value))


def _is_any(kind: pa.DataType, tests: Sequence[Callable[[pa.DataType], bool]]) -> bool:
    return any(test(kind) for test in tests)
