"""`lakehouse report`: one self-contained HTML file about the project: graph, runs, quality."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from pathlib import Path

from lakehouse.cli.project_arguments import opened_workspace
from lakehouse.cli.screen import Screen
from lakehouse.errors import UsageError
from lakehouse.serving.figures import counted, size
from lakehouse.serving.report_gathering import gather_report
from lakehouse.serving.report_page import render_report


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0, whatever the report says. Raises UsageError where the file cannot be written."""
    with opened_workspace(arguments) as workspace:
        report = gather_report(workspace, datetime.now(timezone.utc))
    page = render_report(report).encode()
    file = Path(arguments.output).expanduser()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(page)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}.", hint="Name another file with --output.") from None
    facts = {"tables": len(report.tables), "runs": len(report.runs), "expectations": len(report.expectations)}
    screen.event("report", path=str(file.resolve()), length=len(page), **facts)
    what = ", ".join(counted(number, name.removesuffix("s")) for name, number in facts.items())
    screen.say(f"Wrote {file} ({size(len(page))}): {what}.")
    return 0
