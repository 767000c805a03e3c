"""Where published tables and columns come from and go to, as recorded when they were computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from lakehouse.errors import UnknownName
from lakehouse.names import TableName
from lakehouse.plan.records import Publication

ALL_ROWS = "*"


class Trace(NamedTuple):
    """One edge of a lineage: `source` flows into `target` (kind `value`), decides about it (`condition`), or is read
    by it (`table`). `direction` is `from` for what the asked-for object comes from, `to` for what comes from it;
    `distance` counts edges."""

    direction: str
    distance: int
    source: str
    target: str
    kind: str


class ColumnEdge(NamedTuple):
    """`source` and `target` are `schema.table.column`; the column `*` stands for which rows there are."""

    source: str
    target: str
    kind: str


def column_edges(publication: Publication, rows: Iterable[Mapping[str, Any]]) -> tuple[ColumnEdge, ...]:
    """The edges between columns of the published tables, from rows of `system/lineage`: of every table those of the
    definition that it was computed by."""
    made_by = {str(name): table.record.fingerprint for name, table in publication.tables.items()}
    found = {
        ColumnEdge(
            f"{row['source_dataset']}.{row['source_column']}",
            f"{row['dataset']}.{row['column_name']}",
            "value" if row["kind"] == "copy" else row["kind"],  # a copied value is a value
        )
        for row in rows
        if row["source_dataset"] is not None and made_by.get(row["dataset"]) == row["fingerprint"]
    }
    return tuple(sorted(found))


def table_edges(publication: Publication) -> tuple[ColumnEdge, ...]:
    """The edges between published tables: what each was computed from."""
    return tuple(
        ColumnEdge(read, str(name), "table")
        for name, table in sorted(publication.tables.items())
        for read in sorted(table.record.reads)
    )


def trace(start: str, edges: Iterable[ColumnEdge]) -> Iterator[Trace]:
    """All edges on the way to and from `start`, nearest first, each once."""
    edges = tuple(edges)
    yield from _walk("from", start, [(edge.target, edge.source, edge) for edge in edges])
    yield from _walk("to", start, [(edge.source, edge.target, edge) for edge in edges])


def _walk(direction: str, start: str, steps: list[tuple[str, str, ColumnEdge]]) -> Iterator[Trace]:
    onward: dict[str, list[tuple[str, ColumnEdge]]] = {}
    for near, far, edge in steps:
        onward.setdefault(near, []).append((far, edge))
    frontier, reached, distance = [start], {start}, 0
    while frontier:
        distance += 1
        following = []
        for near in frontier:
            for far, edge in onward.get(near, []):
                yield Trace(direction, distance, *edge)
                if far not in reached:
                    reached.add(far)
                    following.append(far)
        frontier = following


def find_column(table: TableName, text: str, columns: Iterable[str]) -> str:
    """The column of that name, whatever its case. Raises UnknownName with the nearest."""
    known = {column.lower(): column for column in columns}
    if text.lower() not in known:
        raise UnknownName(text, known.values(), what=f"column of {table}")
    return known[text.lower()]
