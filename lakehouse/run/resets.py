"""Tables that a user wants rebuilt: a row in `system/resets` each, which holds until the table was fully refreshed.

Deleting a table instead would take it away from those who read a publication. A request is done when a full refresh of
the table that started after it stands, whether that made a new version or found the rows to be the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from lakehouse.errors import UsageError
from lakehouse.graph.selection import resolve_names
from lakehouse.names import TableName
from lakehouse.plan.refresh_plan import RefreshMode
from lakehouse.run.outcome import StepStatus
from lakehouse.run.workspace import Workspace
from lakehouse.storage.system_tables import SystemTable

_DONE = (StepStatus.REFRESHED.value, StepStatus.UNCHANGED.value)


def resettable(workspace: Workspace, texts: Iterable[str]) -> tuple[TableName, ...]:
    """The tables that these texts name. Raises UnknownName, and UsageError for a dataset that is not stored, or whose
    property `pipelines.reset.allowed` is false."""
    stored = {dataset.name: dataset for dataset in workspace.project.stored}
    names = tuple(dict.fromkeys(resolve_names(workspace.project, texts)))
    for name in names:
        where = workspace.project.by_name[name].location
        if name not in stored:
            raise UsageError(f"{name} is not a table of this project, so there is nothing to reset.", where=where)
        if dict(stored[name].layout.properties).get("pipelines.reset.allowed", "true").lower() == "false":
            raise UsageError(
                f"{name} may not be rebuilt: its property 'pipelines.reset.allowed' is false.", where=where
            )
    return names


def request_reset(workspace: Workspace, names: Iterable[TableName], now: datetime) -> None:
    """Records that the next run must rebuild these tables. Raises RunInProgress while a run holds the project."""
    project = workspace.project.spec.name
    with workspace.warehouse.hold("reset"):
        _requests(workspace).append([{"project": project, "dataset": str(name), "requested_at": now} for name in names])


def pending_resets(workspace: Workspace) -> frozenset[TableName]:
    """The declared tables that the next run must rebuild."""
    project = workspace.project.spec.name
    requested: dict[str, datetime] = {}
    for row in _requests(workspace).rows(filters=[("project", "=", project)]):
        requested[row["dataset"]] = max(row["requested_at"], requested.get(row["dataset"], row["requested_at"]))
    if not requested:
        return frozenset()
    rebuilt = workspace.warehouse.refreshes.rows(
        columns=["dataset", "started_at"],
        filters=[("project", "=", project), ("mode", "=", RefreshMode.FULL.value), ("status", "in", _DONE)],
    )
    done = {row["dataset"] for row in rebuilt if row["started_at"] >= requested.get(row["dataset"], row["started_at"])}
    return frozenset(
        dataset.name
        for dataset in workspace.project.stored
        if str(dataset.name) in requested and str(dataset.name) not in done
    )


def _requests(workspace: Workspace) -> SystemTable:
    return SystemTable(f"{workspace.project.spec.warehouse}/system", "resets")
