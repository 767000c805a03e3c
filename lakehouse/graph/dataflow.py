"""The dataflow graph: which dataset reads which, and in what order they can be refreshed."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lakehouse.errors import CyclicGraph, SourceLocation
from lakehouse.names import TableName


@dataclass(frozen=True, slots=True)
class DataflowGraph:
    """`inputs` maps every dataset to what it reads directly; `order` puts every dataset after its inputs."""

    inputs: Mapping[TableName, tuple[TableName, ...]]
    order: tuple[TableName, ...]

    def ancestors(self, name: TableName, depth: int | None = None) -> frozenset[TableName]:
        """All datasets `name` is computed from, up to `depth` edges away."""
        return _reach(self.inputs, name, depth)

    def descendants(self, name: TableName, depth: int | None = None) -> frozenset[TableName]:
        """All datasets that are computed from `name`, up to `depth` edges away."""
        return _reach(self.outputs, name, depth)

    @property
    def outputs(self) -> Mapping[TableName, tuple[TableName, ...]]:
        """Every dataset with its direct readers, in refresh order."""
        readers: dict[TableName, list[TableName]] = {name: [] for name in self.inputs}
        for name in self.order:
            for read in self.inputs[name]:
                readers[read].append(name)
        return {name: tuple(found) for name, found in readers.items()}


def build_graph(
    inputs: Mapping[TableName, Iterable[TableName]],
    locations: Mapping[TableName, SourceLocation] | None = None,
) -> DataflowGraph:
    """The graph over `inputs`; among datasets that could go next, the one declared first goes first.

    Raises CyclicGraph, naming the circle.
    """
    declared = {name: position for position, name in enumerate(inputs)}
    edges = {name: tuple(dict.fromkeys(reads)) for name, reads in inputs.items()}
    sorter: graphlib.TopologicalSorter[TableName] = graphlib.TopologicalSorter(edges)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        circle = tuple(reversed(error.args[1]))  # graphlib lists predecessors first; people read reader -> read
        where = (locations or {}).get(circle[0])
        raise CyclicGraph(tuple(str(name) for name in circle), where=where) from None
    order: list[TableName] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=declared.__getitem__)
        order.extend(ready)
        sorter.done(*ready)
    return DataflowGraph(edges, tuple(order))


def judged_after(
    graph: DataflowGraph, references: Mapping[TableName, Iterable[TableName]]
) -> Mapping[TableName, tuple[TableName, ...]]:
    """Which tables each dataset waits for because its expectations look into them, beside those it reads.

    A reference that would close a circle is not waited for: that table is looked at as it is.
    """
    edges: dict[TableName, tuple[TableName, ...]] = dict(graph.inputs)
    waits: dict[TableName, tuple[TableName, ...]] = {}
    for name in graph.order:
        for table in dict.fromkeys(references.get(name, ())):
            if table != name and table in edges and name not in _reach(edges, table, None):
                edges[name] = (*edges[name], table)
                waits[name] = (*waits.get(name, ()), table)
    return waits


def _reach(
    edges: Mapping[TableName, tuple[TableName, ...]], start: TableName, depth: int | None
) -> frozenset[TableName]:
    reached: set[TableName] = set()
    frontier = {start}
    while frontier and depth != 0:
        frontier = {target for name in frontier for target in edges[name]} - reached - {start}
        reached |= frontier
        depth = None if depth is None else depth - 1
    return frozenset(reached)
