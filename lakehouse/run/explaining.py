"""Why every step of a plan has its mode, and what could be done instead: from the survey and the tables' logs."""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse.plan.cost import Prediction, WrittenTable, predict
from lakehouse.plan.explanation import SourceChange, StepExplanation, allowed_ways, mode_of
from lakehouse.plan.maintenance import Maintenance, Refusal, not_monotone
from lakehouse.plan.records import RefreshRecord
from lakehouse.plan.refresh_plan import RefreshMode, RefreshPlan, RefreshStep
from lakehouse.run.location import locate, locate_state
from lakehouse.run.survey import Survey
from lakehouse.run.view_state import state_version
from lakehouse.run.workspace import Workspace
from lakehouse.storage.table_changes import read_table_change
from lakehouse.storage.table_contents import read_written


def explain_steps(workspace: Workspace, found: Survey) -> tuple[StepExplanation, ...]:
    """An explanation for every step of the surveyed plan, in its order. Reads logs, no rows, and starts nothing."""
    return tuple(_explanation(workspace, found, step) for step in found.plan.steps)


def _explanation(workspace: Workspace, found: Survey, step: RefreshStep) -> StepExplanation:
    analysis = found.analyses.get(step.dataset)
    allowed = None
    if analysis is not None and analysis.algebra is not None:
        allowed = allowed_ways(analysis.algebra, [column.name for column in analysis.columns], analysis.unstable)
    if step.mode is not RefreshMode.INCREMENTAL or step.record is None:
        return StepExplanation(step=step, allowed=allowed)
    missing = False
    if allowed is not None and RefreshMode.AGGREGATE in allowed.modes:
        missing = state_version(locate_state(workspace.project.spec, step.dataset), step.record) < 0
    sources = tuple(_sources(workspace, found.plan, step, step.record))
    maintenance = analysis.maintenance if analysis is not None and allowed is not None and allowed.modes else None
    table = read_written(locate(workspace.project, step.dataset), step.version)
    return StepExplanation(
        step=step,
        allowed=allowed,
        sources=tuple(source for source in sources if source.to_version != source.from_version),
        state_is_missing=missing,
        prediction=_prediction(maintenance, sources, step.record, table),
    )


def _prediction(
    maintenance: Maintenance | Refusal | None,
    sources: tuple[SourceChange, ...],
    record: RefreshRecord,
    table: WrittenTable | None,
) -> Prediction | None:
    """What the refresh is expected to take, by the same rule by which it will choose; None if that is not known yet."""
    changes = {source.dataset: source.change for source in sources if source.change is not None}
    is_known = len(changes) == len(sources) and all(change.obstacle is None for change in changes.values())
    if not isinstance(maintenance, Maintenance) or not is_known:
        return None
    only_added = all(change.append_only or not change.changes_rows for change in changes.values())
    may_append = only_added and not_monotone(maintenance.root) is None
    mode = RefreshMode.APPEND if may_append else mode_of(maintenance)
    return predict(maintenance, changes, record.ratios, mode.value, table)


def _sources(
    workspace: Workspace, plan: RefreshPlan, step: RefreshStep, record: RefreshRecord
) -> Iterator[SourceChange]:
    """What is known of the change of every table that the step reads, of the unchanged, too."""
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
        if before < 0 or now < 0:
            continue
        identity = record.identities.get(str(name))
        change = read_table_change(locate(workspace.project, name), before, now, identity=identity)
        yield SourceChange(dataset=name, from_version=before, to_version=now, change=change)
