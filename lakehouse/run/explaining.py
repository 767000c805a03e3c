"""Why every step of a plan has its mode, and what could be done instead: from the survey and the tables' logs."""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse.names import TableName
from lakehouse.plan.explanation import AllowedWays, SourceChange, StepExplanation, allowed_ways
from lakehouse.plan.records import RefreshRecord
from lakehouse.plan.refresh_plan import RefreshMode, RefreshPlan, RefreshStep
from lakehouse.run.location import locate, locate_state
from lakehouse.run.survey import Survey
from lakehouse.run.view_state import state_version
from lakehouse.run.workspace import Workspace
from lakehouse.storage.table_changes import read_table_change


def explain_steps(workspace: Workspace, found: Survey) -> tuple[StepExplanation, ...]:
    """An explanation for every step of the surveyed plan, in its order. Reads logs, no rows, and starts nothing."""
    return tuple(_explanation(workspace, found, step) for step in found.plan.steps)


def _explanation(workspace: Workspace, found: Survey, step: RefreshStep) -> StepExplanation:
    allowed = _allowed(found, step.dataset)
    if step.mode is not RefreshMode.INCREMENTAL or step.record is None:
        return StepExplanation(step=step, allowed=allowed)
    missing = False
    if allowed is not None and RefreshMode.AGGREGATE in allowed.modes:
        missing = state_version(locate_state(workspace.project.spec, step.dataset), step.record) < 0
    sources = tuple(_sources(workspace, found.plan, step, step.record))
    return StepExplanation(step=step, allowed=allowed, sources=sources, state_is_missing=missing)


def _allowed(found: Survey, name: TableName) -> AllowedWays | None:
    analysis = found.analyses.get(name)
    if analysis is None or analysis.maintenance is None:
        return None
    return allowed_ways(analysis.maintenance, [column.name for column in analysis.columns], analysis.unstable)


def _sources(
    workspace: Workspace, plan: RefreshPlan, step: RefreshStep, record: RefreshRecord
) -> Iterator[SourceChange]:
    planned = {other.dataset: other for other in plan.steps}
    for name in step.inputs:
        before = record.reads.get(str(name), -1)
        if name in step.undecided:
            load = planned[name].load
            files = (*load.load, *load.reload) if load is not None else ()
            length = sum(file.size for file in files)
            yield SourceChange(dataset=name, from_version=before, to_version=None, files=len(files), file_bytes=length)
            continue
        now = planned[name].version if name in planned else plan.pinned.get(name, -1)
        if before < 0 or now == before:
            continue
        change = read_table_change(
            locate(workspace.project, name), before, now, identity=record.identities.get(str(name))
        )
        yield SourceChange(dataset=name, from_version=before, to_version=now, change=change)
