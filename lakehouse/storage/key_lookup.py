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
    look = _Look(wanted, name, schema, most)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="lookup") as pool:
        pieces = [piece for found in pool.map(look.rows_of, _files(table, values, name)) for piece in found]
    found = pa.concat_tables([schema.empty_table(), *pieces])
    return None if look.has_many or found.num_rows > most else found  # threads count beside each other


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


class _Look:
    """One search through the files of a table by several threads, which ends early where too many rows are found."""

    def __init__(self, wanted: Mapping[str, pa.Array], name: str, schema: pa.Schema, most: int) -> None:
        self._wanted, self._name, self._schema, self._most = wanted, name, schema, most
        self._others = [column for column in wanted if column != name]
        self._found = 0  # rows; two threads may miss some of each other's

    @property
    def has_many(self) -> bool:
        """Whether the search ended early."""
        return self._found > self._most

    def rows_of(self, path: str) -> list[pa.Table]:
        """The rows of one file."""
        return [] if self.has_many else list(self._rows_of(path))

    def _rows_of(self, path: str) -> Iterator[pa.Table]:
        with pq.ParquetFile(path, coerce_int96_timestamp_unit=INSTANT_UNIT) as file:
            there = set(file.schema_arrow.names)
            columns = [column for column in self._schema.names if column in there]
            values = self._wanted[self._name]
            for group in range(file.num_row_groups):
                is_wanted = None
                if self._name in there:
                    keys = file.read_row_group(group, columns=[self._name], use_threads=False)[self._name]
                    is_wanted = pc.is_in(keys.cast(values.type), value_set=values)
                    self._found += 0 if self._others else pc.sum(is_wanted).as_py() or 0
                if self.has_many:
                    return
                if pc.any(is_wanted).as_py() if is_wanted is not None else values.null_count:
                    rows = _shaped(file.read_row_group(group, columns=columns, use_threads=False), self._schema)
                    rows = rows if is_wanted is None else rows.filter(is_wanted)
                    for other in self._others:
                        rows = rows.filter(pc.is_in(rows[other], value_set=self._wanted[other]))
                    self._found += rows.num_rows if self._others or is_wanted is None else 0
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
