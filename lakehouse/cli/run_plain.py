"""A run as plain lines, one as each thing happens: for logs and pipes."""

from __future__ import annotations

import threading
from pathlib import Path

from lakehouse.cli.expectation_text import quarantine_lines, violation_columns, violation_rows
from lakehouse.cli.run_text import (
    aside_lines,
    closing_text,
    failure_lines,
    notice_lines,
    refreshed_text,
    started_text,
    verification_lines,
    verified_text,
)
from lakehouse.cli.screen import Screen, plain_table
from lakehouse.plan.refresh_plan import RefreshMode, RefreshPlan
from lakehouse.run.outcome import (
    Notice,
    RefreshEnded,
    RefreshStarted,
    RefreshVerified,
    RunEnded,
    RunEvent,
    RunOutcome,
    RunStarted,
    StepStatus,
)


class PlainRun:
    """Receives the events of one run, from any thread."""

    def __init__(self, screen: Screen, root: Path) -> None:
        self._screen = screen
        self._root = root
        self._early: list[Notice] = []
        self._lock = threading.Lock()

    def __call__(self, event: RunEvent) -> None:
        """Prints the event."""
        with self._lock:
            for line in self._lines(event):
                self._screen.say(line)

    def say(self, text: str) -> None:
        """A line between the events."""
        with self._lock:
            self._screen.say(text)

    def close(self) -> None:
        """Nothing is open."""

    def _lines(self, event: RunEvent) -> list[str]:
        match event:
            case Notice():
                self._early.append(event)
                return []
            case RunStarted(run=run, plan=plan):
                started = [] if plan.does_nothing else [started_text(run, plan)]
                return [*started, *notice_lines(worth_saying(self._early, plan))]
            case RefreshStarted(dataset=dataset):
                return [f"{dataset}: started"]
            case RefreshEnded(outcome=step):
                if step.status is StepStatus.SKIPPED:
                    return []
                failed = step.status is StepStatus.FAILED
                lines = failure_lines(step, self._root) if failed else [refreshed_text(step)]
                return [*lines, *(f"note: {step.step.dataset}: {notice}" for notice in step.notices)]
            case RefreshVerified(verification=verification):
                return [verified_text(verification)]
            case RunEnded(outcome=outcome):
                return [
                    *_violation_lines(outcome),
                    *quarantine_lines(outcome),
                    *aside_lines(outcome),
                    closing_text(outcome),
                    *verification_lines(outcome),
                ]


def _violation_lines(outcome: RunOutcome) -> list[str]:
    rows = violation_rows(outcome)
    return plain_table(violation_columns(rows), rows) if rows else []


def worth_saying(notices: list[Notice], plan: RefreshPlan) -> list[Notice]:
    """The notices about the project as a whole, and about the datasets that this plan may touch."""
    touched = {str(step.dataset) for step in plan.steps if step.mode is not RefreshMode.SKIP}
    return [notice for notice in notices if not notice.about or notice.about in touched]
