"""`lakehouse history`: past runs, or the past refreshes of one dataset, newest first."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import Any

from lakehouse.cli.project_arguments import opened_workspace
from lakehouse.cli.screen import Column, Screen
from lakehouse.serving.figures import count, duration, few, instant
from lakehouse.serving.run_history import refresh_rows, run_rows
from lakehouse.serving.table_states import find_dataset

RUN_COLUMNS = (
    Column(key="run", title="run"),
    Column(key="started_at", title="started (UTC)", write=instant, wide=True),
    Column(key="seconds", title="took", write=duration, right=True),
    Column(key="status", title="status"),
    Column(key="rows", title="rows", write=count, right=True),
    Column(key="changed", title="changed", write=lambda names: few(names) or "nothing", folds=True),
)
_REFRESH_COLUMNS = (
    Column(key="run", title="run"),
    Column(key="seconds", title="took", write=duration, right=True),
    Column(key="status", title="status"),
    Column(key="mode", title="mode"),
    Column(key="version", title="version", right=True, wide=True),
    Column(key="rows", title="rows", write=count, right=True),
    Column(key="changed", title="changed", right=True),
)
_SIFTED_COLUMNS = (
    Column(key="rows_dropped", title="dropped", write=count, right=True, wide=True),
    Column(key="rows_quarantined", title="quarantined", write=count, right=True, wide=True),
)
_WHY = Column(key="why", title="why", folds=True)


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0. Raises UnknownName for a dataset that is not declared."""
    with opened_workspace(arguments) as workspace:
        name = str(find_dataset(workspace.project, arguments.table).name) if arguments.table else None
        rows = refresh_rows(workspace, name, arguments.limit) if name else run_rows(workspace, arguments.limit)
    for row in rows:
        screen.event("refresh" if name else "run", **row)
    screen.table(refresh_columns(rows) if name else RUN_COLUMNS, rows)
    if not rows:
        never = f"{name} was never refreshed" if name else "nothing was run yet"
        screen.say(f"{never}; 'lakehouse run' does it.")
    return 0


def refresh_columns(rows: Iterable[Mapping[str, Any]]) -> tuple[Column, ...]:
    """The columns of `refresh_rows`; what expectations kept out has columns where they kept out something."""
    listed = list(rows)
    sifted = [column for column in _SIFTED_COLUMNS if any(row[column.key] for row in listed)]
    return (*_REFRESH_COLUMNS, *sifted, _WHY)
