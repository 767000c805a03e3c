"""Column lineage as recorded in `system/lineage`, for the definitions that the published tables were made by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lakehouse.names import TableName
from lakehouse.run.workspace import Workspace
from lakehouse.storage.table_contents import read_contents

WHOLE_ROWS = "*"
Node = tuple[TableName, str]


@dataclass(frozen=True, slots=True)
class ColumnEdge:
    """One column flows into another (kind "value"), or decides about it (kind "condition")."""

    source: Node
    target: Node
    kind: str


class ColumnEdges:
    """The columns and edges of a project, from rows of `system/lineage` and the columns of its published tables."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], columns: Mapping[TableName, tuple[str, ...]]) -> None:
        self._columns = {name: list(found) for name, found in columns.items()}
        found: dict[ColumnEdge, None] = {}
        for row in rows:
            target = (_name(row["dataset"]), row["column_name"])
            if target[1] != WHOLE_ROWS:
                self._add(target)
            if row["source_dataset"] is not None:
                source = (_name(row["source_dataset"]), row["source_column"])
                self._add(source)
                found[ColumnEdge(source, target, row["kind"])] = None
        self.all = tuple(edge for edge in found if edge.target[1] != WHOLE_ROWS)
        self._row_conditions = tuple(edge for edge in found if edge.target[1] == WHOLE_ROWS)
        self._into: dict[Node, list[ColumnEdge]] = {}
        self._out_of: dict[Node, list[ColumnEdge]] = {}
        for edge in self.all:
            self._into.setdefault(edge.target, []).append(edge)
            self._out_of.setdefault(edge.source, []).append(edge)

    def columns(self, name: TableName) -> tuple[str, ...]:
        """The columns of a dataset, as far as they are known."""
        return tuple(self._columns.get(name, ()))

    def into(self, node: Node) -> tuple[ColumnEdge, ...]:
        """What a column is computed from."""
        return tuple(self._into.get(node, ()))

    def out_of(self, node: Node) -> tuple[ColumnEdge, ...]:
        """What is computed from a column."""
        return tuple(self._out_of.get(node, ()))

    def conditions(self, name: TableName) -> tuple[Node, ...]:
        """The columns that decide which rows a dataset has."""
        return tuple(edge.source for edge in self._row_conditions if edge.target[0] == name)

    def _add(self, node: Node) -> None:
        known = self._columns.setdefault(node[0], [])
        if node[1] not in known:
            known.append(node[1])


def column_edges(workspace: Workspace) -> ColumnEdges:
    """The column lineage of the published tables, each by the definition that made it."""
    publication = workspace.warehouse.latest_publication()
    published = dict(publication.tables) if publication else {}
    made_by = {str(name): table.record.fingerprint for name, table in published.items()}
    rows = workspace.warehouse.lineage.rows(filters=[("project", "=", workspace.project.spec.name)])
    columns: dict[TableName, tuple[str, ...]] = {}
    for name, table in published.items():
        contents = read_contents(workspace.locate(name), table.version)
        columns[name] = tuple(column.name for column in contents.columns) if contents else ()
    return ColumnEdges([row for row in rows if made_by.get(row["dataset"]) == row["fingerprint"]], columns)


def _name(text: str) -> TableName:
    schema, _, name = text.rpartition(".")
    return TableName(schema, name)
