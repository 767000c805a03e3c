"""The rows of a Delta table that hold one of a few key values, found in its files without Spark.

Polars looks for them: of a row that holds none it decodes the key column only, it tells where in its file a row is,
and there is no job to plan and to schedule. The table is unpartitioned, in a local folder, without renamed columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from lakehouse.storage.key_ranges import column_ranges
from lakehouse.storage.table_files import Numbers, TableFile, table_files

if TYPE_CHECKING:
    import polars as pl

INSTANT_UNIT = "us"
"""What Spark's old timestamps (INT96) are read as: Arrow's default, nanoseconds, wraps outside of 1677 to 2262."""

COUNT = "__rows"

_ROW = "__lakehouse_place"
_RANGES = 32
_AT_ONCE = 8  # files
_ORDERED = (pa.types.is_integer, pa.types.is_date32)
_LOOKED_FOR = (*_ORDERED, pa.types.is_string, pa.types.is_boolean)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlacedRows:
    """Rows, and for each its file, a number in `files`, and its number in that file."""

    rows: pa.Table
    files: Sequence[TableFile]
    file_of: Numbers
    row_of: Numbers


def lookup_column(table: DeltaTable, values: pa.Table) -> str | None:
    """The column of these key values by which rows are looked for: where they are the smallest share of what the table
    holds, as far as its statistics tell, and of a type that Arrow and Spark compare alike; None if there is none."""
    found = [name for name in values.column_names if _is_any(values.schema.field(name).type, _LOOKED_FOR)]
    actions = pa.table(table.get_add_actions(flatten=True))
    return min(found, key=lambda name: (_share(actions, values, name), name), default=None)


def _share(actions: pa.Table, values: pa.Table, name: str) -> float:
    """The share of the values between the column's least and greatest that are looked for. Where the statistics do not
    tell, a column is taken for one that holds ten times as many values; the more are looked for, the better."""
    known = _known_share(actions, values, name)
    return 0.1 + 0.01 / max(int(pc.count_distinct(values[name]).as_py()), 1) if known is None else known


def _known_share(actions: pa.Table, values: pa.Table, name: str) -> float | None:
    low, high = f"min.{name}", f"max.{name}"
    if not _is_any(values.schema.field(name).type, _ORDERED) or low not in actions.column_names:
        return None
    least, greatest = (_place(edge(actions[column]).as_py()) for edge, column in ((pc.min, low), (pc.max, high)))
    if least is None or greatest is None:
        return None
    return min(int(pc.count_distinct(values[name]).as_py()) / max(greatest - least + 1, 1), 1.0)


def _place(value: Any) -> int | None:
    return value.toordinal() if isinstance(value, date) else None if value is None else int(value)


def expected_rows(table: DeltaTable, values: pa.Table, name: str) -> int:
    """About how many rows hold one of the column's `values`: its share of what the column holds, as far as the
    statistics tell. 0 where they do not."""
    actions = pa.table(table.get_add_actions(flatten=True))
    share = _known_share(actions, values, name)
    rows = pc.sum(actions["num_records"]).as_py() if "num_records" in actions.column_names else None
    return int(share * rows) if share is not None and rows is not None else 0


def find_rows(table: DeltaTable, values: pa.Table, name: str, schema: pa.Schema, most: int) -> pa.Table | None:
    """The table's rows (columns of `schema`) whose column `name` holds one of its `values`, and each other column one
    of its, NULL being a value; floating point numbers are not compared. None if there are more than `most`."""
    found = find_placed_rows(table, values.select([name]), schema, most)
    return None if found is None else _of_others(found.rows, values, name)


def find_placed_rows(table: DeltaTable, values: pa.Table, schema: pa.Schema, most: int) -> PlacedRows | None:
    """The table's rows (columns of `schema`) that hold one of the `values` in the one column that these have, with
    their places. None if there are more than `most`."""
    search = _search(table, values)
    pieces, places, rows = [schema.empty_table()], [], 0
    for batch in _batches(search.files):
        for number, frame in zip(batch, _frames(search, batch, schema, most + 1 - rows), strict=True):
            row_of = frame[_ROW].to_numpy().astype(np.int64)
            pieces.append(_fitted(frame.drop(_ROW).to_arrow(), schema, search.files[number], row_of))
            places.append((np.full(len(row_of), number, np.int64), row_of))
            rows += len(row_of)
            if rows > most:
                return None
    file_of, row_of = (np.concatenate(parts) for parts in zip(*places, strict=True)) if places else (_NONE, _NONE)
    return PlacedRows(rows=pa.concat_tables(pieces), files=search.files, file_of=file_of, row_of=row_of)


def _frames(search: _Search, batch: range, schema: pa.Schema, most: int) -> Iterator[pl.DataFrame]:
    """What is found in each of some files, together not much more than `most` rows at any time: a file that holds more
    than its part is read once more, alone."""
    part = max(most // len(batch), 1)
    scans = [search.scan(search.files[number], schema) for number in batch]
    found = _collected([scan.head(part) for scan in scans])
    for scan, frame in zip(scans, found, strict=True):
        whole = frame if frame.height < part else _collected([scan.head(most)])[0]
        most = max(most - whole.height, 1)
        yield whole


def count_rows(table: DeltaTable, values: pa.Table, name: str, most: int) -> pa.Table | None:
    """How many rows `find_rows` would find of each combination of values: the columns of `values`, and `COUNT` (int64).
    Only these columns are read. None if there are more than `most` combinations, or if a column is not compared."""
    if COUNT in values.column_names or not all(_is_any(field.type, _LOOKED_FOR) for field in values.schema):
        return None
    search = _search(table, values.select([name]))
    schema = values.schema.append(pa.field(COUNT, pa.int64()))
    counted = schema.empty_table()
    for batch in _batches(search.files):
        scans = [search.scan(search.files[number], values.schema) for number in batch]
        grouped = [scan.group_by(values.column_names).len(COUNT) for scan in scans]
        pieces = [_cast(frame.to_arrow(), schema) for frame in _collected(grouped)]
        groups = pa.concat_tables([counted, *(_of_others(piece, values, name) for piece in pieces)])
        sums = groups.group_by(values.column_names).aggregate([(COUNT, "sum")])
        counted = sums.rename_columns([*values.column_names, COUNT]).select(schema.names).cast(schema)
        if counted.num_rows > most:
            return None
    return counted


def every_row(table: DeltaTable, schema: pa.Schema) -> pa.Table:
    """All rows of the table (columns of `schema`)."""
    return pa.concat_tables([schema.empty_table(), *(rows_of_file(file, schema) for file in table_files(table, ()))])


def rows_of_file(file: TableFile, schema: pa.Schema, without: Numbers | None = None) -> pa.Table:
    """A file's rows (columns of `schema`) that are not deleted, `without` being the numbers of all that are taken for
    deleted."""
    read = pq.read_table(file.place, coerce_int96_timestamp_unit=INSTANT_UNIT, partitioning=None)
    kept = np.ones(read.num_rows, bool)
    kept[file.deleted if without is None else without] = False
    return _completed(read, schema, read.num_rows).filter(pa.array(kept))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Search:
    """Values of one column, and the files that may hold them."""

    name: str
    values: pl.Series  # without NULL
    null: bool
    ranges: Sequence[tuple[Any, Any]]
    files: Sequence[TableFile]

    def scan(self, file: TableFile, schema: pa.Schema) -> pl.LazyFrame:
        """The file's rows that hold one of the values: the columns of `schema` that Polars reads rightly, `_ROW`."""
        import polars as pl  # not at the start: it takes a tenth of a second

        scan = pl.scan_parquet(
            file.place, row_index_name=_ROW, parallel="prefiltered", glob=False, hive_partitioning=False
        )
        held = scan.collect_schema()
        if self.name in held:
            column = pl.col(self.name)
            column = column if held[self.name] == self.values.dtype else column.cast(self.values.dtype)
            scan = scan.filter(self._condition(column, file))
        elif not self.null:
            scan = scan.filter(pl.lit(value=False))
        if len(file.deleted):
            scan = scan.filter(~pl.col(_ROW).is_in(pl.Series(file.deleted).cast(pl.get_index_type()).implode()))
        old = _old_instants(file, schema)
        missing = [
            pl.lit(None, _polars_type(field.type)).alias(field.name) for field in schema if field.name not in held
        ]
        return scan.with_columns(missing).select([_ROW, *(name for name in schema.names if name not in old)])

    def _condition(self, column: pl.Expr, file: TableFile) -> pl.Expr:
        condition = column.is_in(self.values.implode())
        least, greatest = file.bounds.get(self.name, (None, None))
        near = [bounds for bounds in self.ranges if least is None or (bounds[0] <= greatest and least <= bounds[1])]
        if near:  # what is outside of it, whole pages perhaps, need not be looked at
            condition = column.is_between(near[0][0], near[-1][1]) & condition
        return condition | column.is_null() if self.null else condition


def _search(table: DeltaTable, values: pa.Table) -> _Search:
    import polars as pl

    (name,) = values.column_names
    known = pc.unique(values[name].drop_null().combine_chunks())
    ranges: Sequence[tuple[Any, Any]] = ()
    files = table_files(table, (name,))
    null = values[name].null_count > 0
    if _is_any(known.type, _ORDERED):
        ranges = column_ranges(name, pa.chunked_array([known]), _RANGES).ranges if len(known) else ()
        files = [file for file in files if file.may_hold(name, ranges, null=null)]
    elif not len(values):
        files = []
    found = pl.from_arrow(known)
    assert isinstance(found, pl.Series)
    return _Search(name=name, values=found, null=null, ranges=ranges, files=files)


def _batches(files: Sequence[TableFile]) -> Iterator[range]:
    """The files by their numbers, some at once."""
    for start in range(0, len(files), _AT_ONCE):
        yield range(start, min(start + _AT_ONCE, len(files)))


def _collected(scans: Sequence[pl.LazyFrame]) -> list[pl.DataFrame]:
    import polars as pl

    return pl.collect_all(scans)


def _of_others(rows: pa.Table, values: pa.Table, name: str) -> pa.Table:
    """The rows whose columns that are compared beside `name` hold one of the values that are looked for."""
    for column in values.column_names:
        if column != name and _is_any(values.schema.field(column).type, _LOOKED_FOR):
            rows = rows.filter(pc.is_in(rows[column], value_set=pc.unique(values[column].combine_chunks())))
    return rows


def _fitted(rows: pa.Table, schema: pa.Schema, file: TableFile, row_of: Numbers) -> pa.Table:
    """The rows with all columns of `schema`; what Polars does not read rightly comes from the file by another way."""
    old = _old_instants(file, schema)
    if old and len(row_of):
        read = pq.read_table(file.place, columns=old, coerce_int96_timestamp_unit=INSTANT_UNIT, partitioning=None)
        for column in old:
            rows = rows.append_column(column, read[column].take(pa.array(row_of)))
    return _completed(rows, schema, rows.num_rows)


def _old_instants(file: TableFile, schema: pa.Schema) -> list[str]:
    """The columns that are in the file in Spark's old form of timestamps, INT96: Polars reads it as nanoseconds."""
    instants = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    if not instants:
        return []
    columns = pq.read_metadata(file.place).schema
    kinds = {columns.column(place).name: columns.column(place).physical_type for place in range(len(columns))}
    return [name for name in instants if kinds.get(name) == "INT96"]


def _completed(rows: pa.Table, schema: pa.Schema, count: int) -> pa.Table:
    """The columns of `schema`; those that a file does not have are NULL in its rows."""
    missing = [field for field in schema if field.name not in rows.column_names]
    for field in missing:
        rows = rows.append_column(field.name, pa.nulls(count, field.type))
    return _cast(rows, schema)


def _cast(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    return pa.table([rows[field.name].cast(field.type) for field in schema], schema=schema)


def _polars_type(kind: pa.DataType) -> pl.DataType:
    import polars as pl

    found = pl.from_arrow(pa.array([], kind))
    assert isinstance(found, pl.Series)
    return found.dtype


_NONE: Numbers = np.zeros(0, np.int64)


def _is_any(kind: pa.DataType, tests: Sequence[Callable[[pa.DataType], bool]]) -> bool:
    return any(test(kind) for test in tests)
