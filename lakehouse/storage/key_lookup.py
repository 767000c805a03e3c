"""The rows of a large Delta table that hold one of a few key values, found in its files without Spark.

Of every file that may hold one, by its statistics, the key column is read first, and the other columns only of the row
groups in which a value occurs (late materialisation). No one else in the process does that: Spark decodes every column
that it is asked for of every row group that its statistics do not exclude.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from lakehouse.storage.key_ranges import column_ranges

_RANGES = 32
_THREADS = 2
_ORDERED = (pa.types.is_integer, pa.types.is_date32)
_LOOKED_FOR = (*_ORDERED, pa.types.is_string, pa.types.is_boolean)


def lookup_column(values: pa.Table) -> str | None:
    """The column of these key values by which rows are looked for: the one with most of them, of a type that Arrow
    and Spark compare alike; None if there is none."""
    found = [name for name in values.column_names if _is_any(values.schema.field(name).type, _LOOKED_FOR)]
    return max(found, key=lambda name: (pc.count_distinct(values[name]).as_py(), name), default=None)


def find_rows(table: DeltaTable, values: pa.Table, name: str, schema: pa.Schema, most: int) -> pa.Table | None:
    """The table's rows (columns of `schema`) whose column `name` holds one of its `values`, NULL being a value.
    None if there are more than `most`. The table's rows must be in its files as they are, without partitions."""
    wanted = pc.unique(values[name].combine_chunks())
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


def _rows_of_file(path: str, wanted: pa.Array, name: str, schema: pa.Schema) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        there = set(file.schema_arrow.names)
        columns = [column for column in schema.names if column in there]
        for group in range(file.num_row_groups):
            if name in there:
                keys = file.read_row_group(group, columns=[name], use_threads=False)[name].cast(wanted.type)
                is_wanted = pc.is_in(keys, value_set=wanted)
                if pc.any(is_wanted).as_py():
                    yield _shaped(file.read_row_group(group, columns=columns, use_threads=False), schema, is_wanted)
            elif wanted.null_count:  # a column that came later: NULL in all of these rows
                yield _shaped(file.read_row_group(group, columns=columns, use_threads=False), schema, None)


def _shaped(rows: pa.Table, schema: pa.Schema, is_wanted: pa.ChunkedArray | None) -> pa.Table:
    there = set(rows.column_names)
    columns = [
        rows[field.name].cast(field.type) if field.name in there else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    shaped = pa.table(columns, schema=schema)  # before they are chosen from: Arrow takes no rows of string views
    return shaped if is_wanted is None else shaped.filter(is_wanted)


def _is_any(kind: pa.DataType, tests: Sequence[Callable[[pa.DataType], bool]]) -> bool:
    return any(test(kind) for test in tests)
