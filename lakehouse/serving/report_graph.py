"""The drawing of a project's dataflow: layers from left to right, in each what is read before what reads it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from lakehouse.graph.dataflow import DataflowGraph
from lakehouse.names import TableName

_LAYERS = ("bronze", "silver", "gold")
_WIDTH, _HEIGHT = 168, 34  # of a box, in pixels
_GAP_ACROSS, _GAP_DOWN = 56, 14
_MARGIN, _HEADING = 8, 26
_SWEEPS = 4  # over the columns, to put boxes near those that they are connected to


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A dataset at its upper left corner."""

    name: TableName
    x: int
    y: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """What flows from one box to another: the two names, and an SVG path."""

    source: TableName
    target: TableName
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The name of a layer above the first of its columns."""

    text: str
    x: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphDrawing:
    """Boxes, arrows and headings in a plane of `width` and `height` pixels."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    headings: tuple[Heading, ...]
    width: int
    height: int
    box_width: int = _WIDTH
    box_height: int = _HEIGHT


@dataclass(frozen=True, slots=True)
class _Lane:
    """Where an arrow passes through a column between those of its ends."""

    source: TableName
    target: TableName
    column: int


_Place = TableName | _Lane


def draw_graph(graph: DataflowGraph) -> GraphDrawing:
    """The drawing of all datasets. Boxes come in reading order: by column, from top to bottom."""
    layers = layer_numbers(graph)
    columns = _columns(graph, layers)
    headings = [
        Heading(text=("sources", *_LAYERS)[layer], x=_left(next(group)[0]))
        for layer, group in groupby(enumerate(columns), key=lambda numbered: layers[numbered[1][0]])
    ]
    across = {name: number for number, column in enumerate(columns) for name in column}
    routes = [_route(read, name, across[read], across[name]) for name in graph.order for read in graph.inputs[name]]
    places: dict[_Place, tuple[int, int]] = {
        place: (_left(number), _MARGIN + _HEADING + down * (_HEIGHT + _GAP_DOWN))
        for number, column in enumerate(_ordered(columns, routes))
        for down, place in enumerate(column)
    }
    arrows = [
        Arrow(source=route[0], target=route[-1], path=_path([places[place] for place in route]))
        for route in routes
        if isinstance(route[0], TableName) and isinstance(route[-1], TableName)
    ]
    lowest = max((y for _, y in places.values()), default=_MARGIN + _HEADING - _HEIGHT)
    return GraphDrawing(
        boxes=tuple(Box(name=place, x=x, y=y) for place, (x, y) in places.items() if isinstance(place, TableName)),
        arrows=tuple(arrows),
        headings=tuple(headings),
        width=_left(len(columns)) - (_GAP_ACROSS if columns else 0) + _MARGIN,
        height=lowest + _HEIGHT + _MARGIN,
    )


def layer_numbers(graph: DataflowGraph) -> dict[TableName, int]:
    """The layer of every dataset: 1 bronze, 2 silver, 3 gold; what has another schema, or none, is in the highest
    layer that it reads, 0 if it reads nothing."""
    layers: dict[TableName, int] = {}
    for name in graph.order:
        if name.schema in _LAYERS:
            layers[name] = _LAYERS.index(name.schema) + 1
        else:
            layers[name] = max((layers[read] for read in graph.inputs[name]), default=0)
    return layers


def _columns(graph: DataflowGraph, layers: Mapping[TableName, int]) -> list[list[TableName]]:
    """The datasets by column: by layer, in it by the longest path from where the layer begins."""
    depths: dict[TableName, int] = {}
    for name in graph.order:
        inside = [depths[read] + 1 for read in graph.inputs[name] if layers[read] == layers[name]]
        depths[name] = max(inside, default=0)
    ranked = sorted(graph.order, key=lambda name: (layers[name], depths[name]))
    return [list(group) for _, group in groupby(ranked, key=lambda name: (layers[name], depths[name]))]


def _route(source: TableName, target: TableName, start: int, end: int) -> tuple[_Place, ...]:
    """The places that an arrow goes through. One that goes back to an earlier column goes straight."""
    return (source, *(_Lane(source, target, column) for column in range(start + 1, end)), target)


def _ordered(columns: Sequence[Sequence[TableName]], routes: Sequence[Sequence[_Place]]) -> list[list[_Place]]:
    """The columns with few crossings: each place near the middle of its neighbours, swept right and left in turn
    (Sugiyama, Tagawa and Toda, 1981)."""
    ordered: list[list[_Place]] = [list(column) for column in columns]
    before: dict[_Place, list[_Place]] = defaultdict(list)
    after: dict[_Place, list[_Place]] = defaultdict(list)
    for route in routes:
        for place in route:
            if isinstance(place, _Lane):
                ordered[place.column].append(place)
        for near, far in pairwise(route):
            before[far].append(near)
            after[near].append(far)
    for sweep in range(_SWEEPS):
        onward = sweep % 2 == 0
        neighbours = before if onward else after
        heights = {place: float(down) for column in ordered for down, place in enumerate(column)}
        for column in ordered if onward else reversed(ordered):
            middles = {
                place: _middle([heights[near] for near in neighbours[place]], heights[place]) for place in column
            }
            column.sort(key=middles.__getitem__)
            heights |= {place: float(down) for down, place in enumerate(column)}
    return ordered


def _middle(heights: Sequence[float], own: float) -> float:
    return sum(heights) / len(heights) if heights else own


def _left(column: int) -> int:
    return _MARGIN + column * (_WIDTH + _GAP_ACROSS)


def _path(corners: Sequence[tuple[int, int]]) -> str:
    """From the right side of the first box, straight through the lanes, to the left side of the last one."""
    (x, y), *further = corners
    path = f"M{x + _WIDTH} {y + _HEIGHT // 2}"
    for position, (next_x, next_y) in enumerate(further):
        start_x, start_y = x + _WIDTH, y + _HEIGHT // 2
        end_y = next_y + _HEIGHT // 2
        bend = max((next_x - start_x) // 2, _GAP_ACROSS // 2)
        path += f"C{start_x + bend} {start_y} {next_x - bend} {end_y} {next_x} {end_y}"
        path += f"H{next_x + _WIDTH}" if position < len(further) - 1 else ""
        x, y = next_x, next_y
    return path
