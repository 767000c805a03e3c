"""The rows of a large Delta table that hold one of a few key values, found in its files without Spark.

Of every file that may hold one, by its statistics, the key column is read first, and the other columns only of the row
groups in which a value occurs (late materialisation). No one else in the process does that: Spark decodes every column
that it is asked for of every row group that its statistics do not exclude.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from lakehouse.storage.key_ranges import column_ranges

INSTANT_UNIT = "us"
"""What Spark's old timestamps (INT96) are read as: Arrow's default, nanoseconds, wraps outside of 1677 to 2262."""

_RANGES = 32
_THREADS = 2
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
    tell, a column of as many different values is taken for one that holds ten times as many."""
    wanted = int(pc.count_distinct(values[name]).as_py())
    low, high = f"min.{name}", f"max.{name}"
    if _is_any(values.schema.field(name).type, _ORDERED) and low in actions.column_names:
        least, greatest = (_place(edge(actions[column]).as_py()) for edge, column in ((pc.min, low), (pc.max, high)))
        if least is not None and greatest is not None:
            return wanted / max(greatest - least + 1, 1)
    return 0.1 / max(wanted, 1)


def _place(value: Any) -> int | None:
    return value.toordinal() if isinstance(value, date) else None if value is None else int(value)


def find_rows(table: DeltaTable, values: pa.Table, name: str, schema: pa.Schema, most: int) -> pa.Table | None:
    """The table's rows (columns of `schema`) whose column `name` holds one of its `values`, and each other column one
    of its, NULL being a value; floating point numbers are not compared. None if there are more than `most`. The table's
    rows must be in its files as they are, without partitions."""
    wanted = {column: pc.unique(values[column].combine_chunks()) for column in _compared(values, name)}
    pieces: list[pa.Table] = []
    rows = 0
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="lookup")
    try:
        files = _files(table, values, name)
        for found in pool.map(lambda file: list(_rows_of_file(file, wanted, name, schema)), files):
            pieces += found
            rows += sum(piece.num_rows for piece in found)
            if rows > most:
                return None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return pa.concat_tables([schema.empty_table(), *pieces])


def _compared(values: pa.Table, name: str) -> list[str]:
    others = (column for column in values.column_names if _is_any(values.schema.field(column).type, _LOOKED_FOR))
    return list(dict.fromkeys((name, *others)))


def _files(table: DeltaTable, values: pa.Table, name: str) -> list[str]:
    """The files that may hold a value, by their statistics. Reading fewer is all that these are for: where they are
    missing, or of a type whose statistics may be cut, a file is read."""
    actions, uris = pa.table(table.get_add_actions(flatten=True)), table.file_uris()
    low, high = f"min.{name}", f"max.{name}"
    kind = values.schema.field(name).type
    if not _is_any(kind, _ORDERED) or values[name].null_count or low not in actions.column_names:
        return uris
    bounds = zip(actions[low].cast(kind).to_pylist(), actions[high].cast(kind).to_pylist(), strict=True)
    known = dict(zip(map(_file_name, actions["path"].to_pylist()), bounds, strict=True))
    ranges = column_ranges(name, values[name], _RANGES).ranges
    return [uri for uri in uris if _may_hold(known.get(_file_name(uri), (None, None)), ranges)]


def _may_hold(bounds: tuple[Any, Any], ranges: Sequence[tuple[Any, Any]]) -> bool:
    least, greatest = bounds
    return least is None or greatest is None or any(low <= greatest and least <= high for low, high in ranges)


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]


def _rows_of_file(path: str, wanted: Mapping[str, pa.Array], name: str, schema: pa.Schema) -> Iterator[pa.Table]:
    with pq.ParquetFile(path, coerce_int96_timestamp_unit=INSTANT_UNIT) as file:
        there = set(file.schema_arrow.names)
        columns = [column for column in schema.names if column in there]
        for group in range(file.num_row_groups):
            is_wanted = None
            if name in there:
                keys = file.read_row_group(group, columns=[name], use_threads=False)[name].cast(wanted[name].type)
                is_wanted = pc.is_in(keys, value_set=wanted[name])
            if pc.any(is_wanted).as_py() if is_wanted is not None else wanted[name].null_count:
                rows = _shaped(file.read_row_group(group, columns=columns, use_threads=False), schema)
                rows = rows if is_wanted is None else rows.filter(is_wanted)
                for other, values in wanted.items():
                    rows = rows.filter(pc.is_in(rows[other], value_set=values)) if other != name else rows
                yield rows


def _shaped(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with the columns and types of the schema; before they are chosen from, as Arrow takes no rows of string
    views. A column that came to the table later than the file is NULL."""
    there = set(rows.column_names)
    columns = [
        rows[field.name].cast(field.type) if field.name in there else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _is_any(kind: pa.DataType, tests: Sequence[Callable[[pa.DataType], bool]]) -> bool:
    return any(test(kind) for test in tests)
