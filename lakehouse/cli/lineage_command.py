"""`lakehouse lineage TABLE[.COLUMN]`: what it comes from and what it goes to, transitively."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from lakehouse.cli.column_edges import ColumnEdge, Node, column_edges
from lakehouse.cli.project_arguments import opened_workspace
from lakehouse.cli.screen import Screen
from lakehouse.cli.table_states import find_column, find_dataset, known_graph
from lakehouse.definition.dataset import Dataset, StreamingTable
from lakehouse.definition.project import Project
from lakehouse.errors import UnknownName
from lakehouse.names import TableName
from lakehouse.run.workspace import Workspace

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
    except UnknownName as unknown:
        table, _, column = text.rpartition(".")
        if not table:
            raise
        try:
            return find_dataset(project, table), column
        except UnknownName:
            raise unknown from None


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
        screen.say("  nothing that is declared")
    screen.say()
    screen.say(f"{dataset.name} goes to", "bold")
    _show_tree(screen, tree(dataset.name, lambda name: outputs[name]), {})
    if not outputs[dataset.name]:
        screen.say("  no other dataset")


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
    edges = column_edges(workspace)
    column = find_column(edges.columns(dataset.name), text, dataset.name)
    start = (dataset.name, column)
    upstream = list(tree(start, lambda node: tuple(edge.source for edge in edges.into(node))))
    downstream = list(tree(start, lambda node: tuple(edge.target for edge in edges.out_of(node))))
    shown = {start, *(branch.node for branch in (*upstream, *downstream))}
    among = [edge for edge in edges.all if edge.source in shown and edge.target in shown]
    _column_events(among, edges.conditions(dataset.name), dataset, screen)
    flowing = {node for edge in among if edge.kind == "value" for node in (edge.source, edge.target)}
    screen.say(f"{dataset.name}.{column} comes from", "bold")
    for branch in upstream:
        _show_branch(screen, branch, flowing)
    if not upstream:
        screen.say("  no column: a constant, or read from files")
    if rows_by := edges.conditions(dataset.name):
        screen.say()
        screen.say(f"which rows {dataset.name} has is decided by", "bold")
        for name, deciding in rows_by:
            screen.say(f"  {name}.{deciding}")
    screen.say()
    screen.say(f"{dataset.name}.{column} goes to", "bold")
    for branch in downstream:
        _show_branch(screen, branch, flowing)
    if not downstream:
        screen.say("  no other column")


def _column_events(edges: list[ColumnEdge], conditions: tuple[Node, ...], dataset: Dataset, screen: Screen) -> None:
    for edge in edges:
        screen.event(
            "column_edge",
            source_dataset=str(edge.source[0]),
            source_column=edge.source[1],
            dataset=str(edge.target[0]),
            column=edge.target[1],
            kind=edge.kind,
        )
    for name, column in conditions:
        screen.event("row_condition", dataset=str(dataset.name), source_dataset=str(name), source_column=column)


def _show_branch(screen: Screen, branch: Branch[Node], flowing: set[Node]) -> None:
    name, column = branch.node
    marks = ["  (decides, does not flow into it)"] if branch.node not in flowing else []
    marks += ["  (see above)"] if branch.again else []
    screen.say(f"{'  ' * branch.depth}{name}.{column}{''.join(marks)}")
