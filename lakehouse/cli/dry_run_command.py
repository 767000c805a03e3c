"""`lakehouse dry-run`: prints the plan that `run` would execute, and what speaks for it. Nothing is written."""

from __future__ import annotations

import argparse

from lakehouse.cli.project_arguments import opened_workspace
from lakehouse.cli.run_command import run_request
from lakehouse.cli.run_events import plan_fields
from lakehouse.cli.run_text import PLAN_COLUMNS
from lakehouse.cli.screen import Screen
from lakehouse.plan.refresh_plan import RefreshMode
from lakehouse.run.explaining import explain_steps
from lakehouse.run.pipeline import dry_run
from lakehouse.serving.figures import counted
from lakehouse.serving.plan_explanation import explanation_fields, explanation_lines, ways_text


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0. Raises what a run would raise before it begins."""
    with opened_workspace(arguments) as workspace:
        found = dry_run(workspace, run_request(arguments))
        plan, explained = found.plan, explain_steps(workspace, found)
        for notice in workspace.project.notices:
            screen.event("notice", text=notice, about="")
            screen.say(f"note: {notice}")
    screen.event("plan", **plan_fields(plan))
    for each in explained:
        screen.event("explanation", **explanation_fields(each))
    ways = {str(each.step.dataset): ways_text(each.allowed) for each in explained}
    screen.table(PLAN_COLUMNS, [{**row, "ways": ways[row["dataset"]]} for row in plan_fields(plan)["steps"]])
    for each in explained:
        if each.allowed is not None and each.step.mode is not RefreshMode.SKIP:
            screen.say()
            screen.say(str(each.step.dataset), "bold")
            for line in explanation_lines(each)[1:]:  # the first is in the table
                screen.say(f"  {line}")
    due = sum(step.mode is not RefreshMode.SKIP for step in plan.steps)
    screen.say()
    if due:
        screen.say(f"{due} of {counted(len(plan.steps), 'dataset')} would be refreshed; 'lakehouse run' does it.")
    else:
        screen.say(f"Nothing to do: {counted(len(plan.steps), 'dataset')} up to date.")
    return 0
