"""A change set applied by `deltalake`: one append or merge, and where neither has an effect, a commit without rows.

Every term of a predicate is in parentheses: without them `a IS NOT DISTINCT FROM b AND c` is read as
`a IS NOT DISTINCT FROM (b AND c)`, and boolean keys match the wrong rows without an error.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError

from lakehouse.plan.change_set import CHANGE, Change
from lakehouse.storage.change_engine import CommitNote, Position, RowCounts, lost_race
from lakehouse.storage.key_ranges import ColumnRanges, RangeValue, column_ranges, has_ranges
from lakehouse.storage.small_table import quoted_name, text_literal
from lakehouse.storage.staged_write import TableWrite
from lakehouse.storage.table_log import newest_version
from lakehouse.storage.table_shape import TableShape, read_shape

_COMPRESSION: Literal["SNAPPY"] = "SNAPPY"  # what deltalake takes where it is told nothing
_RANGES = 8
_RANGED_COLUMNS = 4


class DeltalakeMerge:
    """Implements `ChangeEngine` for rows in the driver's memory: `rows` are checked and hold the table's columns and
    `_change`; `key` is None for a bag."""

    def __init__(self, write: TableWrite, shape: TableShape, rows: pa.Table, key: tuple[str, ...] | None) -> None:
        self._path, self._application, self._shape = write.path, write.application, shape
        self._rows, self._key = rows, key
        self._table: DeltaTable | None = None

    def open(self) -> Position:
        """See `ChangeEngine`."""
        self._table, position = open_as_staged(self._path, self._shape, self._application)
        return position

    def apply(self, note: CommitNote) -> RowCounts:
        """See `ChangeEngine`."""
        assert self._table is not None
        before = self._table.version()
        properties = CommitProperties(
            custom_metadata={"userMetadata": note.metadata},
            app_transactions=[Transaction(app_id=note.application, version=note.epoch)],
            max_commit_retries=0 if note.alone else None,
        )
        try:
            counts = self._write(self._table, properties)
            if self._table.version() == before:  # a merge without effect commits nothing, not even what it says
                self._table.create_write_transaction([], "append", self._table.schema(), commit_properties=properties)
        except CommitFailedError as error:
            if newest_version(self._path) > before:
                raise lost_race(self._path, f"another writer committed after version {before}") from error
            raise
        return counts

    def release(self, *, committed: bool) -> None:
        """See `ChangeEngine`."""
        self._rows, self._table = self._rows.slice(0, 0), None

    def _write(self, table: DeltaTable, properties: CommitProperties) -> RowCounts:
        if self._rows.num_rows == 0:
            return RowCounts()
        if seeking(self._rows).num_rows == 0:
            rows = self._rows.drop_columns([CHANGE])
            how = without_float_statistics(rows.schema)
            write_deltalake(table, rows, mode="append", commit_properties=properties, writer_properties=how)
            table.update_incremental()
            return RowCounts(inserted=self._rows.num_rows)
        metrics = self._merge(table, properties)
        return RowCounts(
            inserted=metrics["num_target_rows_inserted"],
            updated=metrics["num_target_rows_updated"],
            deleted=metrics["num_target_rows_deleted"],
        )

    def _merge(self, table: DeltaTable, properties: CommitProperties) -> dict[str, Any]:
        names = [column.name for column in self._shape.columns]
        values = [name for name in names if name not in (self._key or names)]
        merger = table.merge(
            self._rows,
            predicate=merge_predicate(self._rows, self._key or tuple(names), self._shape.partition_by),
            source_alias="s",
            target_alias="t",
            commit_properties=properties,
            writer_properties=without_float_statistics(self._rows.schema),
        ).when_matched_delete(predicate=_is(Change.DELETE, Change.REMOVE))
        if values:
            differs = " OR ".join(_differs(name, self._rows.schema.field(name).type) for name in values)
            merger = merger.when_matched_update(
                updates={quoted_name(name): _name("s", name) for name in values},
                predicate=f"({_is(Change.UPDATE)} AND ({differs}))",
            )
        merger = merger.when_not_matched_insert(
            updates={quoted_name(name): _name("s", name) for name in names}, predicate=_is(Change.INSERT, Change.UPDATE)
        )
        return dict(merger.execute())


def open_as_staged(path: str, shape: TableShape, application: str) -> tuple[DeltaTable, Position]:
    """The table as it is now, and where it stands. Raises ConcurrentWriteException if it has no longer the columns and
    settings of `shape`, for which a change was staged; its size may be another."""
    table = DeltaTable(path)
    if replace(read_shape(table), bytes=0) != replace(shape, bytes=0):
        raise lost_race(path, "the table's columns or settings changed after the change was staged")
    epoch = table.transaction_version(application)
    return table, Position(version=table.version(), epoch=-1 if epoch is None else epoch)


def without_float_statistics(schema: pa.Schema) -> WriterProperties:
    """How to write files whose statistics say nothing of floating-point numbers.

    `deltalake` leaves NaN out of the least and greatest value; to Spark, NaN is greater than any number, so it would
    skip a file that holds NaN where it looks for what is greater than the greatest.
    """
    floats = [field for field in schema if _holds_float(field.type)]
    nothing = ColumnProperties(statistics_enabled="NONE")
    if any(pa.types.is_nested(field.type) or "." in field.name for field in floats):
        return WriterProperties(compression=_COMPRESSION, default_column_properties=nothing)
    return WriterProperties(compression=_COMPRESSION, column_properties={field.name: nothing for field in floats})


def _holds_float(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return any(_holds_float(kind.field(place).type) for place in range(kind.num_fields))
    return bool(pa.types.is_floating(kind))


def seeking(rows: pa.Table) -> pa.Table:
    """The rows that look for a row of the table; the others are added unseen."""
    return rows.filter(pc.not_equal(rows.column(CHANGE).cast(pa.string()), Change.INSERT.value))


def merge_predicate(rows: pa.Table, match: tuple[str, ...], partition_by: tuple[str, ...]) -> str:
    """When a row `s` of the change set means a row `t` of the table: they agree in the columns `match`, and it is not
    there to be added unseen. Literal ranges, partition columns first, tell `deltalake` which files to leave alone."""
    terms = [f"({_name('t', name)} IS NOT DISTINCT FROM {_name('s', name)})" for name in match]
    terms.append(f"({_name('s', CHANGE)} <> {text_literal(Change.INSERT.value)})")
    sought = seeking(rows)
    by_use = sorted(match, key=lambda name: name not in partition_by)
    ranged = [name for name in by_use if has_ranges(sought.schema.field(name).type)][:_RANGED_COLUMNS]
    for name in ranged:
        terms.append(_within(column_ranges(name, sought.column(name), _RANGES), sought.schema.field(name).type))
    return " AND ".join(terms)


def seeks_nan(rows: pa.Table, match: tuple[str, ...]) -> bool:
    """Whether rows of the table are looked for by NaN. `deltalake` takes NaN of different bits for different."""
    sought = seeking(rows)
    floats = [sought.column(name) for name in match if pa.types.is_floating(sought.schema.field(name).type)]
    return any(pc.any(pc.is_nan(values)).as_py() for values in floats)


def _differs(name: str, kind: pa.DataType) -> str:
    old, new = _name("t", name), _name("s", name)
    differs = f"({old} IS DISTINCT FROM {new})"
    if not pa.types.is_floating(kind):
        return differs
    both_nan = f"(COALESCE(isnan({old}), FALSE) AND COALESCE(isnan({new}), FALSE))"
    return f"({differs} AND (NOT {both_nan}))"


def _within(found: ColumnRanges, kind: pa.DataType) -> str:
    name = _name("t", found.column)
    terms = [
        f"(({name} >= {_literal(low, kind)}) AND ({name} <= {_literal(high, kind)}))" for low, high in found.ranges
    ]
    if found.has_null:
        terms.append(f"({name} IS NULL)")
    return f"({' OR '.join(terms)})"


def _literal(value: RangeValue, kind: pa.DataType) -> str:
    match value:
        case str():
            return text_literal(value)
        case date():
            return f"CAST('{value.isoformat()}' AS DATE)"
        case Decimal():
            return f"arrow_cast('{value:f}', 'Decimal128({kind.precision}, {kind.scale})')"
        case _:
            return f"({value})"


def _is(*changes: Change) -> str:
    words = ", ".join(text_literal(change.value) for change in changes)
    return f"({_name('s', CHANGE)} IN ({words}))"


def _name(alias: str, name: str) -> str:
    return f"{alias}.{quoted_name(name)}"
