"""A change set applied by Spark: one MERGE, and where it would have no effect, a commit without rows.

The MERGE runs in a session of its own: Delta takes transaction identifier and metadata from session settings, and
refreshes that run side by side share a session. A MERGE that changes nothing would still rewrite the files in which
it found its keys, and every reader of the table would see a change; so that is looked for first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import and_, or_

from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DateType, DecimalType, IntegralType, MapType, StringType

from lakehouse.plan.change_set import CHANGE, Change
from lakehouse.storage.change_engine import (
    TOO_MANY_ATTEMPTS,
    CommitNote,
    Position,
    RowCounts,
    commit_settings,
    lost_race,
)
from lakehouse.storage.change_rows import column
from lakehouse.storage.key_ranges import ColumnRanges, column_ranges
from lakehouse.storage.session import sibling_session
from lakehouse.storage.staged_write import StagedWrite, TableWrite, stage_nothing

_RANGES = 32
_RANGED_COLUMNS = 3
_COLLECTED_ROWS = 2_000_000  # of up to so many rows the driver looks at the keys themselves, above only at extremes
_IDENTIFIER = "spark.databricks.delta.write"
_DELETIONS = (Change.DELETE.value, Change.REMOVE.value)


class SparkMerge:
    """Implements `ChangeEngine` for a frame that is cheap to read more than once: checked, with the table's columns
    and `_change`; `seeking` of its rows look for a row of the table."""

    def __init__(
        self, session: SparkSession, write: TableWrite, frame: DataFrame, key: tuple[str, ...] | None, seeking: int
    ) -> None:
        self._session, self._write, self._frame, self._seeking = session, write, frame, seeking
        self._columns = [name for name in frame.columns if name != CHANGE]
        self._match = key or tuple(self._columns)
        self._values = [name for name in self._columns if name not in self._match]
        self._marker: StagedWrite | None = None
        self._target: DeltaTable | None = None

    def open(self) -> Position:
        """See `ChangeEngine`."""
        self._marker, position = open_position(self._session, self._write)
        self._target = DeltaTable.forPath(self._session, self._write.path)
        require_columns(self._target.toDF(), self._frame, self._write.path)
        return position

    def apply(self, note: CommitNote) -> RowCounts:
        """See `ChangeEngine`."""
        assert self._marker is not None
        condition = self._condition()
        if not self._has_effect(condition):
            mark = self._marker.commit_next if note.alone else self._marker.commit
            mark(note.epoch, note.metadata)
            return RowCounts()
        session = sibling_session(self._session, _settings(note))
        try:
            done = self._merge(DeltaTable.forPath(session, self._write.path), condition).collect()[0]
        except Py4JJavaError as error:
            if TOO_MANY_ATTEMPTS in str(error.java_exception):
                raise lost_race(self._write.path, "another writer committed while the change was applied") from error
            raise
        return RowCounts(
            inserted=done["num_inserted_rows"], updated=done["num_updated_rows"], deleted=done["num_deleted_rows"]
        )

    def release(self, *, committed: bool) -> None:
        """See `ChangeEngine`."""
        self._marker = self._target = None

    def _merge(self, target: DeltaTable, condition: Column) -> DataFrame:
        every: dict[str, str | Column] = {_quoted(name): column(name, "s") for name in self._columns}
        merge = target.alias("t").merge(self._frame.alias("s"), condition & ~_says(Change.INSERT.value))
        merge = merge.whenMatchedDelete(_says(*_DELETIONS))
        if self._values:
            replaced: dict[str, str | Column] = {_quoted(name): column(name, "s") for name in self._values}
            merge = merge.whenMatchedUpdate(_says(Change.UPDATE.value) & self._differs(), replaced)
        return merge.whenNotMatchedInsert(_says(Change.INSERT.value, Change.UPDATE.value), every).execute()

    def _condition(self) -> Column:
        """When rows `t` and `s` mean each other; with literal ranges, by which Delta leaves files alone."""
        same = [column(name, "t").eqNullSafe(column(name, "s")) for name in self._match]
        types = {field.name: field.dataType for field in self._frame.schema.fields}
        ranges = [_within(found, types[found.column]) for found in self._ranges()]
        return reduce(and_, [*same, *ranges])

    def _ranges(self) -> list[ColumnRanges]:
        sought = self._frame.where(~_says(Change.INSERT.value, alias=None))
        types = {field.name: field.dataType for field in self._frame.schema.fields}
        ranged = [name for name in self._match if _has_ranges(types[name])][:_RANGED_COLUMNS]
        if not ranged or not self._seeking:
            return []
        if self._seeking <= _COLLECTED_ROWS:
            values, most = sought.select(*map(column, ranged)).toArrow(), max(1, _RANGES // len(ranged))
        else:
            extremes = [sought.agg(*(of(column(name)).alias(name) for name in ranged)) for of in _EXTREMES]
            values, most = reduce(DataFrame.unionByName, extremes).toArrow(), 1
        return [column_ranges(name, values.column(name), most) for name in ranged]

    def _has_effect(self, condition: Column) -> bool:
        assert self._target is not None
        if self._frame.where(_says(Change.INSERT.value, alias=None)).take(1):
            return True
        if not self._seeking:
            return False
        source, target = self._frame.alias("s"), self._target.toDF().alias("t")
        removes = _says(*_DELETIONS)
        effective = (removes | self._differs()) if self._values else removes
        if target.join(source, condition & effective, "left_semi").take(1):
            return True
        updates = self._frame.where(_says(Change.UPDATE.value, alias=None)).alias("s")
        return bool(updates.join(target, condition, "left_anti").take(1))

    def _differs(self) -> Column:
        types = {field.name: field.dataType for field in self._frame.schema.fields}
        # Where a column cannot be compared, the change set was held to have no updates.
        names = [name for name in self._values if "variant" not in types[name].simpleString()]
        pairs = [[_comparable(column(name, alias), types[name]) for alias in ("t", "s")] for name in names]
        return reduce(or_, [~old.eqNullSafe(new) for old, new in pairs], F.lit(False))


class SparkAppend:
    """Implements `ChangeEngine` for rows that are all added unseen: data files that lie there and become visible."""

    def __init__(self, session: SparkSession, write: TableWrite, staged: StagedWrite) -> None:
        self._session, self._write, self._staged = session, write, staged

    def open(self) -> Position:
        """See `ChangeEngine`."""
        return open_position(self._session, self._write)[1]

    def apply(self, note: CommitNote) -> RowCounts:
        """See `ChangeEngine`."""
        self._staged.commit(note.epoch, note.metadata)
        return RowCounts(inserted=self._staged.rows)

    def release(self, *, committed: bool) -> None:
        """See `ChangeEngine`."""
        if not committed:
            self._staged.discard()


def open_position(session: SparkSession, write: TableWrite) -> tuple[StagedWrite, Position]:
    """Where the table stands, and a commit without rows that can be made from there."""
    marker = stage_nothing(session, write)
    return marker, Position(version=marker.read_version, epoch=marker.read_epoch)


def require_columns(table: DataFrame, frame: DataFrame, path: str) -> None:
    """Raises ConcurrentWriteException if the table no longer has the columns that the change was staged for."""
    if table.columns != [name for name in frame.columns if name != CHANGE]:
        raise lost_race(path, "the table's columns changed after the change was staged")


def restore(session: SparkSession, path: str, version: int) -> None:
    """Brings back the rows of `version`, in a commit of its own."""
    DeltaTable.forPath(session, path).restoreToVersion(version)


def _settings(note: CommitNote) -> dict[str, str]:
    return {
        **commit_settings(note),
        f"{_IDENTIFIER}.txnAppId": note.application,
        f"{_IDENTIFIER}.txnVersion": str(note.epoch),
        # Delta refuses a cached source without it: cached rows can get lost, and computed anew they may differ.
        "spark.databricks.delta.merge.materializeSource": "all",
    }


def _within(found: ColumnRanges, kind: DataType) -> Column:
    name = column(found.column, "t")
    terms = [name.between(F.lit(low).cast(kind), F.lit(high).cast(kind)) for low, high in found.ranges]
    return reduce(or_, [*terms, *([name.isNull()] if found.has_null else [])])


def _has_ranges(kind: DataType) -> bool:
    """The types of `key_ranges`, as Spark has them; texts of another order than that of their bytes have none."""
    return isinstance(kind, IntegralType | DecimalType | DateType) or kind == StringType()


def _says(*words: str, alias: str | None = "s") -> Column:
    return column(CHANGE, alias).isin(*words)


def _comparable(value: Column, kind: DataType) -> Column:
    # Spark does not compare maps; their entries, in stored order, it does.
    return F.map_entries(value) if isinstance(kind, MapType) else value


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _null_if_any(value: Column) -> Column:
    return F.when(~F.bool_or(value.isNull()), F.min(value))


_EXTREMES: tuple[Callable[[Column], Column], ...] = (F.min, F.max, _null_if_any)
