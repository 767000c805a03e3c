"""One streaming table loaded from its new files, past the gate of its expectations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession

from lakehouse.definition.dataset import StreamingTable
from lakehouse.errors import ExpectationFailed, OwnershipError
from lakehouse.plan.records import RefreshRecord
from lakehouse.plan.refresh_plan import ReasonCode, RefreshStep
from lakehouse.quality.column_profile import TableProfile
from lakehouse.quality.judgement import Judgement
from lakehouse.refresh.load import RunMoment, StagedLoad, stage_load
from lakehouse.refresh.quarantine import Quarantine
from lakehouse.refresh.rows_after import rows_after_write
from lakehouse.refresh.sifting import kept
from lakehouse.run.refresh_gate import RefreshGate
from lakehouse.storage.staged_write import StagedWrite, TableWrite, WriteMode


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedLoad:
    """A load, staged, with its record and what its expectations say of it."""

    staged: StagedLoad
    record: RefreshRecord
    quarantine_epoch: int = 0
    judgements: tuple[Judgement, ...] = ()
    refusal: ExpectationFailed | None = None
    profile: TableProfile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRefresh:
    """What one load works with; `gate` and `quarantine` are made when the columns of its rows are known."""

    table: StreamingTable
    step: RefreshStep
    record: RefreshRecord
    write: TableWrite
    session: SparkSession
    gate: Callable[[DataFrame], RefreshGate]
    quarantine: Callable[[RefreshGate], tuple[Quarantine, int]]

    def stage(self, now: datetime) -> JudgedLoad:
        """Reads and judges the files' rows and stages them. Raises OwnershipError for a table that something else
        wrote to, and what `stage_load` raises."""
        name = self.table.name
        if self.step.reason.code is ReasonCode.FOREIGN_WRITE:
            raise OwnershipError(
                f"{name}: something else wrote to it after version {self.step.version}, so files and rows no "
                "longer agree.",
                where=self.table.location,
                hint=f"Restore version {self.step.version}, or rebuild it from its files: --full-refresh {name}.",
            )
        gates: list[tuple[RefreshGate, Quarantine, int]] = []

        def sift(frame: DataFrame) -> Quarantine:
            gate = self.gate(frame)
            gates.append((gate, *self.quarantine(gate)))
            return gates[-1][1]

        staged = stage_load(self.session, self.table, self.step, self.write, RunMoment(self.record.run, now), sift)
        before = self.step.record
        record = replace(
            self.record, counts=dict(staged.counts), quarantine=before.quarantine if before is not None else -1
        )
        if staged.write is None or not gates:
            return JudgedLoad(staged=staged, record=record)
        gate, quarantine, epoch = gates[-1]
        record = replace(record, quarantine=quarantine.version)
        if gate.judge is not None:
            assert staged.frame is not None
            rows = kept(staged.frame, quarantine.sieve)
            gate.judge(rows_after_write(self._staying(staged.write), staged.write, rows), staged.write)
        judgements, refusal = gate.conclude(staged.counts, staged.frame)
        return JudgedLoad(
            staged=staged,
            record=record,
            quarantine_epoch=epoch,
            judgements=judgements,
            refusal=refusal,
            profile=gate.profile,
        )

    def _staying(self, staged: StagedWrite) -> DataFrame | None:
        """The rows of the table that the load leaves; None if it replaces all."""
        if staged.read_version < 0 or staged.write.mode is WriteMode.OVERWRITE:
            return None
        there = self.session.read.format("delta").option("versionAsOf", staged.read_version).load(self.write.path)
        replaced = staged.write.replace_where
        return there if replaced is None else there.where(f"NOT coalesce(({replaced}), false)")
