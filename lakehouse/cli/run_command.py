"""`lakehouse run`: brings datasets up to date and tells of it while it happens."""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path
from typing import Protocol

from lakehouse.cli.project_arguments import listed, opened_workspace
from lakehouse.cli.run_events import event_fields
from lakehouse.cli.run_plain import PlainRun
from lakehouse.cli.screen import Screen
from lakehouse.run.outcome import RunEvent, RunOutcome
from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.stopping import StopRequest
from lakehouse.run.verification import RowSample
from lakehouse.run.workspace import Workspace

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class RunView(Protocol):
    """Shows the events of a run."""

    def __call__(self, event: RunEvent) -> None:
        """Shows one event; called from any thread."""

    def say(self, text: str) -> None:
        """Shows a line between the events."""

    def close(self) -> None:
        """Gives the terminal back."""


class JsonRun:
    """A run as JSON lines."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def __call__(self, event: RunEvent) -> None:
        """Prints the event."""
        name, fields = event_fields(event)
        self._screen.event(name, **fields)

    def say(self, text: str) -> None:
        """A line between the events is a notice."""
        self._screen.event("notice", text=text, about="")

    def close(self) -> None:
        """Nothing is open."""


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """The exit code of the run's outcome. Raises what makes a run impossible before it begins."""
    with opened_workspace(arguments) as workspace:
        return followed_run(workspace, run_request(arguments), screen).exit_code


def followed_run(workspace: Workspace, request: RunRequest, screen: Screen) -> RunOutcome:
    """One run, told of on the screen while it happens; it ends early for a signal."""
    view = run_view(screen, workspace.project.spec.root)
    try:
        with StopRequest(SIGNALS, lambda number: end_at_once(view, number), view.say) as stop:
            return run_pipeline(workspace, request, view, stop.stopped)
    finally:
        view.close()


def end_at_once(view: RunView, number: int) -> None:
    """Ends the process for a second signal. Whatever hangs, the user wants out: the kernel drops the lock, and the
    next run settles what is half done."""
    view.close()
    os._exit(128 + number)


def run_request(arguments: argparse.Namespace) -> RunRequest:
    """What the arguments ask for."""
    return RunRequest(
        refresh=listed(arguments.refresh),
        full_refresh=listed(arguments.full_refresh),
        full_refresh_all=arguments.full_refresh_all,
        select=tuple(arguments.select),
        exclude=tuple(arguments.exclude),
        verify=getattr(arguments, "verify", None) and row_sample(arguments.verify),
    )


def row_sample(text: str) -> RowSample:
    """How much --verify asks for: `all`, or about so many rows a view.

    >>> row_sample("all").rows, row_sample("500").rows
    (None, 500)
    """
    return RowSample(None if text == "all" else int(text))


def run_view(screen: Screen, root: Path) -> RunView:
    """The form in which this screen shows a run."""
    if screen.as_json:
        return JsonRun(screen)
    if screen.is_terminal:
        from lakehouse.cli.run_live import LiveRun  # imports rich: a tenth of a second, for terminals only

        return LiveRun(screen, root)
    return PlainRun(screen, root)
