"""`lakehouse dry-run`: prints the plan that `run` would execute. Nothing is written."""

from __future__ import annotations

import argparse

from lakehouse.cli.figures import counted
from lakehouse.cli.project_arguments import opened_workspace
from lakehouse.cli.run_command import run_request
from lakehouse.cli.run_events import plan_fields
from lakehouse.cli.run_text import PLAN_COLUMNS
from lakehouse.cli.screen import Screen
from lakehouse.plan.refresh_plan import RefreshMode
from lakehouse.run.pipeline import dry_run


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0. Raises what a run would raise before it begins."""
    with opened_workspace(arguments) as workspace:
        plan = dry_run(workspace, run_request(arguments)).plan
        for notice in workspace.project.notices:
            screen.event("notice", text=notice, about="")
            screen.say(f"note: {notice}")
    screen.event("plan", **plan_fields(plan))
    screen.table(PLAN_COLUMNS, plan_fields(plan)["steps"])
    due = sum(step.mode is not RefreshMode.SKIP for step in plan.steps)
    screen.say()
    if due:
        screen.say(f"{due} of {counted(len(plan.steps), 'dataset')} would be refreshed; 'lakehouse run' does it.")
    else:
        screen.say(f"Nothing to do: {counted(len(plan.steps), 'dataset')} up to date.")
    return 0
