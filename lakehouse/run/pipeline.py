"""One run, as a sentence: define, survey, refresh, publish."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.policy import AccessPolicy
from lakehouse.names import TableName
from lakehouse.plan.explanation import StepExplanation
from lakehouse.plan.refresh_plan import RefreshPlan, RefreshStep
from lakehouse.run.access_audit import audit_run
from lakehouse.run.access_check import check_access
from lakehouse.run.access_rules import project_rules
from lakehouse.run.execution import run_cycle
from lakehouse.run.explaining import explain_steps
from lakehouse.run.outcome import Notice, RunEvent, RunOutcome, StepOutcome, Verification
from lakehouse.run.ports import Ports, Staged
from lakehouse.run.request import RunRequest
from lakehouse.run.survey import Survey, survey
from lakehouse.run.workspace import Workspace

if TYPE_CHECKING:  # importing it imports pyspark
    from lakehouse.run.spark_compute import SparkCompute


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current instant, in UTC."""
        return datetime.now(timezone.utc)


class _LazyCompute:
    """Builds the Spark compute once the survey is there and a step really needs it."""

    def __init__(self, workspace: Workspace, clock: SystemClock) -> None:
        self._workspace = workspace
        self._clock = clock
        self._compute: SparkCompute | None = None
        self.survey: Survey | None = None

    def stage(self, step: RefreshStep, reads: Mapping[TableName, int], run: str) -> Staged:
        """See `run.ports.Compute`."""
        return self._built().stage(step, reads, run)

    def verify(self, outcome: StepOutcome, at_most: int | None, run: str) -> Verification:
        """See `run.ports.Compute`."""
        return self._built().verify(outcome, at_most, run)

    def cancel(self) -> None:
        """See `run.ports.Compute`."""
        if self._compute is not None:
            self._compute.cancel()

    def close(self) -> None:
        """Ends what was opened for the run."""
        if self._compute is not None:
            self._compute.close()

    def _built(self) -> SparkCompute:
        if self._compute is None:
            assert self.survey is not None
            self._compute = self._workspace.spark.compute(
                self._workspace.project, self.survey.graph, self.survey.facts.identities, self._clock.now
            )
        return self._compute


def new_run_id(now: datetime) -> str:
    """A run's name: sorts by time, and no two are equal."""
    return f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"


def run_pipeline(
    workspace: Workspace,
    request: RunRequest,
    emit: Callable[[RunEvent], None],
    stopped: Callable[[], int | None] = lambda: None,
) -> RunOutcome:
    """Brings the requested datasets up to date and publishes them together.

    Raises before anything is written what `survey` raises, and RunInProgress; a failing dataset does not raise.
    """
    clock = SystemClock()
    run = new_run_id(clock.now())
    compute = _LazyCompute(workspace, clock)
    policy = _rules_of_access(workspace)
    for notice in [*map(Notice, workspace.project.notices), *_mode(policy)]:
        emit(notice)

    def plan() -> RefreshPlan:
        compute.survey = survey(workspace, request)
        if policy is not None:
            audit_run(workspace, compute.survey, policy)
        workspace.warehouse.record_lineage(_lineage_rows(compute.survey, clock.now()))
        return compute.survey.plan

    ports = Ports(
        clock=clock,
        compute=compute,
        warehouse=workspace.warehouse,
        emit=emit,
        stopped=stopped,
        max_concurrent_refreshes=workspace.project.spec.max_concurrent_refreshes,
    )
    stored = frozenset(dataset.name for dataset in workspace.project.stored)
    try:
        return run_cycle(plan, stored, run, ports, request.verify)
    finally:
        compute.close()


def _rules_of_access(workspace: Workspace) -> AccessPolicy | None:
    """None for a project that declares none: whoever runs it owns it."""
    if workspace.project.spec.access is None:
        return None
    check_access(workspace.project)
    return project_rules(workspace.project.spec).policy


def _mode(policy: AccessPolicy | None) -> list[Notice]:
    # What declares rules of access must say what they do, and for whom they do nothing.
    if policy is None:
        return []
    if policy.run_as is None:
        return [Notice("access rules name no 'run_as', so nothing is checked for this run: it is its owner's")]
    return [Notice(f"mode audit: reads and writes are checked before the run, as those of {policy.run_as}")]


def _lineage_rows(found: Survey, now: datetime) -> list[dict[str, Any]]:
    """Rows of `system/lineage` for every stored dataset that was analysed."""
    rows = []
    for name, analysis in found.analyses.items():
        if name not in found.facts.identities:
            continue
        known = {
            "dataset": str(name),
            "fingerprint": found.facts.identities[name].query,
            "recorded_at": now,
        }
        traced = [(column.output, source) for column in analysis.lineage.columns for source in column.sources]
        traced += [("*", source) for source in analysis.lineage.conditions]
        rows += [
            {
                **known,
                "column_name": output,
                "source_dataset": str(source.table),
                "source_column": source.column,
                "kind": source.kind.value,
            }
            for output, source in traced
        ]
        rows += [
            {**known, "column_name": column.output, "kind": "constant"}
            for column in analysis.lineage.columns
            if not column.sources
        ]
    return rows


def dry_run(workspace: Workspace, request: RunRequest) -> Survey:
    """Plans the request with every query analysed, and asked how it can be maintained. Nothing is written."""
    return survey(workspace, request, analyse_all=True, explained=None)


def explain(workspace: Workspace, request: RunRequest, name: TableName) -> StepExplanation | None:
    """What the request would do with one dataset, and why; None if it does not select it. Nothing is written."""
    found = survey(workspace, request, explained=frozenset({name}))
    return next((each for each in explain_steps(workspace, found) if each.step.dataset == name), None)
