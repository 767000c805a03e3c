"""`lakehouse ls`: every dataset with its state."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from typing import Any

from lakehouse.cli.project_arguments import opened_workspace
from lakehouse.cli.screen import Column, Screen
from lakehouse.serving.figures import age, count, counted
from lakehouse.serving.kinds import kind_of
from lakehouse.serving.table_states import TableState, table_states


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0, whatever the states are."""
    with opened_workspace(arguments) as workspace:
        states = table_states(workspace)
    now = datetime.now(timezone.utc)
    for state in states:
        screen.event("dataset", **state_fields(state))
    columns = (
        Column(key="dataset", title="dataset"),
        Column(key="kind", title="kind", write=lambda kind: str(kind).removesuffix(" view").removesuffix(" table")),
        Column(key="state", title="state"),
        Column(key="rows", title="rows", write=count, right=True),
        Column(key="version", title="version", right=True),
        Column(key="refreshed_at", title="refreshed", write=lambda moment: age(moment, now)),
        Column(key="mode", title="mode", wide=True),
        Column(key="comment", title="comment", wide=True, folds=True),
    )
    screen.table(columns, [state_fields(state) for state in states])
    aside = [entry for state in states for entry in state.aside]
    if aside:
        screen.say()
        screen.say(f"{counted(len(aside), 'source file')} set aside:", "yellow")
        for entry in aside:
            screen.say(f"  {entry.dataset}: {entry.path}: {entry.reason or 'cannot be read'}")
    if not states:
        screen.say(f"{workspace.project.spec.name} declares no dataset.")
    return 0


def state_fields(state: TableState) -> dict[str, Any]:
    """A state as plain fields."""
    contents, last = state.contents, state.last
    return {
        "dataset": str(state.dataset.name),
        "layer": state.dataset.name.schema or None,
        "kind": kind_of(state.dataset),
        "state": state.state,
        "rows": contents.rows if contents else None,
        "version": state.version if state.version >= 0 else None,
        "newest_version": state.newest if state.newest >= 0 else None,
        "refreshed_at": last["ended_at"] if last else None,
        "last_status": last["status"] if last else None,
        "mode": last["mode"] if last else None,
        "error": last["error"] if last else None,
        "comment": state.dataset.comment,
        "tags": list(state.dataset.tags),
        "file": state.dataset.location.file,
        "line": state.dataset.location.line,
        "files_aside": [{"path": entry.path, "reason": entry.reason} for entry in state.aside],
    }
