"""`lakehouse quarantine`: the rows that expectations set aside, listed, shown, and judged again."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from typing import Any

from lakehouse.cli.project_arguments import opened_workspace
from lakehouse.cli.quarantine_text import (
    LS_COLUMNS,
    block_lines,
    by_expectation_text,
    row_columns,
    row_fields,
    shown_row,
    table_width,
)
from lakehouse.cli.run_command import followed_run
from lakehouse.cli.screen import Screen
from lakehouse.definition.dataset import Dataset, MaterializedView, StreamingTable
from lakehouse.run.outcome import RunOutcome, StepStatus
from lakehouse.run.quarantined_rows import (
    QuarantinedRow,
    QuarantineSummary,
    published_quarantines,
    quarantined_rows,
    summarize,
)
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace
from lakehouse.serving.figures import age, count, counted
from lakehouse.serving.table_states import find_dataset


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0, of `replay` that of its run. Raises UnknownName for a dataset that is not declared."""
    with opened_workspace(arguments) as workspace:
        match arguments.action:
            case "ls":
                return _list(workspace, screen)
            case "show":
                return _show(workspace, find_dataset(workspace.project, arguments.table), arguments.limit, screen)
            case _:
                return _replay(workspace, arguments.tables, screen)


def _list(workspace: Workspace, screen: Screen) -> int:
    found = published_quarantines(workspace)
    now = datetime.now(timezone.utc)
    for summary in found.values():
        screen.event("quarantine", **_summary_fields(summary))
    screen.table(
        LS_COLUMNS,
        [
            {**_summary_fields(summary), "since": age(summary.since, now), "why": by_expectation_text(summary)}
            for summary in found.values()
        ],
    )
    if not found:
        screen.say("Nothing is in quarantine.")
    return 0


def _summary_fields(summary: QuarantineSummary) -> dict[str, Any]:
    return {
        "dataset": str(summary.dataset),
        "rows": summary.rows,
        "expectations": [{"name": name, "rows": rows} for name, rows in summary.by_expectation.items()],
        "since": summary.since,
        "location": summary.location,
        "version": summary.version,
    }


def _show(workspace: Workspace, dataset: Dataset, limit: int, screen: Screen) -> int:
    summary = published_quarantines(workspace).get(dataset.name)
    if summary is None:
        screen.event("rows_ended", rows=0, more=False)
        screen.say(_nothing_of(dataset))
        return 0
    rows = quarantined_rows(summary, limit)
    for row in rows:
        screen.event("quarantined_row", **row_fields(row))
    more = summary.rows > len(rows)
    screen.event("rows_ended", rows=len(rows), more=more)
    _say_rows(rows, screen)
    of = f" of {count(summary.rows)}; --limit shows more" if more else ""
    screen.say(f"{counted(len(rows), 'row')}{of}. {_way_back(dataset)}", "dim")
    return 0


def _say_rows(rows: list[QuarantinedRow], screen: Screen) -> None:
    columns, shown = row_columns(rows), [shown_row(row) for row in rows]
    if not screen.is_terminal or table_width(columns, shown) <= screen.width:
        screen.table(columns, shown)
        screen.say()
        return
    for row in shown:
        for number, line in enumerate(block_lines(columns, row)):
            screen.say(line, None if number else "bold")
        screen.say()


def _nothing_of(dataset: Dataset) -> str:
    if isinstance(dataset, StreamingTable | MaterializedView):
        return f"{dataset.name} has no rows in quarantine."
    return f"{dataset.name} is not written by this project, so it has no quarantine."


def _way_back(dataset: Dataset) -> str:
    if isinstance(dataset, MaterializedView):
        return "They come from its query: mend what it reads, or its expectations, and 'lakehouse run' admits them."
    return f"Mend the expectation, or the rows, and 'lakehouse quarantine replay {dataset.name}' admits them."


def _replay(workspace: Workspace, tables: list[str], screen: Screen) -> int:
    datasets = {dataset.name: dataset for dataset in (find_dataset(workspace.project, name) for name in tables)}
    before = published_quarantines(workspace)
    for name, dataset in datasets.items():
        if name not in before:
            screen.event("replayed", dataset=str(name), admitted=0, dropped=0, left=0)
            screen.say(_nothing_of(dataset))
    due = [name for name in datasets if name in before]
    if not due:
        return 0
    outcome = followed_run(workspace, RunRequest(replay=tuple(map(str, due))), screen)
    for name in due:
        _say_replayed(workspace, datasets[name], before[name].rows, outcome, screen)
    return outcome.exit_code


def _say_replayed(workspace: Workspace, dataset: Dataset, before: int, outcome: RunOutcome, screen: Screen) -> None:
    """How many rows were admitted, and how many stay. A run that was stopped before says nothing."""
    step = next((step for step in outcome.steps if step.step.dataset == dataset.name), None)
    if step is None or step.record is None or not step.stands:
        screen.event("replayed", dataset=str(dataset.name), admitted=0, dropped=0, left=before)
        screen.say(f"{dataset.name}: nothing was admitted, {_stay_text(before)}.", "red")
        return
    after = summarize(workspace, dataset.name, step.record)
    left = after.rows if after is not None else 0
    if isinstance(dataset, MaterializedView):
        admitted, dropped = max(0, before - left), 0
    else:
        admitted = step.rows_out if step.status is StepStatus.REFRESHED else 0
        dropped = max(0, before - left - admitted)
    screen.event("replayed", dataset=str(dataset.name), admitted=admitted, dropped=dropped, left=left)
    screen.say(replayed_text(dataset, admitted, dropped, left), None if left else "green")


def replayed_text(dataset: Dataset, admitted: int, dropped: int, left: int) -> str:
    """The closing sentence of one dataset's replay."""
    dropped_text = f", {count(dropped)} dropped" if dropped else ""
    if isinstance(dataset, MaterializedView):
        return f"{dataset.name}: {_stay_text(left)}." + (f" {_way_back(dataset)}" if left else "")
    return f"{dataset.name}: {counted(admitted, 'row')} admitted{dropped_text}, {_stay_text(left)}."


def _stay_text(rows: int) -> str:
    return f"{count(rows)} stay{'s' if rows == 1 else ''} in quarantine" if rows else "none stays in quarantine"
