"""One materialized view brought up to date: by what changed where that can be, in full otherwise, always saying why."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession

from lakehouse.analysis.algebra import optimising_session
from lakehouse.analysis.plan_digest import plan_digest
from lakehouse.analysis.reads import QueryReads, query_reads
from lakehouse.definition.dataset import MaterializedView, PythonQuery, RefreshPolicy
from lakehouse.errors import RefreshError
from lakehouse.names import TableName
from lakehouse.plan.cost import Prediction, learned
from lakehouse.plan.records import RefreshRecord
from lakehouse.plan.refresh_plan import Reason, ReasonCode, RefreshMode, RefreshStep
from lakehouse.plan.sieve import QUARANTINED, ROWS
from lakehouse.refresh.content import ContentDigest
from lakehouse.refresh.incremental import (
    Fallback,
    SourceVersions,
    StagedIncrement,
    ViewInputs,
    can_differ,
    full_with_state,
    stage_difference,
    stage_incremental,
)
from lakehouse.refresh.materialize import described_as, stage_query
from lakehouse.refresh.quarantine import Quarantine
from lakehouse.refresh.rows_after import rows_after_write
from lakehouse.refresh.sifting import Sifted
from lakehouse.refresh.state_refresh import StateTable
from lakehouse.run.view_state import state_version
from lakehouse.storage.change_commit import StagedChange
from lakehouse.storage.change_feed import FeedCache
from lakehouse.storage.session_catalog import SessionCatalog
from lakehouse.storage.staged_write import StagedWrite, TableWrite, WriteMode, stage_write
from lakehouse.storage.table_changes import read_table_change
from lakehouse.storage.table_layout import align_layout
from lakehouse.storage.table_log import read_table_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshedView:
    """A view's refresh, staged: `step` as it was carried out; `table` is its commit, None if its rows stay as they
    are, `state` that of what is kept beside it, whose epochs count by themselves, `quarantine` that of the rows that
    are set aside."""

    step: RefreshStep
    record: RefreshRecord
    table: StagedWrite | StagedChange | None
    state: StagedWrite | StagedChange | None = None
    state_epoch: int = 0
    quarantine: StagedWrite | None = None
    rows_in: int = 0
    rows_out: int = 0
    is_unchanged: bool = False
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _SetAside:
    """Rows for the quarantine, staged unless they are there already, and their digest."""

    write: StagedWrite | None = None
    content: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRefresh:
    """What one refresh works with: the step and its record so far, the view's query as a frame with the table's
    columns, what becomes of its rows, where its inputs lie, and whether other views read it. `judge`, where given, is
    shown the rows that the table will have, and what is staged."""

    dataset: MaterializedView
    step: RefreshStep
    record: RefreshRecord
    frame: DataFrame
    write: TableWrite
    state_write: TableWrite
    quarantine: Quarantine
    locations: Mapping[TableName, str]
    catalog: SessionCatalog
    feeds: FeedCache
    is_read: bool = False
    judge: Callable[[DataFrame, StagedWrite | StagedChange], None] | None = None

    def stage(self) -> RefreshedView:
        """Computes the view's new rows, or its change, and stages them. Raises RefreshError under
        `incremental_strict` where the view would have to be recomputed."""
        reads = query_reads(self.frame)
        plan = plan_digest(self.frame) if isinstance(self.dataset.query, PythonQuery) else None
        record = replace(self.record, volatile=reads.volatile, undeclared=tuple(map(str, reads.undeclared)), plan=plan)
        optimiser = optimising_session(self.catalog.session)
        started = time.monotonic()
        fallback: Fallback | None = None
        if self.step.mode is RefreshMode.INCREMENTAL:
            found = self._unfit(reads, record) or self._by_change(optimiser)
            if isinstance(found, StagedIncrement):
                return self._learned(self._incremented(found, record), found.prediction, started)
            fallback = found
        self._check_policy(fallback)
        if fallback is not None and self._wants_difference(fallback):
            return self._by_difference(record, optimiser, fallback)
        refreshed = self._in_full(record, optimiser, fallback, is_stable=not reads.unstable)
        return self._learned(refreshed, fallback.prediction if fallback is not None else None, started)

    def _learned(self, refreshed: RefreshedView, prediction: Prediction | None, started: float) -> RefreshedView:
        """The refresh with what it took in its record, for the next one to choose by."""
        ratios = dict(self.step.record.ratios) if self.step.record is not None else {}
        expected: dict[str, float] = {}
        if prediction is not None:
            mode = refreshed.step.mode
            predicted = prediction.bare_full if mode is RefreshMode.FULL else prediction.bare_by_change
            ratios = learned(ratios, mode.value, predicted, time.monotonic() - started)
            expected = {"full": round(prediction.full, 3), prediction.mode: round(prediction.by_change, 3)}
        return replace(refreshed, record=replace(refreshed.record, ratios=ratios, expected=expected))

    def _unfit(self, reads: QueryReads, record: RefreshRecord) -> Fallback | None:
        """What makes a query's rows depend on more than the rows it reads."""
        for expression in reads.unstable:
            return Fallback(ReasonCode.NOT_DETERMINISTIC, f"{expression} may give other values each time")
        assert self.step.record is not None
        if isinstance(self.dataset.query, PythonQuery) and (
            record.plan is None or record.plan != self.step.record.plan
        ):
            text = "its function returns another query than before"
            if record.plan is None:
                text = "its function makes rows of its own, and no one knows from what"
            return Fallback(ReasonCode.PLAN_CHANGED, text)
        return None

    def _by_change(self, optimiser: SparkSession) -> StagedIncrement | Fallback:
        before = self.step.record
        assert before is not None
        sources = {}
        for name, location in self.locations.items():
            if str(name) not in before.reads:
                return Fallback(ReasonCode.PLAN_CHANGED, f"it did not read {name} before")
            old, new = before.reads[str(name)], self.record.reads[str(name)]
            change = read_table_change(location, old, new, identity=before.identities.get(str(name)))
            frame = self.catalog.session.table(name.quoted)
            sources[name] = SourceVersions(location=location, change=change, frame=frame)
        return stage_incremental(self._inputs(sources, optimiser))

    def _state_epoch(self) -> int:
        record = read_table_facts(self.state_write.path).record
        return (record.epoch if record is not None else 0) + 1

    def _incremented(self, found: StagedIncrement, record: RefreshRecord) -> RefreshedView:
        step = replace(self.step, mode=found.mode, reason=Reason(ReasonCode.INPUTS_CHANGED, self.step.reason.text))
        before = self.step.record
        assert before is not None
        return RefreshedView(
            step=step,
            record=replace(
                self._kept_beside(record), mode=found.mode.value, state=before.state, counts=dict(found.counts)
            ),
            table=found.table,
            state=found.state,
            quarantine=found.quarantine,
            state_epoch=self._state_epoch(),
            rows_in=found.rows_in,
            rows_out=found.table.rows if found.table is not None else 0,
            is_unchanged=found.table is None,
            lacking=found.lacking,
        )

    def _check_policy(self, fallback: Fallback | None) -> None:
        allowed = self.step.reason.code in (ReasonCode.FIRST_REFRESH, ReasonCode.REQUESTED)
        if self.dataset.refresh_policy is RefreshPolicy.INCREMENTAL_STRICT and not allowed:
            why = fallback.text if fallback is not None else self.step.reason.text
            raise RefreshError(
                f"{self.dataset.name} would have to be recomputed: {why}; its policy is incremental_strict.",
                where=self.dataset.location,
                hint=f"Recompute it once with --full-refresh {self.dataset.name}, or choose another refresh_policy.",
            )

    def _wants_difference(self, fallback: Fallback) -> bool:
        """Whether to write only the rows that differ though all are computed: for the sake of those who read them."""
        known = fallback.code not in (ReasonCode.SCHEMA_CHANGED, ReasonCode.STATE_MISSING, ReasonCode.COST)
        wanted = self.is_read or self.dataset.refresh_policy is RefreshPolicy.INCREMENTAL
        return known and wanted and can_differ(self.frame)

    def _kept_beside(self, record: RefreshRecord) -> RefreshRecord:
        """The record with the quarantine's version, as long as nothing new is staged there."""
        return replace(record, quarantine=self.quarantine.version)

    def _by_difference(self, record: RefreshRecord, optimiser: SparkSession, fallback: Fallback) -> RefreshedView:
        found = stage_difference(self._inputs({}, optimiser))
        table = found.table
        reason = Reason(fallback.code, f"{self.step.reason.text}; {fallback.text}")
        return RefreshedView(
            step=replace(self.step, mode=RefreshMode.DIFFERENCE, reason=reason),
            record=replace(self._kept_beside(record), mode=RefreshMode.DIFFERENCE.value, counts=dict(found.counts)),
            table=table,
            quarantine=found.quarantine,
            rows_out=table.rows if table is not None else 0,
            is_unchanged=table is None,
            lacking=fallback.lacking,
        )

    def _inputs(self, sources: Mapping[TableName, SourceVersions], optimiser: SparkSession) -> ViewInputs:
        assert self.step.record is not None
        return ViewInputs(
            query=self.frame,
            sources=sources,
            write=self.write,
            version=self.step.version,
            state=StateTable(write=self.state_write, version=state_version(self.state_write.path, self.step.record)),
            quarantine=self.quarantine,
            judge=self.judge,
            optimiser=optimiser,
            feeds=self.feeds,
            ratios=self.step.record.ratios,
            by_cost=self.dataset.refresh_policy is RefreshPolicy.AUTO,
        )

    def _in_full(
        self, record: RefreshRecord, optimiser: SparkSession, fallback: Fallback | None, *, is_stable: bool
    ) -> RefreshedView:
        step = replace(self.step, mode=RefreshMode.FULL)
        if fallback is not None:
            step = replace(step, reason=Reason(fallback.code, f"{self.step.reason.text}; {fallback.text}"))
        if step.version >= 0 and step.record is not None and step.record.layout != record.layout:
            align_layout(self.catalog.session, self.write)
        with_state = full_with_state(self.frame, optimiser) if self._wants_state(fallback) else None
        state = None
        frame = self.frame
        if with_state is not None:
            frame = described_as(self.frame, with_state[0])
            totals = with_state[1]
            state = stage_write(totals, replace(self.state_write, mode=WriteMode.OVERWRITE, evolve=True))
        persisted = with_state[1] if with_state is not None else None
        if persisted is None and self.quarantine.sieve.quarantined and not is_stable:
            persisted = frame = frame.persist()  # its rows are computed twice, and have to be the same
        sifted = Sifted(frame, self.quarantine.sieve, self.quarantine.watch)
        staged = stage_query(sifted.kept, self.write)
        try:
            counts = dict(sifted.counts(staged.write.rows)) if self.quarantine.sieve.predicates else {}
            aside = self._set_aside(sifted, counts)
            if self.judge is not None:
                self.judge(rows_after_write(None, staged.write, sifted.kept), staged.write)
        except Exception:
            staged.write.discard()
            raise
        if persisted is not None:
            persisted.unpersist()
        record = replace(self._kept_beside(record), mode=step.mode.value, content=staged.content, counts=counts)
        record = replace(record, set_aside=aside.content)
        return RefreshedView(
            step=step,
            record=record,
            table=staged.write,
            state=state,
            state_epoch=self._state_epoch(),
            quarantine=aside.write,
            rows_in=counts[ROWS] if counts else staged.rows,
            rows_out=staged.write.rows,
            is_unchanged=self._is_same(record),
            lacking=fallback.lacking if fallback is not None else (),
        )

    def _set_aside(self, sifted: Sifted, counts: Mapping[str, int]) -> _SetAside:
        """The rows that go to quarantine, staged in place of those that are there, if they differ."""
        before = self.step.record
        found, there = counts.get(QUARANTINED, 0), before.counts.get(QUARANTINED, 0) if before is not None else 0
        if not found and (not there or self.quarantine.version < 0):
            return _SetAside()
        watched = ContentDigest(sifted.rejected())
        write = self.quarantine.stage_all(watched.frame)
        if write.rows != found:
            write.discard()
            raise RefreshError(
                f"{self.dataset.name} cannot set rows aside: its query gave {found} of them first, then {write.rows}.",
                where=self.dataset.location,
                hint="Its rows depend on more than what it reads; make the query deterministic, or use drop or warn.",
            )
        is_same = before is not None and watched.digest is not None and before.set_aside == watched.digest
        if is_same and self.quarantine.is_newest and self.quarantine.version >= 0:
            write.discard()
            return _SetAside(content=watched.digest)
        return _SetAside(write=write, content=watched.digest)

    def _wants_state(self, fallback: Fallback | None) -> bool:
        """Whether to keep sums and counts from now on: where a change came that they would have served, or where the
        policy says that changes will come."""
        if self.dataset.refresh_policy in (RefreshPolicy.INCREMENTAL, RefreshPolicy.INCREMENTAL_STRICT):
            return True
        return fallback is not None and fallback.code is ReasonCode.STATE_MISSING

    def _is_same(self, record: RefreshRecord) -> bool:
        """Whether the rows are the ones that are there: same digest, same layout, and no one else wrote since."""
        before = self.step.record
        return (
            before is not None
            and self.step.version >= 0
            and before.content is not None
            and before.content == record.content
            and before.layout == record.layout
            and self.step.reason.code is not ReasonCode.FOREIGN_WRITE
        )
