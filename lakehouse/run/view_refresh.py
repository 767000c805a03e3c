"""One materialized view brought up to date: by what changed where that can be, in full otherwise, always saying why."""

from __future__ import annotations

import time
from collections.abc import Mapping
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
    are, `state` that of what is kept beside it, whose epochs count by themselves."""

    step: RefreshStep
    record: RefreshRecord
    table: StagedWrite | StagedChange | None
    state: StagedWrite | StagedChange | None = None
    state_epoch: int = 0
    rows_in: int = 0
    rows_out: int = 0
    is_unchanged: bool = False
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRefresh:
    """What one refresh works with: the step and its record so far, the view's query as a frame with the table's
    columns, where its inputs lie, and whether other views read it."""

    dataset: MaterializedView
    step: RefreshStep
    record: RefreshRecord
    frame: DataFrame
    write: TableWrite
    state_write: TableWrite
    locations: Mapping[TableName, str]
    catalog: SessionCatalog
    feeds: FeedCache
    is_read: bool = False

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
        refreshed = self._in_full(record, optimiser, fallback)
        return self._learned(refreshed, fallback.prediction if fallback is not None else None, started)

    def _learned(self, refreshed: RefreshedView, prediction: Prediction | None, started: float) -> RefreshedView:
        """The refresh with what it took in its record, for the next one to choose by."""
        ratios = dict(self.step.record.ratios) if self.step.record is not None else {}
        if prediction is not None:
            mode = refreshed.step.mode
            predicted = prediction.bare_full if mode is RefreshMode.FULL else prediction.bare_by_change
            ratios = learned(ratios, mode.value, predicted, time.monotonic() - started)
        return replace(refreshed, record=replace(refreshed.record, ratios=ratios))

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
        return RefreshedView(
            step=step,
            record=replace(record, mode=found.mode.value),
            table=found.table,
            state=found.state,
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

    def _by_difference(self, record: RefreshRecord, optimiser: SparkSession, fallback: Fallback) -> RefreshedView:
        table = stage_difference(self._inputs({}, optimiser))
        reason = Reason(fallback.code, f"{self.step.reason.text}; {fallback.text}")
        return RefreshedView(
            step=replace(self.step, mode=RefreshMode.DIFFERENCE, reason=reason),
            record=replace(record, mode=RefreshMode.DIFFERENCE.value),
            table=table,
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
            optimiser=optimiser,
            feeds=self.feeds,
            ratios=self.step.record.ratios,
            by_cost=self.dataset.refresh_policy is RefreshPolicy.AUTO,
        )

    def _in_full(self, record: RefreshRecord, optimiser: SparkSession, fallback: Fallback | None) -> RefreshedView:
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
        staged = stage_query(frame, self.write)
        if with_state is not None:
            with_state[1].unpersist()
        record = replace(record, mode=step.mode.value, content=staged.content)
        return RefreshedView(
            step=step,
            record=record,
            table=staged.write,
            state=state,
            state_epoch=self._state_epoch(),
            rows_in=staged.rows,
            rows_out=staged.write.rows,
            is_unchanged=self._is_same(record),
            lacking=fallback.lacking if fallback is not None else (),
        )

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
