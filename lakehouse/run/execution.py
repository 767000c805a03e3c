"""The order of effects in a run: the only place that commits and publishes.

    recover    what a dead run left behind is confirmed or given up, by the tables' own last epoch
    refresh    per dataset: stage -> gate -> ledger intent -> commit -> ledger outcome
    publish    one row with every table's version, if every refresh stands
    record     outcome rows

Killed between any two effects, the next run converges: a commit carries its epoch and what it read, so it is reused
if that still holds; a ledger intent without its commit is given up; readers see the last publication throughout.
The core knows no Spark, no files and no clock: all effects come through `Ports`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime

from lakehouse.errors import LakehouseError
from lakehouse.names import TableName
from lakehouse.plan.load_plan import FileStatus
from lakehouse.plan.records import Publication, PublishedTable
from lakehouse.plan.refresh_plan import (
    Reason,
    ReasonCode,
    RefreshMode,
    RefreshPlan,
    RefreshStep,
    decide_step,
)
from lakehouse.run.outcome import (
    BadFile,
    RefreshEnded,
    RefreshStarted,
    RunEnded,
    RunOutcome,
    RunStarted,
    RunStatus,
    StepOutcome,
    StepStatus,
)
from lakehouse.run.ports import Ports, Staged
from lakehouse.run.verification import RowSample, verify_outcomes

_POLL_SECONDS = 0.2


def run_cycle(
    survey: Callable[[], RefreshPlan],
    declared: frozenset[TableName],
    run: str,
    ports: Ports,
    sample: RowSample | None = None,
) -> RunOutcome:
    """One run: hold the project, recover, plan, execute, publish, record; with a `sample`, verify.

    `survey` makes the plan from what is there after recovery; `declared` are the stored datasets. Raises RunInProgress
    if another run holds the project, and what `survey` raises, before anything is written.
    """
    with ports.warehouse.hold(run):
        started_at = ports.clock.now()
        recover(ports)
        plan = survey()
        ports.emit(RunStarted(run, plan))
        if not plan.does_nothing:
            ports.warehouse.record_run_started(run, started_at)
        outcomes = execute_plan(plan, run, ports)
        outcome = finish_run(outcomes, declared, run, started_at, ports)
        if sample is not None:
            outcome = replace(outcome, verified=verify_outcomes(outcome, sample, ports))
        ports.emit(RunEnded(outcome))
        return outcome


def recover(ports: Ports) -> None:
    """Settles what a run that died left between a ledger intent and its outcome.

    The table's own last epoch decides: if it has reached the intended one, the commit happened.
    """
    for dataset, epoch in sorted(ports.warehouse.pending_epochs().items()):
        record = ports.warehouse.table_facts(dataset).record
        if record is not None and record.epoch >= epoch:
            ports.warehouse.confirm_files(dataset, epoch)
        else:
            ports.warehouse.abandon_files(dataset, epoch)


def execute_plan(plan: RefreshPlan, run: str, ports: Ports) -> tuple[StepOutcome, ...]:
    """Executes every step, each after its inputs, independent ones at the same time. Never raises a RefreshError:
    a failing dataset keeps its last good version, what reads it is blocked, and the rest goes on."""
    done: dict[TableName, StepOutcome] = {}
    running: dict[Future[StepOutcome], TableName] = {}
    waiting = {step.dataset: step for step in plan.steps}
    with ThreadPoolExecutor(max(1, ports.max_concurrent_refreshes), thread_name_prefix="refresh") as pool:
        while waiting or running:
            told_to_stop = ports.stopped() is not None
            if told_to_stop:
                ports.compute.cancel()  # at every turn: a refresh may start its first Spark job only after the signal
            for step in _ready(waiting, plan, done):
                settled = _settle_early(step, plan, done, ports, told_to_stop)
                if settled is None and ports.inline:
                    settled = _refresh(_decided(step, plan, done), run, _versions(plan, done), ports)
                if settled is not None:
                    del waiting[step.dataset]
                    done[step.dataset] = settled
                    ports.emit(RefreshEnded(settled))
                elif len(running) < ports.max_concurrent_refreshes:
                    del waiting[step.dataset]
                    decided = _decided(step, plan, done)
                    running[pool.submit(_refresh, decided, run, _versions(plan, done), ports)] = step.dataset
            if running:
                finished, _ = wait(running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
                for future in finished:
                    done[running.pop(future)] = outcome = future.result()
                    ports.emit(RefreshEnded(outcome))
    return tuple(done[step.dataset] for step in plan.steps)


def publication_after(
    outcomes: tuple[StepOutcome, ...],
    previous: Publication | None,
    declared: frozenset[TableName],
    run: str,
    now: datetime,
) -> Publication | None:
    """What readers may see after these outcomes, or None if that is what they see already, or if a refresh failed.

    Tables that were not part of the run stay at their published versions; tables no longer declared are left out.
    """
    if not all(outcome.stands for outcome in outcomes):
        return None
    before = dict(previous.tables) if previous else {}
    tables = {name: table for name, table in before.items() if name in declared}
    for outcome in outcomes:
        if outcome.record is not None:
            name = outcome.step.dataset
            tables[name] = PublishedTable(name=name, version=outcome.version, record=outcome.record)
    if tables == before:
        return None
    sequence = previous.sequence + 1 if previous else 1
    return Publication(sequence=sequence, run=run, published_at=now, tables=tables)


def run_status(outcomes: tuple[StepOutcome, ...], signal_number: int | None) -> RunStatus:
    """How the run ended, by how its datasets did."""
    if signal_number is not None:
        return RunStatus.CANCELLED
    if not all(outcome.stands for outcome in outcomes):
        return RunStatus.FAILED
    if any(len(outcome.bad_files) > outcome.bad_files_allowed for outcome in outcomes):
        return RunStatus.INCOMPLETE
    return RunStatus.SUCCEEDED


def finish_run(
    outcomes: tuple[StepOutcome, ...],
    declared: frozenset[TableName],
    run: str,
    started_at: datetime,
    ports: Ports,
) -> RunOutcome:
    """Publishes if everything stands, then records the outcome."""
    now = ports.clock.now()
    stopped = ports.stopped()
    publication = publication_after(outcomes, ports.warehouse.latest_publication(), declared, run, now)
    if publication is not None and stopped is None:
        ports.warehouse.publish(publication)
    else:
        publication = None
    outcome = RunOutcome(
        run=run,
        status=run_status(outcomes, stopped),
        steps=outcomes,
        publication=publication,
        started_at=started_at,
        ended_at=ports.clock.now(),
        signal_number=stopped,
    )
    ports.warehouse.record_run_ended(outcome)
    return outcome


def _ready(
    waiting: Mapping[TableName, RefreshStep], plan: RefreshPlan, done: Mapping[TableName, StepOutcome]
) -> list[RefreshStep]:
    planned = {step.dataset for step in plan.steps}
    return [
        step
        for step in waiting.values()
        if all(name in done for name in (*step.inputs, *step.after) if name in planned)
    ]


def _settle_early(
    step: RefreshStep,
    plan: RefreshPlan,
    done: Mapping[TableName, StepOutcome],
    ports: Ports,
    told_to_stop: bool,
) -> StepOutcome | None:
    """The outcome of a step that needs no computation, or None if it does."""
    now = ports.clock.now()
    unchanged = StepOutcome(
        step=step,
        status=StepStatus.SKIPPED,
        version=step.version,
        record=step.record,
        bad_files_allowed=step.bad_files_allowed,
        started_at=now,
        ended_at=now,
    )
    failed = [name for name in step.inputs if name in done and not done[name].stands]
    if told_to_stop:
        return replace(unchanged, status=StepStatus.CANCELLED)
    if failed:
        reason = Reason(ReasonCode.UPSTREAM_FAILED, f"{', '.join(map(str, failed))} could not be refreshed")
        skipped = replace(step, mode=RefreshMode.SKIP, undecided=(), reason=reason)
        return replace(unchanged, step=skipped, status=StepStatus.BLOCKED)
    decided = _decided(step, plan, done)
    if decided.mode is not RefreshMode.SKIP:
        return None
    if decided.load is not None and decided.load.touched:
        ports.warehouse.write_ledger(decided.load.touched)  # or every run would look into these files again
    return replace(unchanged, step=decided, bad_files=_known_bad(decided))


def _decided(step: RefreshStep, plan: RefreshPlan, done: Mapping[TableName, StepOutcome]) -> RefreshStep:
    return decide_step(step, _versions(plan, done))


def _versions(plan: RefreshPlan, done: Mapping[TableName, StepOutcome]) -> dict[TableName, int]:
    return {**plan.pinned, **{name: outcome.version for name, outcome in done.items()}}


def _known_bad(step: RefreshStep) -> tuple[BadFile, ...]:
    entries = step.load.known_bad if step.load else ()
    return tuple(BadFile(path=entry.path, reason=entry.reason or "cannot be read") for entry in entries)


def _refresh(step: RefreshStep, run: str, versions: Mapping[TableName, int], ports: Ports) -> StepOutcome:
    """One dataset: stage, intend, commit, confirm."""
    ports.emit(RefreshStarted(step.dataset))
    started_at = ports.clock.now()
    kept = StepOutcome(
        step=step,
        status=StepStatus.FAILED,
        version=step.version,
        record=step.record,
        bad_files_allowed=step.bad_files_allowed,
        started_at=started_at,
        ended_at=started_at,
    )
    try:
        staged = ports.compute.stage(step, {name: versions.get(name, -1) for name in step.inputs}, run)
        ended = _commit(step, staged, kept, ports)
    except LakehouseError as error:
        status = StepStatus.FAILED if ports.stopped() is None else StepStatus.CANCELLED
        ended = replace(kept, status=status, error=error)
    return replace(ended, ended_at=ports.clock.now())


def _commit(step: RefreshStep, staged: Staged, kept: StepOutcome, ports: Ports) -> StepOutcome:
    ended = replace(
        kept,
        step=staged.step,
        rows_in=staged.rows_in,
        lacking=staged.lacking,
        bad_files=staged.bad_files,
        notices=staged.notices,
        files=sum(entry.status is FileStatus.PENDING for entry in staged.ledger),
    )
    if ports.stopped() is not None:
        staged.discard()
        return replace(ended, status=StepStatus.CANCELLED)
    ended = replace(ended, judgements=staged.judgements)
    if staged.refusal is not None:
        staged.discard()
        return replace(ended, status=StepStatus.FAILED, error=staged.refusal)
    if staged.ledger:
        ports.warehouse.write_ledger(staged.ledger)
    if staged.is_unchanged:
        staged.confirm_unchanged()
        # The rows stay those of the commit that wrote them; what is new is that they hold for these inputs, too.
        record = step.record and replace(staged.record, epoch=step.record.epoch, run=step.record.run)
        return replace(ended, status=StepStatus.UNCHANGED, record=record)
    version = staged.commit()
    if ended.files:
        ports.warehouse.confirm_files(step.dataset, step.epoch)
    return replace(
        ended,
        status=StepStatus.REFRESHED,
        version=version,
        record=staged.record,
        rows_out=staged.rows_out,
        rows_changed=staged.rows_changed,
        profile=staged.profile,
    )
