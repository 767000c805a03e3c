"""Which refreshes are verified, and what a run that does not hold ends with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from lakehouse.errors import QueryError, RefreshError
from lakehouse.names import TableName
from lakehouse.plan.load_plan import LoadPlan
from lakehouse.plan.refresh_plan import Reason, ReasonCode, RefreshMode, RefreshStep
from lakehouse.run.execution import run_cycle
from lakehouse.run.outcome import (
    RefreshVerified,
    RunEnded,
    RunOutcome,
    RunStatus,
    StepOutcome,
    StepStatus,
    Verification,
)
from lakehouse.run.ports import Ports
from lakehouse.run.verification import RowSample, verify_outcomes
from tests.run.simulation import Schedule, SimulatedStaged, SimulatedWarehouse, World

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
A, B, C, D, E, F = (TableName("s", letter) for letter in "abcdef")


def outcome(name: TableName, status: StepStatus, load: LoadPlan | None = None) -> StepOutcome:
    reason = Reason(ReasonCode.INPUTS_CHANGED, "x")
    step = RefreshStep(dataset=name, mode=RefreshMode.KEYS, reason=reason, epoch=1, load=load)
    return StepOutcome(step=step, status=status, version=3, started_at=NOW, ended_at=NOW)


RUN = RunOutcome(
    run="r1",
    status=RunStatus.SUCCEEDED,
    steps=(
        outcome(A, StepStatus.REFRESHED, LoadPlan(full=False)),
        outcome(B, StepStatus.REFRESHED),
        outcome(C, StepStatus.UNCHANGED),
        outcome(D, StepStatus.SKIPPED),
        outcome(E, StepStatus.FAILED),
        outcome(F, StepStatus.BLOCKED),
    ),
    publication=None,
    started_at=NOW,
    ended_at=NOW,
)


@dataclass
class Script:
    """Ports that answer a verification by a script."""

    missing: dict[TableName, int] = field(default_factory=dict)
    broken: set[TableName] = field(default_factory=set)
    stops_after: int = 99
    asked: list[tuple[TableName, int | None, str]] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)

    @property
    def ports(self) -> Any:
        stopped = lambda: 15 if len(self.asked) >= self.stops_after else None  # noqa: E731
        return SimpleNamespace(compute=self, emit=self.events.append, stopped=stopped)

    def verify(self, step: StepOutcome, at_most: int | None, run: str) -> Verification:
        name = step.step.dataset
        self.asked.append((name, at_most, run))
        if name in self.broken:
            raise QueryError("gone", condition=None)
        return Verification(dataset=name, version=step.version, missing=self.missing.get(name, 0))


def test_views_that_were_computed_are_verified_and_no_other() -> None:
    world = Script()
    found = verify_outcomes(RUN, RowSample(5), world.ports)
    assert world.asked == [(B, 5, "r1"), (C, 5, "r1")]
    assert [verification.dataset for verification in found] == [B, C]
    assert world.events == [RefreshVerified(verification) for verification in found]
    assert replace(RUN, verified=found).exit_code == 0


@pytest.mark.parametrize("world", [Script(missing={C: 2}), Script(broken={C})])
def test_what_does_not_hold_is_exit_code_1(world: Script) -> None:
    found = verify_outcomes(RUN, RowSample(None), world.ports)
    assert [verification.holds for verification in found] == [True, False]
    assert replace(RUN, verified=found).exit_code == 1
    assert replace(RUN, verified=found).status is RunStatus.SUCCEEDED, "nothing that was done is undone"


def test_an_error_is_kept() -> None:
    [_, broken] = verify_outcomes(RUN, RowSample(), Script(broken={C}).ports)
    assert isinstance(broken.error, RefreshError)


def test_what_cannot_be_compared_does_not_count_against_the_run() -> None:
    verification = Verification(dataset=B, problem="rand may give other values each time")
    assert replace(RUN, verified=(verification,)).exit_code == 0


def test_a_run_that_is_told_to_stop_verifies_no_more() -> None:
    world = Script(stops_after=1)
    assert len(verify_outcomes(RUN, RowSample(), world.ports)) == 1
    assert replace(RUN, signal_number=15).exit_code == 143


class Forgetful(SimulatedWarehouse):
    """Loses a row of every view in `gold` that it computes."""

    def stage(self, step: RefreshStep, reads: Mapping[TableName, int], run: str) -> SimulatedStaged:
        staged = super().stage(step, reads, run)
        return replace(staged, rows=staged.rows[1:]) if step.dataset.schema == "gold" else staged


@pytest.mark.parametrize(("kind", "missing"), [(SimulatedWarehouse, 0), (Forgetful, 1)])
def test_a_run_verifies_what_it_published_before_it_ends(kind: type[SimulatedWarehouse], missing: int) -> None:
    bronze, silver, gold = (TableName(*name.split(".")) for name in ("bronze.b", "silver.s", "gold.g"))
    reads = {bronze: (), silver: (bronze,), gold: (silver,)}
    world = World(
        definitions={name: f"query of {name}" for name in reads},
        reads=reads,
        files={bronze: {"f": (("a", 1), ("b", 2), ("b", 2))}},
    )
    told: list[Any] = []
    outcomes: list[RunOutcome] = []

    def run(actor: int) -> None:
        warehouse = kind(world, schedule, actor)
        ports = Ports(
            clock=warehouse,
            compute=warehouse,
            warehouse=warehouse,
            emit=told.append,
            stopped=lambda: None,
            inline=True,
        )
        outcomes.append(run_cycle(warehouse.survey, frozenset(reads), "r1", ports, RowSample(None)))

    schedule = Schedule(0, kill_rate=0.0)
    schedule.play([run])
    [outcome] = outcomes
    assert {found.dataset: (found.missing, found.surplus) for found in outcome.verified} == {
        silver: (0, 0),
        gold: (missing, 0),
    }
    assert (outcome.exit_code, outcome.status) == (1 if missing else 0, RunStatus.SUCCEEDED)
    assert [type(event) for event in told[-3:]] == [RefreshVerified, RefreshVerified, RunEnded]
    assert told[-1].outcome is outcome
    assert len(world.tables[gold]) == 1, "nothing was changed"
    assert world.publications[-1].tables[gold].version == 0
