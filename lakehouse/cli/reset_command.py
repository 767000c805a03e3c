"""`lakehouse reset TABLE…`: the next run rebuilds these tables from scratch. Nothing that readers see changes now."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone

from lakehouse.cli.project_arguments import opened_workspace
from lakehouse.cli.screen import Screen
from lakehouse.errors import UsageError
from lakehouse.run.resets import request_reset, resettable
from lakehouse.serving.figures import counted


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0, also where the answer is no. Raises UnknownName, UsageError for what cannot be rebuilt or where
    there is no one to ask, RunInProgress."""
    with opened_workspace(arguments) as workspace:
        names = resettable(workspace, arguments.tables)
        if not arguments.yes and not _confirmed(", ".join(map(str, names)), screen):
            screen.say("Nothing was reset.")
            return 0
        request_reset(workspace, names, datetime.now(timezone.utc))
    for name in names:
        screen.event("reset", dataset=str(name))
    screen.say(f"The next run rebuilds {counted(len(names), 'table')}: {', '.join(map(str, names))}.")
    return 0


def _confirmed(names: str, screen: Screen) -> bool:
    if screen.as_json or not sys.stdin.isatty():
        raise UsageError("reset asks before it forgets, and there is no one to ask.", hint="Pass --yes.")
    answer = input(f"Rebuild {names} from scratch at the next run? [y/N] ")
    return answer.strip().lower() in ("y", "yes")
