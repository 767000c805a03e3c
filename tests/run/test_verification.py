"""Which refreshes are verified, and what a run that does not hold ends with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from lakehouse.errors import QueryError, RefreshError
from lakehouse.names import TableName
from lakehouse.plan.load_plan import LoadPlan
from lakehouse.plan.refresh_plan import Reason, ReasonCode, RefreshMode, RefreshStep
from lakehouse.run.outcome import (
    RefreshVerified,
    RunOutcome,
    RunStatus,
    StepOutcome,
    StepStatus,
    Verification,
)
from lakehouse.run.verification import RowSample, verify_outcomes

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
class World:
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
    world = World()
    found = verify_outcomes(RUN, RowSample(5), world.ports)
    assert world.asked == [(B, 5, "r1"), (C, 5, "r1")]
    assert [verification.dataset for verification in found] == [B, C]
    assert world.events == [RefreshVerified(verification) for verification in found]
    assert replace(RUN, verified=found).exit_code == 0


@pytest.mark.parametrize("world", [World(missing={C: 2}), World(broken={C})])
def test_what_does_not_hold_is_exit_code_1(world: World) -> None:
    found = verify_outcomes(RUN, RowSample(None), world.ports)
    assert [verification.holds for verification in found] == [True, False]
    assert replace(RUN, verified=found).exit_code == 1
    assert replace(RUN, verified=found).status is RunStatus.SUCCEEDED, "nothing that was done is undone"


def test_an_error_is_kept() -> None:
    [_, broken] = verify_outcomes(RUN, RowSample(), World(broken={C}).ports)
    assert isinstance(broken.error, RefreshError)


def test_what_cannot_be_compared_does_not_count_against_the_run() -> None:
    verification = Verification(dataset=B, problem="rand may give other values each time")
    assert replace(RUN, verified=(verification,)).exit_code == 0


def test_a_run_that_is_told_to_stop_verifies_no_more() -> None:
    world = World(stops_after=1)
    assert len(verify_outcomes(RUN, RowSample(), world.ports)) == 1
    assert replace(RUN, signal_number=15).exit_code == 143
