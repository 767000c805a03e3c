"""A run on a terminal: a table that lives while the run goes on, and a table of what changed at its end."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from lakehouse.cli.expectation_text import quarantine_lines, violation_columns, violation_rows
from lakehouse.cli.run_plain import worth_saying
from lakehouse.cli.run_text import (
    CHANGE_COLUMNS,
    aside_lines,
    change_rows,
    closing_text,
    failure_lines,
    notice_lines,
    rows_text,
    started_text,
    verification_lines,
    verified_text,
)
from lakehouse.cli.screen import Screen
from lakehouse.names import TableName
from lakehouse.plan.refresh_plan import RefreshMode, RefreshStep
from lakehouse.run.outcome import (
    Notice,
    RefreshEnded,
    RefreshStarted,
    RefreshVerified,
    RunEnded,
    RunEvent,
    RunOutcome,
    RunStarted,
    RunStatus,
    StepOutcome,
    StepStatus,
)
from lakehouse.serving.figures import counted, duration

# What matters most stays when the terminal is too short for all.
_URGENCY = {"refreshing": 0, "failed": 1, "blocked": 3, "waiting": 4}
_STYLES = {"refreshing": "cyan", "failed": "red", "blocked": "red", "refreshed": "green", "waiting": "dim"}
_OTHER_LINES = 6


@dataclass(slots=True)
class _Progress:
    step: RefreshStep
    state: str = "waiting"
    since: float = 0.0
    ended: StepOutcome | None = None


class LiveRun:
    """Receives the events of one run, from any thread."""

    def __init__(self, screen: Screen, root: Path) -> None:
        self._screen = screen
        self._root = root
        self._progress: dict[TableName, _Progress] = {}
        self._early: list[Notice] = []
        self._lock = threading.RLock()
        self._began = time.monotonic()
        self._spinner = Spinner("dots", Text("planning", style="dim"))
        console = Console(file=screen.out, width=screen.width, highlight=False)
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=8, transient=True, redirect_stdout=False
        )
        self._live.start()

    def __call__(self, event: RunEvent) -> None:
        """Shows the event."""
        with self._lock:
            self._apply(event)
        if isinstance(event, RunEnded):
            self.close()
            self._end(event.outcome)

    def say(self, text: str, style: str | None = None) -> None:
        """A line above the table."""
        if self._live.is_started:
            self._live.console.print(Text(text, style=style or ""), soft_wrap=True)
        else:
            self._screen.say(text, style)

    def close(self) -> None:
        """Takes the table away and gives the terminal back."""
        self._live.stop()

    def _apply(self, event: RunEvent) -> None:
        match event:
            case Notice():
                self._early.append(event)
            case RunStarted(run=run, plan=plan):
                self._progress = {
                    step.dataset: _Progress(step) for step in plan.steps if step.mode is not RefreshMode.SKIP
                }
                if not plan.does_nothing:
                    self.say(started_text(run, plan))
                for line in notice_lines(worth_saying(self._early, plan)):
                    self.say(line, "dim")
            case RefreshStarted(dataset=dataset):
                if dataset in self._progress:
                    self._progress[dataset].state = "refreshing"
                    self._progress[dataset].since = time.monotonic()
            case RefreshEnded(outcome=step):
                self._step_ended(step)
            case RefreshVerified(verification=verification):
                self.say(verified_text(verification), None if verification.holds else "red")
            case RunEnded():
                pass

    def _step_ended(self, outcome: StepOutcome) -> None:
        name = outcome.step.dataset
        if name in self._progress:
            self._progress[name].state = outcome.status.value
            self._progress[name].ended = outcome
        if outcome.status is StepStatus.FAILED:
            for number, line in enumerate(failure_lines(outcome, self._root)):
                self.say(line, None if number else "red")
        for notice in outcome.notices:
            self.say(f"note: {name}: {notice}", "dim")

    def _end(self, outcome: RunOutcome) -> None:
        rows = change_rows(outcome)
        if rows:
            self._screen.say()
            self._screen.table(CHANGE_COLUMNS, rows)
            self._screen.say()
        violations = violation_rows(outcome)
        if violations:
            self._screen.table(violation_columns(violations), violations)
            self._screen.say()
        for line in quarantine_lines(outcome):
            self._screen.say(line, "yellow")
        for line in aside_lines(outcome):
            self._screen.say(line, "yellow")
        style = {RunStatus.SUCCEEDED: "green", RunStatus.FAILED: "red"}.get(outcome.status, "yellow")
        self._screen.say(closing_text(outcome), style)
        for line in verification_lines(outcome):
            self._screen.say(line, "red")

    def _render(self) -> RenderableType:
        with self._lock:
            if not self._progress:
                return self._spinner
            return Group(self._table(), self._summary())

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("dataset", "state", "mode"):
            table.add_column(title, no_wrap=True, overflow="ellipsis")
        for title in ("rows", "seconds"):
            table.add_column(title, justify="right", no_wrap=True)
        now = time.monotonic()
        for item in self._shown():
            done = item.ended
            took = done.seconds if done else (now - item.since if item.since else None)
            table.add_row(
                Text(str(item.step.dataset)),
                Text(item.state, style=_STYLES.get(item.state, "")),
                Text(done.step.mode.value if done else item.step.mode.value),
                (rows_text(done) if done else None) or "",
                "" if took is None else f"{took:.1f}",
            )
        return table

    def _shown(self) -> list[_Progress]:
        room = max(3, self._live.console.height - _OTHER_LINES)
        items = list(self._progress.values())
        if len(items) <= room:
            return items
        urgent = sorted(items, key=lambda item: (_URGENCY.get(item.state, 2), -item.since))[:room]
        return [item for item in items if any(item is kept for kept in urgent)]

    def _summary(self) -> Text:
        done = sum(item.ended is not None for item in self._progress.values())
        total = counted(len(self._progress), "dataset")
        return Text(f"{done} of {total} done, {duration(time.monotonic() - self._began)}", style="dim")
