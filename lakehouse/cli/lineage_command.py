"""`lakehouse lineage TABLE[.COLUMN]`: what it comes from and what it goes to, transitively."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from lakehouse.cli.project_arguments import opened_workspace
from lakehouse.cli.screen import Screen
from lakehouse.definition.dataset import Dataset, PythonQuery, StreamingTable
from lakehouse.definition.project import Project
from lakehouse.errors import DefinitionError, UnknownName, UsageError
from lakehouse.names import TableName
from lakehouse.run.workspace import Workspace
from lakehouse.serving.table_states import find_dataset, is_recorded, known_graph
from lakehouse.serving.traces import ALL_ROWS, ColumnEdge, column_edges, find_column, trace
from lakehouse.storage.table_contents import read_contents

_Node = TypeVar("_Node")


@dataclass(frozen=True, slots=True)
class Branch(Generic[_Node]):
    """A node of a tree as it is shown; `again` where its own branches were shown before."""

    node: _Node
    depth: int
    again: bool


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0. Raises UnknownName for what does not exist."""
    with opened_workspace(arguments) as workspace:
        dataset, column = find_table_or_column(workspace.project, arguments.name)
        if column is None:
            _show_table(workspace, dataset, screen)
        else:
            _show_column(workspace, dataset, column, screen)
    return 0


def find_table_or_column(project: Project, text: str) -> tuple[Dataset, str | None]:
    """The dataset, and the text of the column if `text` names one. Raises UnknownName with the nearest dataset."""
    try:
        return find_dataset(project, text), None
    except DefinitionError as first:
        table, _, column = text.rpartition(".")
        if not table:
            raise
        try:
            return find_dataset(project, table), column
        except DefinitionError as second:
            raise (first if isinstance(first, UnknownName) else second) from None


def tree(start: _Node, branches: Callable[[_Node], tuple[_Node, ...]]) -> Iterator[Branch[_Node]]:
    """Everything reachable from `start`, depth first, without `start` itself; each node branches once."""
    shown: set[_Node] = set()
    waiting = [(node, 1) for node in reversed(branches(start))]
    while waiting:
        node, depth = waiting.pop()
        further = branches(node)
        yield Branch(node, depth, again=node in shown and bool(further))
        if node not in shown:
            shown.add(node)
            waiting.extend((below, depth + 1) for below in reversed(further))


def _show_table(workspace: Workspace, dataset: Dataset, screen: Screen) -> None:
    graph = known_graph(workspace)
    outputs = graph.outputs
    related = graph.ancestors(dataset.name) | graph.descendants(dataset.name) | {dataset.name}
    for name in graph.order:
        for read in graph.inputs[name]:
            if name in related and read in related:
                screen.event("edge", source=str(read), target=str(name))
    sources = _files(workspace.project)
    screen.say(f"{dataset.name} comes from", "bold")
    _show_tree(screen, tree(dataset.name, lambda name: graph.inputs[name]), sources)
    for files in sources.get(dataset.name, ()):
        screen.say(f"  {files}", "dim")
    if not graph.inputs[dataset.name] and dataset.name not in sources:
        screen.say("  " + _why_nothing(workspace, dataset))
    screen.say()
    screen.say(f"{dataset.name} goes to", "bold")
    _show_tree(screen, tree(dataset.name, lambda name: outputs[name]), {})
    if not outputs[dataset.name]:
        screen.say("  no other dataset")


def _why_nothing(workspace: Workspace, dataset: Dataset) -> str:
    if isinstance(getattr(dataset, "query", None), PythonQuery) and not is_recorded(workspace, dataset):
        return "not known before a run: what a Python query reads, only Spark can tell"
    return "nothing that is declared"


def _show_tree(screen: Screen, found: Iterator[Branch[TableName]], sources: dict[TableName, tuple[str, ...]]) -> None:
    for branch in found:
        indent = "  " * branch.depth
        screen.say(f"{indent}{branch.node}" + ("  (see above)" if branch.again else ""))
        for files in sources.get(branch.node, ()):
            screen.say(f"{indent}  {files}", "dim")


def _files(project: Project) -> dict[TableName, tuple[str, ...]]:
    return {
        dataset.name: tuple(flow.source.files for flow in dataset.flows)
        for dataset in project.datasets
        if isinstance(dataset, StreamingTable)
    }


def _show_column(workspace: Workspace, dataset: Dataset, text: str, screen: Screen) -> None:
    column, edges = _column_and_edges(workspace, dataset, text)
    start, every_row = f"{dataset.name}.{column}", f"{dataset.name}.{ALL_ROWS}"
    conditions = [edge.source for edge in edges if edge.target == every_row]
    traced = list(trace(start, [edge for edge in edges if not edge.target.endswith(f".{ALL_ROWS}")]))
    for found in traced:
        screen.event("column_edge", **found._asdict())
    for source in conditions:
        screen.event("row_condition", dataset=str(dataset.name), source=source)
    flowing = {node for found in traced if found.kind == "value" for node in (found.source, found.target)}
    screen.say(f"{start} comes from", "bold")
    if not _show_columns(screen, start, [(t.target, t.source) for t in traced if t.direction == "from"], flowing):
        screen.say("  no other column: a constant, or read from files")
    if conditions:
        screen.say()
        screen.say(f"which rows {dataset.name} has is decided by", "bold")
        for source in conditions:
            screen.say(f"  {source}")
    screen.say()
    screen.say(f"{start} goes to", "bold")
    if not _show_columns(screen, start, [(t.source, t.target) for t in traced if t.direction == "to"], flowing):
        screen.say("  no other column")


def _column_and_edges(workspace: Workspace, dataset: Dataset, text: str) -> tuple[str, tuple[ColumnEdge, ...]]:
    """The column's own spelling, and what is recorded of all columns."""
    publication = workspace.warehouse.latest_publication()
    if publication is None or dataset.name not in publication.tables:
        raise UsageError(
            f"{dataset.name} is not published, so where its columns come from is not recorded.",
            hint="'lakehouse run' records it.",
        )
    version = publication.tables[dataset.name].version
    contents = read_contents(workspace.locate(dataset.name), version)
    column = find_column(dataset.name, text, [stored.name for stored in contents.columns] if contents else [])
    rows = workspace.warehouse.lineage.rows(filters=[("project", "=", workspace.project.spec.name)])
    return column, column_edges(publication, rows)


def _show_columns(screen: Screen, start: str, steps: list[tuple[str, str]], flowing: set[str]) -> bool:
    """The tree of columns reached by these steps; whether there is any."""
    onward: dict[str, list[str]] = {}
    for near, far in steps:
        onward.setdefault(near, []).append(far)
    for branch in tree(start, lambda node: tuple(onward.get(node, ()))):
        marks = "" if branch.node in flowing else "  (decides, does not flow)"
        marks += "  (see above)" if branch.again else ""
        screen.say(f"{'  ' * branch.depth}{branch.node}{marks}")
    return bool(steps)
