"""Past runs and refreshes as the system tables tell of them, newest first."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from typing import Any

from lakehouse.plan.refresh_plan import RefreshMode
from lakehouse.run.outcome import RowsChanged, RunStatus, StepStatus
from lakehouse.run.workspace import Workspace


def run_rows(workspace: Workspace, limit: int) -> list[dict[str, Any]]:
    """The newest runs, newest first: run, started_at, ended_at, seconds, status, publication, changed, rows, failed.

    A run has a row when it starts and one when it ends; one that died has the first only.
    """
    project = workspace.project.spec.name
    runs: dict[str, dict[str, Any]] = {}
    for row in workspace.warehouse.runs.rows(filters=[("project", "=", project)]):
        if row["run"] not in runs or row["status"] != RunStatus.RUNNING.value:
            runs[row["run"]] = row
    newest = sorted(runs.values(), key=lambda row: row["started_at"], reverse=True)[:limit]
    if not newest:
        return []
    done = workspace.warehouse.refreshes.rows(
        columns=["run", "dataset", "status", "rows_out", "started_at"],
        filters=[
            ("project", "=", project),
            ("status", "!=", StepStatus.SKIPPED.value),
            ("run", "in", [row["run"] for row in newest]),
        ],
    )
    refreshes: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(done, key=lambda row: row["started_at"]):
        refreshes.setdefault(row["run"], []).append(row)
    return [_run_fields(row, refreshes.get(row["run"], [])) for row in newest]


def refresh_rows(workspace: Workspace, dataset: str, limit: int) -> list[dict[str, Any]]:
    """The newest refreshes of one dataset, newest first, as in `system/refreshes`; `rows` are those that were written,
    if any were to be, `changed` those added, replaced and removed where it was not recomputed, `why` is the reason or
    the error, `lacking` what cheaper ways lacked, `expected` the seconds that each mode was expected to take. Runs that
    had nothing to do for it do not count."""
    rows = workspace.warehouse.refreshes.rows(
        filters=[
            ("project", "=", workspace.project.spec.name),
            ("dataset", "=", dataset),
            ("status", "!=", StepStatus.SKIPPED.value),
        ]
    )
    rows.sort(key=lambda row: row["started_at"], reverse=True)
    return [_refresh_fields(row) for row in rows[:limit]]


def _refresh_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    is_written = row["status"] == StepStatus.REFRESHED.value
    return {
        **row,
        "rows": row["rows_out"] if is_written else None,
        "changed": _changed(row) if is_written else None,
        "why": row["error"] or row["reason"],
        "lacking": json.loads(row["lacking"]) if row["lacking"] else [],
        "expected": json.loads(row["expected"]) if row["expected"] else {},
    }


def _changed(row: Mapping[str, Any]) -> str | None:
    # Runs of older versions did not count them.
    if row["mode"] == RefreshMode.FULL.value or row["rows_inserted"] is None:
        return None
    return str(RowsChanged(row["rows_inserted"], row["rows_updated"], row["rows_deleted"]))


def _run_fields(row: Mapping[str, Any], refreshes: list[dict[str, Any]]) -> dict[str, Any]:
    changed = [refresh for refresh in refreshes if refresh["status"] == StepStatus.REFRESHED.value]
    failed = [refresh["dataset"] for refresh in refreshes if refresh["status"] == StepStatus.FAILED.value]
    return {
        "run": row["run"],
        "started_at": row["started_at"],
        "ended_at": row["ended_at"],
        "seconds": row["seconds"],
        "status": _status(row),
        "publication": row["publication"],
        "changed": [refresh["dataset"] for refresh in changed],
        "failed": failed,
        "rows": sum(refresh["rows_out"] or 0 for refresh in changed),
        "version": row["version"],
    }


def _status(row: Mapping[str, Any]) -> str:
    """A run that never ended is still running, or its process is gone: on another machine that cannot be seen."""
    if row["status"] != RunStatus.RUNNING.value or row["host"] != socket.gethostname():
        return str(row["status"])
    try:
        os.kill(row["process"], 0)
    except ProcessLookupError:
        return "died"
    except PermissionError:  # it is there, and another user's
        return RunStatus.RUNNING.value
    return RunStatus.RUNNING.value
