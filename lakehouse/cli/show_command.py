"""`lakehouse show TABLE`: one dataset, as declared, as published, and how it got there."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from typing import Any

from lakehouse.cli.expectation_states import expectation_columns, expectation_states
from lakehouse.cli.history_command import refresh_columns
from lakehouse.cli.ls_command import state_fields
from lakehouse.cli.project_arguments import opened_workspace
from lakehouse.cli.screen import Column, Screen
from lakehouse.definition.dataset import (
    Dataset,
    MaterializedView,
    SqlQuery,
    StreamingTable,
    TemporaryView,
)
from lakehouse.run.quarantined_rows import summarize
from lakehouse.run.workspace import Workspace
from lakehouse.serving.figures import count, counted, few, size
from lakehouse.serving.run_history import refresh_rows
from lakehouse.serving.table_states import TableState, find_dataset, known_graph, table_states

_REFRESHES = 5
_COLUMNS = (
    Column(key="name", title="column"),
    Column(key="type", title="type", folds=True),
    Column(key="comment", title="comment", folds=True),
)


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0. Raises UnknownName for a dataset that is not declared."""
    with opened_workspace(arguments) as workspace:
        shown = _facts_of(workspace, find_dataset(workspace.project, arguments.table))
    screen.event("table", **shown)
    _headline(shown, screen)
    _facts(shown, screen)
    if shown["columns"]:
        screen.say()
        screen.table(_COLUMNS, shown["columns"])
    if shown["expectations"]:
        screen.say()
        screen.table(expectation_columns(shown["expectations"], datetime.now(timezone.utc)), shown["expectations"])
    if shown["refreshes"]:
        screen.say()
        screen.say("last refreshes", "bold")
        screen.table(refresh_columns(shown["refreshes"]), shown["refreshes"])
    return 0


def _facts_of(workspace: Workspace, dataset: Dataset) -> dict[str, Any]:
    state = table_states(workspace, [dataset.name])[0]
    graph = known_graph(workspace)
    aside = summarize(workspace, dataset.name, state.published.record) if state.published is not None else None
    return {
        **state_fields(state),
        **_contents_fields(state),
        **_declared_fields(dataset),
        "expectations": expectation_states(workspace, dataset),
        "rows_in_quarantine": aside.rows if aside is not None else 0,
        "location": None if isinstance(dataset, TemporaryView) else workspace.locate(dataset.name),
        "inputs": [str(name) for name in graph.inputs[dataset.name]],
        "readers": [str(name) for name in graph.outputs[dataset.name]],
        "refreshes": refresh_rows(workspace, str(dataset.name), _REFRESHES),
    }


def _headline(shown: dict[str, Any], screen: Screen) -> None:
    screen.say(f"{shown['dataset']}: {shown['kind']}, {shown['state']}", "bold")
    if shown["comment"]:
        screen.say(shown["comment"])
    if shown["last_status"] == "failed":
        screen.say(f"last refresh failed: {shown['error']}", "red")
    screen.say()


def _facts(shown: dict[str, Any], screen: Screen) -> None:
    version = shown["version"]
    lines = {
        "declared": f"{shown['file']}:{shown['line']}",
        "reads": few(shown["inputs"], 8) or few(shown["sources"], 8),
        "read by": few(shown["readers"], 8),
        "version": None if version is None else f"{version}{_beyond(shown)}",
        "rows": None if shown["rows"] is None else count(shown["rows"]),
        "quarantine": _quarantine_text(shown),
        "stored": None if shown["length"] is None else f"{size(shown['length'])} in {counted(shown['files'], 'file')}",
        "location": shown["location"],
        "tags": ", ".join(shown["tags"]),
        "refresh policy": shown["refresh_policy"],
        "primary key": ", ".join(shown["primary_key"]),
        "partitioned by": ", ".join(shown["partition_by"]),
        "clustered by": ", ".join(shown["cluster_by"]),
        "properties": ", ".join(f"{key}={value}" for key, value in shown["properties"].items()),
        "set aside": ", ".join(f"{file['path']} ({file['reason']})" for file in shown["files_aside"]),
    }
    width = max(len(title) for title, text in lines.items() if text)
    for title, text in lines.items():
        if text:
            screen.say(f"{title:<{width}}  {text}")


def _quarantine_text(shown: dict[str, Any]) -> str | None:
    rows = shown["rows_in_quarantine"]
    return f"{counted(rows, 'row')}; 'lakehouse quarantine show {shown['dataset']}' shows them" if rows else None


def _beyond(shown: dict[str, Any]) -> str:
    newest = shown["newest_version"]
    return f" (its newest, {newest}, is not published)" if newest is not None and newest > shown["version"] else ""


def _contents_fields(state: TableState) -> dict[str, Any]:
    contents = state.contents
    declared = getattr(state.dataset, "layout", None)
    declared_columns = declared.columns if declared else ()
    return {
        "columns": [
            {"name": column.name, "type": column.type, "nullable": column.nullable, "comment": column.comment}
            for column in (contents.columns if contents else declared_columns)
        ],
        "files": contents.files if contents else None,
        "length": contents.length if contents else None,
        "properties": dict(contents.properties) if contents else dict(declared.properties if declared else ()),
        "primary_key": list(declared.primary_key if declared else ()),
        "partition_by": list(declared.partition_by if declared else ()),
        "cluster_by": list(declared.cluster_by if declared else ()),
    }


def _declared_fields(dataset: Dataset) -> dict[str, Any]:
    query = dataset.query if isinstance(dataset, MaterializedView | TemporaryView) else None
    return {
        "refresh_policy": dataset.refresh_policy.value if isinstance(dataset, MaterializedView) else None,
        "query": query.text if isinstance(query, SqlQuery) else None,
        "sources": [flow.source.files for flow in dataset.flows] if isinstance(dataset, StreamingTable) else [],
    }
