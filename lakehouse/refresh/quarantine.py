"""The quarantine table of a dataset: the rows that its expectations set aside, with why, and where they come from.

It has the dataset's columns and `plan.sieve.META`. Like the rows in the table, those in quarantine belong to exact
versions of what was read; the table's record names the version that does. It is committed before the table, so a
version that no record names is what a run left behind that died in between, and is written over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.analysis.plan_binding import WEIGHT
from lakehouse.plan.change_set import CHANGE, Change
from lakehouse.plan.sieve import (
    NO_SIEVE,
    QUARANTINED,
    QUARANTINED_AT,
    QUARANTINED_BY,
    QUARANTINED_EPOCH,
    VERSIONS_READ,
    Sieve,
)
from lakehouse.refresh.sifting import is_kept, is_quarantined, masks, rejected
from lakehouse.refresh.signed_rows import named, null_safe
from lakehouse.refresh.view_change import WAS, ViewChange
from lakehouse.storage.staged_write import StagedWrite, TableWrite, WriteMode, stage_write


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What is said of every row that a refresh sets aside: run, epoch, instant, and the versions read as JSON."""

    run: str
    epoch: int
    at: datetime
    versions_read: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """A dataset's sieve and quarantine table. `version` holds the rows that belong to the table's, -1 if there are
    none; `is_newest` tells that nothing was written after it; `counts` are those of the rows as they were judged then.
    `watch` adds what is to be observed of the rows that stay in the table, while they are written.
    """

    sieve: Sieve = NO_SIEVE
    write: TableWrite
    version: int = -1
    is_newest: bool = True
    counts: dict[str, int]
    stamp: Stamp
    watch: Callable[[DataFrame], DataFrame] = lambda rows: rows

    def rows(self, session: SparkSession) -> DataFrame | None:
        """The rows that are set aside: the dataset's columns and `META`. None if there are none."""
        if self.version < 0:
            return None
        return session.read.format("delta").option("versionAsOf", self.version).load(self.write.path)

    def with_rows(self, kept: DataFrame, columns: Sequence[str]) -> DataFrame:
        """The table's rows and those set aside: what the query gave, but for dropped rows."""
        there = self.rows(kept.sparkSession) if self.sieve.quarantined else None
        if there is None or not self.counts.get(QUARANTINED):
            return kept
        return kept.select(*map(named, columns)).unionAll(there.select(*map(named, columns)))

    def stage_all(self, found: DataFrame) -> StagedWrite:
        """Stages the rows that `sifting.rejected` gave in place of all that are there."""
        return stage_write(self._stamped(found), replace(self.write, mode=WriteMode.OVERWRITE, evolve=True))

    def stage_more(self, found: DataFrame) -> StagedWrite:
        """Stages the rows that `sifting.rejected` gave beside those that are there."""
        if self.is_newest:
            return stage_write(self._stamped(found), replace(self.write, mode=WriteMode.APPEND, evolve=True))
        return self._stage_after(self.rows(found.sparkSession), found)

    def stage_left(self, left: DataFrame) -> StagedWrite:
        """Stages rows of the quarantine, with their `META`, in place of all that are there."""
        return stage_write(left, replace(self.write, mode=WriteMode.OVERWRITE, evolve=True))

    def stage_in_place(self, found: DataFrame, replaced: str) -> StagedWrite:
        """Stages the rows that `sifting.rejected` gave in place of those for which the SQL condition is true."""
        there = self.rows(found.sparkSession)
        return self._stage_after(None if there is None else there.where(f"NOT coalesce(({replaced}), false)"), found)

    def stage_change(self, change: ViewChange) -> StagedWrite | None:
        """Stages what a change of the view's rows does to those that are set aside; None if that is nothing."""
        session = change.rows.sparkSession
        there = self.rows(session)
        columns = [name for name in change.signed.columns if name not in (*masks(self.sieve), WEIGHT)]
        removed, added = self._moved(change, columns)
        if there is None:
            staged = self.stage_more(added)
            if staged.rows:
                return staged
            staged.discard()
            return None
        keys = list(change.key) if change.key else columns
        ends = [f"k{place}" for place in range(len(keys))]
        gone = removed.select(*[named(name).alias(end) for name, end in zip(keys, ends, strict=True)]).distinct()
        left = there.join(gone, null_safe(keys, ends), "left_anti")
        return self._stage_after(left, added)

    def _stage_after(self, left: DataFrame | None, added: DataFrame) -> StagedWrite:
        rows = self._stamped(added)
        rows = rows if left is None else left.select(*map(named, rows.columns)).unionAll(rows)
        return stage_write(rows, replace(self.write, mode=WriteMode.OVERWRITE, evolve=True))

    def _moved(self, change: ViewChange, columns: Sequence[str]) -> tuple[DataFrame, DataFrame]:
        """The rows that leave quarantine, by their key or all their columns; and those that enter it, with reasons."""
        kind = F.col(CHANGE)
        to_quarantine = change.rows.where(is_quarantined(self.sieve))
        arriving = to_quarantine.where(kind.isin(Change.INSERT.value, Change.UPDATE.value))
        if change.key is None:
            leaving = to_quarantine.where(kind == Change.REMOVE.value)
        else:
            leaving = change.rows.where(kind != Change.INSERT.value).where(is_quarantined(self.sieve, WAS))
        hidden = masks(self.sieve)
        return leaving, rejected(arriving.select(*map(named, [*columns, *hidden])), self.sieve)

    def _stamped(self, found: DataFrame) -> DataFrame:
        stamp = self.stamp
        return found.select(
            "*",
            F.lit(stamp.run).alias(QUARANTINED_BY),
            F.lit(stamp.epoch).cast("bigint").alias(QUARANTINED_EPOCH),
            F.lit(stamp.at).cast("timestamp").alias(QUARANTINED_AT),
            F.lit(stamp.versions_read).alias(VERSIONS_READ),
        )


def table_change(change: ViewChange, sieve: Sieve) -> ViewChange:
    """What a change of the view's rows does to its table: the rows that are kept; one that is no longer is removed."""
    hidden = masks(sieve)
    if not hidden:
        return change
    columns = [name for name in change.signed.columns if name not in (*hidden, WEIGHT)]
    if not sieve.rejects:
        return ViewChange(change.rows.select(*map(named, columns), CHANGE), change.key, change.signed)
    if change.key is None:
        kept = change.rows.where(is_kept(sieve))
        return ViewChange(kept.select(*map(named, columns), CHANGE), None, change.signed)
    kind = F.col(CHANGE)
    comes = (kind != Change.DELETE.value) & is_kept(sieve)
    goes = (kind != Change.INSERT.value) & is_kept(sieve, WAS)
    becomes = F.when(comes & goes, Change.UPDATE.value).when(comes, Change.INSERT.value).when(goes, Change.DELETE.value)
    rows = change.rows.withColumn(CHANGE, becomes).where(F.col(CHANGE).isNotNull())
    return ViewChange(rows.select(*map(named, columns), CHANGE), change.key, change.signed)
