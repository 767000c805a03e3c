"""Applies a change set to a Delta table as one commit, by `deltalake`, by deletion vectors or by Spark: one meaning.

Staging checks the change set, counts it and chooses who commits; nothing is visible before `commit`. A commit holds
the table's lock from reading the application's last epoch to the new version. It does nothing if the epoch is there
already, and it always leaves a commit that carries the epoch and its metadata, also where no row changes.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from lakehouse.errors import ChangeError
from lakehouse.plan.change_set import CHANGE
from lakehouse.storage.change_engine import ChangeEngine, CommitNote, RowCounts, lost_race
from lakehouse.storage.change_frame import KeptFrame, checked_frame, collected, frame_of, keep
from lakehouse.storage.change_rows import (
    ChangeRows,
    ChangeRule,
    check_columns,
    check_unique,
    check_words,
    distinct_removals,
    fitted,
)
from lakehouse.storage.committer_choice import (
    LIMITS,
    ChangeSize,
    Committer,
    CommitterChoice,
    CommitterLimits,
    choose_committer,
)
from lakehouse.storage.deltalake_merge import DeltalakeMerge, seeking, seeks_nan
from lakehouse.storage.spark_merge import SparkAppend, SparkMerge, restore
from lakehouse.storage.staged_write import TableWrite, WriteMode, stage_write
from lakehouse.storage.table_lock import table_lock
from lakehouse.storage.table_log import newest_version, rows_changed_between, version_of_epoch
from lakehouse.storage.table_shape import TableShape, partition_values, read_shape
from lakehouse.storage.vector_merge import VectorMerge


@dataclass(frozen=True, slots=True, kw_only=True)
class _Staging:
    """What is staged where. `table` and `shape` are None where `deltalake` cannot open the table."""

    session: SparkSession
    write: TableWrite
    change: ChangeRows
    table: DeltaTable | None
    shape: TableShape | None
    expected_version: int | None
    limits: CommitterLimits

    def spark_schema(self) -> StructType:
        """The table's columns as Spark has them."""
        return self.session.read.format("delta").load(self.write.path).schema

    def column_names(self) -> list[str]:
        """The table's columns, in its order."""
        return [column.name for column in self.shape.columns] if self.shape else self.spark_schema().names

    @property
    def match(self) -> tuple[str, ...]:
        """The columns by which rows of the change set find rows of the table."""
        return self.change.key or tuple(self.column_names())

    def size(self, rows: int, length: int, seeking: int) -> ChangeSize:
        """A change set of that many rows and bytes, of which `seeking` look for a row of the table."""
        return ChangeSize(rows=rows, bytes=length, seeking=seeking, compared=self.match if seeking else ())

    def choose(self, size: ChangeSize) -> CommitterChoice:
        """Who commits a change set of this size."""
        zone = str(self.session.conf.get("spark.sql.session.timeZone"))
        return choose_committer(size, self.shape, zone, self.limits)


class StagedChange:
    """A change set that is checked and ready, and that no reader sees yet.

    `rows` is what it holds, `bytes` what it takes in memory, `choice` who will commit it and why. `inserted`,
    `updated` and `deleted` count rows of the table; None before the commit, 0 each if the epoch was there already.
    """

    def __init__(
        self, staging: _Staging, engine: ChangeEngine, size: ChangeSize, choice: CommitterChoice, resources: ExitStack
    ) -> None:
        self._staging, self._engine, self._resources = staging, engine, resources
        self.rows, self.bytes, self.choice = size.rows, size.bytes, choice
        self.inserted: int | None = None
        self.updated: int | None = None
        self.deleted: int | None = None
        self._closed = False

    def commit(self, epoch: int, metadata: str) -> int:
        """Makes the change visible as one Delta version and returns it; `metadata` is its userMetadata.

        If the table has this epoch or a later one of the application, nothing is done, and the version that has the
        epoch is returned (the newest, where the log no longer tells). Raises Delta's ConcurrentWriteException, or
        another of its conflicts, if another writer changed rows since the version that the change was computed
        against; then the table is as the other writer left it.
        """
        path, application = self._staging.write.path, self._staging.write.application
        with table_lock(path):
            position = self._engine.open()
            if position.epoch >= epoch:
                self._count(RowCounts())
                self._close(committed=False)
                found = version_of_epoch(path, application, epoch)
                return position.version if found is None else found
            self._require_unchanged(position.version)
            alone = self._staging.expected_version is not None
            note = CommitNote(application=application, epoch=epoch, metadata=metadata, alone=alone)
            try:
                self._count(self._engine.apply(note))
            finally:
                # An error may come after the commit, from what follows on it; its files are the table's then.
                version = version_of_epoch(path, application, epoch)
                if version is not None:
                    self._close(committed=True)
            assert version is not None, f"the commit of epoch {epoch} is not in the log of {path}"
            if alone and rows_changed_between(path, position.version, version - 1):
                # Another writer slipped in after the look at the table. Its rows stay, ours go; unless it wrote after
                # us too: then the log itself tells the next refresh that these rows are not what was computed.
                if newest_version(path) == version:
                    restore(self._staging.session, path, version - 1)
                raise lost_race(path, f"another writer changed rows after version {position.version}")
        return version

    def discard(self) -> None:
        """Lets go of a change set that was not committed; the table is as if it had never been."""
        self._close(committed=False)

    def _require_unchanged(self, version: int) -> None:
        expected = self._staging.expected_version
        if expected is not None and rows_changed_between(self._staging.write.path, expected, version):
            text = f"the change was computed against version {expected}, and rows changed until version {version}"
            raise lost_race(self._staging.write.path, text)

    def _count(self, counts: RowCounts) -> None:
        self.inserted, self.updated, self.deleted = counts.inserted, counts.updated, counts.deleted

    def _close(self, *, committed: bool) -> None:
        if not self._closed:
            self._closed = True
            self._engine.release(committed=committed)
            self._resources.close()


def stage_change(
    session: SparkSession,
    write: TableWrite,
    change: ChangeRows,
    *,
    expected_version: int | None = None,
    limits: CommitterLimits = LIMITS,
) -> StagedChange:
    """Checks a change set of the existing table at `write.path` and gets it ready to be committed.

    Of `write`, path and application count; columns, layout and properties stay as they are. `expected_version` is the
    version that the change was computed against: a commit is refused if rows changed since. `commit` or
    `discard` must follow, and `discard` after a commit that failed.

    Raises SchemaError where change set and table differ in columns or types, ChangeError for a change set that breaks
    another rule (see `ChangeRule`), and whatever computing a frame raises.
    """
    table = _open(write.path)
    staging = _Staging(
        session=session,
        write=write,
        change=change,
        table=table,
        shape=read_shape(table) if table is not None else None,
        expected_version=expected_version,
        limits=limits,
    )
    with ExitStack() as resources:
        rows = change.rows
        found = rows.columns if isinstance(rows, DataFrame) else rows.column_names
        check_columns(found, staging.column_names(), change.key or ())
        if isinstance(rows, DataFrame):
            staged = _stage_frame(staging, rows, resources)
        else:
            staged = _stage_rows(staging, rows, resources)
        return staged


def _open(path: str) -> DeltaTable | None:
    try:
        return DeltaTable(path)
    except TableNotFoundError:
        text = f"there is no table at {path} to change."
        raise ChangeError(text, rule=ChangeRule.NO_TABLE.value, hint="Refresh it in full.") from None
    except DeltaError:  # a feature that deltalake does not know
        return None


def _stage_frame(staging: _Staging, frame: DataFrame, resources: ExitStack) -> StagedChange:
    bound = staging.change.at_most
    if bound is not None and staging.choose(staging.size(bound, 0, bound)).committer is not Committer.SPARK:
        return _stage_rows(staging, collected(frame), resources)
    kept = keep(staging.change, frame, resources)
    choice = staging.choose(staging.size(kept.rows, kept.bytes, kept.rows - kept.inserts))
    if choice.committer is Committer.SPARK:
        return _stage_spark(staging, kept, choice, resources)
    return _stage_rows(staging, collected(frame), resources, kept)


def _stage_rows(staging: _Staging, rows: pa.Table, resources: ExitStack, kept: KeptFrame | None = None) -> StagedChange:
    """Stages rows in the driver's memory; `kept` are the same rows in Spark, if they come from there."""
    change = staging.change
    if staging.table is not None:
        rows = fitted(rows, pa.schema(staging.table.schema().to_arrow()))
    choice = staging.choose(staging.size(rows.num_rows, rows.nbytes, seeking(rows).num_rows))
    if choice.committer is not Committer.SPARK:
        assert staging.shape is not None
        check_words(rows, change.words)
        rows = _unambiguous(rows, change)
        size = replace(
            staging.size(rows.num_rows, rows.nbytes, seeking(rows).num_rows),
            seeks_nan=seeks_nan(rows, staging.match),
            partition_texts=_partition_texts(staging, rows),
        )
        choice = staging.choose(size)
        if choice.committer is not Committer.SPARK:
            resources.close()  # the rows are here; Spark need not keep them
            held = ExitStack()
            engine = _engine(staging, staging.shape, rows, choice, held)
            return StagedChange(staging, engine, size, choice, held)
    if kept is None:
        kept = _kept(staging, rows, resources)
    return _stage_spark(staging, kept, choice, resources)


def _engine(
    staging: _Staging, shape: TableShape, rows: pa.Table, choice: CommitterChoice, held: ExitStack
) -> ChangeEngine:
    """What applies rows in the driver's memory; `held` is closed after it."""
    if choice.committer is Committer.DELTALAKE:
        return DeltalakeMerge(staging.write, shape, rows, staging.change.key)
    return VectorMerge(
        staging.session,
        staging.write,
        shape,
        rows,
        staging.change.key,
        otherwise=lambda: _spark_engine(staging, _kept(staging, rows, held)),
    )


def _kept(staging: _Staging, rows: pa.Table, resources: ExitStack) -> KeptFrame:
    frame = frame_of(staging.session, rows, staging.spark_schema(), resources)
    return keep(staging.change, frame, resources)


def _stage_spark(staging: _Staging, kept: KeptFrame, choice: CommitterChoice, resources: ExitStack) -> StagedChange:
    engine = _spark_engine(staging, kept)
    size = staging.size(kept.rows, kept.bytes, kept.rows - kept.inserts)
    return StagedChange(staging, engine, size, choice, resources.pop_all())


def _spark_engine(staging: _Staging, kept: KeptFrame) -> ChangeEngine:
    session, write = staging.session, staging.write
    frame = checked_frame(kept, staging.change, staging.spark_schema())
    if 0 < kept.rows == kept.inserts:
        append = TableWrite(path=write.path, application=write.application, mode=WriteMode.APPEND)
        return SparkAppend(session, append, stage_write(frame.drop(CHANGE), append))
    return SparkMerge(session, write, frame, staging.change.key, kept.rows - kept.inserts)


def _unambiguous(rows: pa.Table, change: ChangeRows) -> pa.Table:
    """The rows, of which no two mean the same row of the table. Raises ChangeError if a key is there twice."""
    if change.key is None:
        return distinct_removals(rows) if seeking(rows).num_rows else rows
    check_unique(rows, change.key)
    return rows


def _partition_texts(staging: _Staging, rows: pa.Table) -> frozenset[str]:
    """Texts that are partition values: of rows to come, and of files that may have to be rewritten."""
    assert staging.table is not None
    assert staging.shape is not None
    names = tuple(name for name in staging.shape.partition_by if staging.shape.column(name).type == "string")
    found = [text for name in names for text in pc.unique(rows.column(name)).to_pylist() if text is not None]
    return frozenset(found) | partition_values(staging.table, names)
