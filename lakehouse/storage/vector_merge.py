"""A change set applied to a table with deletion vectors, without rewriting its files: the rows that leave are marked
in the files where they are, and those that come are one new file.

So a change costs what finding its rows costs, not what the files weigh in which they are. Delta's own transaction
commits. The file of the change feed is written beside: readers need not compare vectors then.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql.types import DoubleType, FloatType, StructType

from lakehouse.plan.change_set import CHANGE
from lakehouse.storage.change_engine import ChangeEngine, CommitNote, Position, RowCounts, lost_race
from lakehouse.storage.deltalake_merge import open_as_staged, seeking
from lakehouse.storage.file_statistics import MOST_COLUMNS, file_statistics
from lakehouse.storage.key_lookup import PlacedRows, find_placed_rows, lookup_column, rows_of_file
from lakehouse.storage.row_moves import RowMoves, row_moves
from lakehouse.storage.staged_write import TableWrite
from lakehouse.storage.table_files import Numbers, table_files
from lakehouse.storage.table_shape import TableShape, is_on
from lakehouse.storage.vector_commit import VectorCommit

_MOST_FOUND = 2_000_000  # rows that this process looks at
_MOST_SMALL, _SMALL_BYTES = 32, 4 << 20
_FEED = "delta.enableChangeDataFeed"


class VectorMerge:
    """Implements `ChangeEngine` for rows in the driver's memory and an unpartitioned table of flat columns in a local
    folder: `rows` are checked and hold the table's columns and `_change`; `key` is None for a bag. `otherwise` makes
    the engine that serves where too many rows of the table would have to be looked at."""

    def __init__(
        self,
        session: SparkSession,
        write: TableWrite,
        shape: TableShape,
        rows: pa.Table,
        key: tuple[str, ...] | None,
        otherwise: Callable[[], ChangeEngine],
    ) -> None:
        self._session, self._path, self._application = session, write.path, write.application
        self._shape, self._rows = shape, rows
        self._match = key or tuple(column.name for column in shape.columns)
        self._otherwise = otherwise
        self._other: ChangeEngine | None = None
        self._table: DeltaTable | None = None
        self._commit: VectorCommit | None = None

    def open(self) -> Position:
        """See `ChangeEngine`."""
        self._table, position = open_as_staged(self._path, self._shape, self._application)
        return position

    def apply(self, note: CommitNote) -> RowCounts:
        """See `ChangeEngine`."""
        assert self._table is not None
        found = self._found(self._table)
        if found is None:
            return self._apply_otherwise(note)
        moves = row_moves(self._rows, found.rows, self._match)
        marks = _marks(found, moves.leaves)
        if marks is None:
            return self._apply_otherwise(note)
        self._commit = VectorCommit(self._session, self._path, note)
        if self._commit.version != self._table.version():
            raise lost_race(self._path, f"another writer committed after version {self._table.version()}")
        more = self._taken_over(self._commit, self._table, marks) if marks else []
        self._commit.mark(marks)
        self._add(self._commit, self._table, moves, more)
        self._commit.publish(moves.counts)
        return moves.counts

    def release(self, *, committed: bool) -> None:
        """See `ChangeEngine`."""
        if self._other is not None:
            self._other.release(committed=committed)
        if self._commit is not None and not committed:
            self._commit.discard()
        self._rows, self._table, self._commit, self._other = self._rows.slice(0, 0), None, None, None

    def _found(self, table: DeltaTable) -> PlacedRows | None:
        """The rows of the table among which are those that the change set looks for. None if there are too many."""
        sought = seeking(self._rows)
        schema = pa.schema([self._rows.schema.field(name) for name in self._rows.column_names if name != CHANGE])
        if not sought.num_rows:
            nothing = np.zeros(0, np.int64)
            return PlacedRows(rows=schema.empty_table(), files=(), file_of=nothing, row_of=nothing)
        column = lookup_column(table, sought.select(self._match))
        return None if column is None else find_placed_rows(table, sought.select([column]), schema, _MOST_FOUND)

    def _apply_otherwise(self, note: CommitNote) -> RowCounts:
        self._other = self._otherwise()
        self._other.open()
        return self._other.apply(note)

    def _taken_over(self, commit: VectorCommit, table: DeltaTable, marks: dict[str, Numbers]) -> list[pa.Table]:
        """Where there are many small files, their rows that stay, to be written into the new file: so each change adds
        one, and yet there are never many. They are removed, and need no marks."""
        names = {name for name, size in commit.sizes().items() if size < _SMALL_BYTES}
        if len(names) <= _MOST_SMALL:
            return []
        small = [file for file in table_files(table, ()) if file.place.name in names]
        schema = self._rows.drop_columns([CHANGE]).schema
        commit.remove(names)
        return [rows_of_file(file, schema, marks.pop(file.place.name, None)) for file in small]

    def _add(self, commit: VectorCommit, table: DeltaTable, moves: RowMoves, more: list[pa.Table]) -> None:
        rows = pa.concat_tables([moves.enters, *more])
        if rows.num_rows:
            path = f"part-00000-{uuid.uuid4()}-c000.snappy.parquet"
            place = commit.will_write(path)
            _write(rows, place)
            # Of floating-point numbers footers leave NaN out, which Spark takes for the greatest of all.
            fields = StructType.fromJson(json.loads(table.schema().to_json())).fields[:MOST_COLUMNS]
            told = {field.name: field.dataType for field in fields if not isinstance(field.dataType, _FLOATING)}
            statistics = file_statistics(str(place), told)
            commit.add("add", path, modificationTime=int(time.time() * 1000), dataChange=True, stats=statistics)
        if moves.leaves.any() and is_on(self._shape.configuration, _FEED):
            path = f"_change_data/cdc-00000-{uuid.uuid4()}.c000.snappy.parquet"
            _write(moves.feed, commit.will_write(path))
            commit.add("cdc", path, dataChange=False)


_FLOATING = (FloatType, DoubleType)


def _marks(found: PlacedRows, leaves: npt.NDArray[np.bool_]) -> dict[str, Numbers] | None:
    """All deleted rows, old and new, of each file in which some leave, by the file's name. None where the log does not
    tell how many rows such a file has: Delta marks none in it."""
    marks = {}
    for number in np.unique(found.file_of[leaves]):
        file = found.files[number]
        if file.rows is None:
            return None
        marks[file.place.name] = np.concatenate([file.deleted, found.row_of[leaves & (found.file_of == number)]])
    return marks


def _write(rows: pa.Table, place: Path) -> None:
    """The rows as a Parquet file as Spark writes them."""
    schema = pa.schema([pa.field(field.name, field.type) for field in rows.schema])
    told = [field.name for field in schema if not pa.types.is_floating(field.type)]
    pq.write_table(
        rows.cast(schema),
        place,
        compression="snappy",
        write_statistics=told,
        coerce_timestamps="us",
        store_schema=False,
    )
