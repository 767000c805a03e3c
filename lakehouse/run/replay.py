"""The rows set aside from a streaming table judged again: those that pass now are added to it, the others stay.

Rows of a view need no replay: they come from its query, so mending what it reads, or its expectations, refreshes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.definition.dataset import StreamingTable
from lakehouse.errors import ExpectationFailed
from lakehouse.plan.records import RefreshRecord
from lakehouse.plan.refresh_plan import RefreshStep
from lakehouse.plan.sieve import DROPPED, FAILED_EXPECTATIONS, FINGERPRINTS
from lakehouse.quality.column_profile import TableProfile
from lakehouse.quality.judgement import Judgement
from lakehouse.refresh.quarantine import Quarantine
from lakehouse.refresh.rows_after import rows_after_write
from lakehouse.refresh.sifting import Sifted, count, marked, rejected
from lakehouse.refresh.signed_rows import named
from lakehouse.run.refresh_gate import RefreshGate
from lakehouse.storage.staged_write import StagedWrite, TableWrite, stage_write


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedReplay:
    """What a replay changes: `table` gets the rows that pass, None if none does; `quarantine` is what stays, None if
    that is what is there. `rows_in` were judged."""

    table: StagedWrite | None
    quarantine: StagedWrite | None
    quarantine_epoch: int
    record: RefreshRecord
    rows_in: int
    judgements: tuple[Judgement, ...]
    refusal: ExpectationFailed | None
    profile: TableProfile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What one replay works with; `gate` and `quarantine` are made for the columns of the table."""

    table: StreamingTable
    step: RefreshStep
    record: RefreshRecord
    write: TableWrite
    session: SparkSession
    gate: Callable[[DataFrame], RefreshGate]
    quarantine: Callable[[RefreshGate], tuple[Quarantine, int]]

    def stage(self) -> StagedReplay:
        """Judges the rows in quarantine by today's expectations and stages what follows."""
        stored = self.session.read.format("delta").option("versionAsOf", self.step.version).load(self.write.path)
        gate = self.gate(stored)
        quarantine, epoch = self.quarantine(gate)
        aside = quarantine.rows(self.session)
        rows = stored.limit(0) if aside is None else aside.select(*[named(name) for name in stored.columns])
        sifted = Sifted(rows, gate.sieve, gate.watch)
        staged = stage_write(sifted.kept, self.write)
        counts = dict(sifted.counts(staged.rows)) if gate.sieve.predicates else count(rows, gate.sieve)
        left = None if aside is None else self._left(aside, gate, quarantine, settled=staged.rows + counts[DROPPED])
        if gate.judge is not None:
            gate.judge(rows_after_write(stored, staged, sifted.kept), staged)
        judgements, refusal = gate.conclude(counts, rows)
        record = replace(self.record, counts=counts, quarantine=quarantine.version)
        if not staged.rows:
            staged.discard()
            if left is None and self.step.record is not None:
                record = self.step.record  # nothing is other than it was
        return StagedReplay(
            table=staged if staged.rows else None,
            quarantine=left,
            quarantine_epoch=epoch,
            record=record,
            rows_in=counts["rows"],
            judgements=judgements,
            refusal=refusal,
            profile=gate.profile,
        )

    def _left(self, aside: DataFrame, gate: RefreshGate, quarantine: Quarantine, *, settled: int) -> StagedWrite | None:
        """The rows that still fail, with today's reasons; None if nothing changed."""
        failing = rejected(marked(aside.drop(FAILED_EXPECTATIONS, FINGERPRINTS), gate.sieve), gate.sieve)
        if not settled and _reasons(failing) == _reasons(aside):
            return None
        return quarantine.stage_left(failing.select(*[named(name) for name in aside.columns]))


def _reasons(rows: DataFrame) -> dict[tuple[str, ...], int]:
    """How many rows have which reasons."""
    grouped = rows.groupBy(FINGERPRINTS).agg(F.count(F.lit(1)).alias("n")).collect()
    return {tuple(row[FINGERPRINTS]): row["n"] for row in grouped}
