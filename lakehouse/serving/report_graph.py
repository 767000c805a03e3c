"""The drawing of a project's dataflow: layers from left to right, in each what is read before what reads it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

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


def draw_graph(graph: DataflowGraph) -> GraphDrawing:
    """The drawing of all datasets. Boxes come in reading order: by column, from top to bottom."""
    layers = layer_numbers(graph)
    columns = _ordered(_columns(graph, layers), graph)
    places = {
        name: (_MARGIN + across * (_WIDTH + _GAP_ACROSS), _MARGIN + _HEADING + down * (_HEIGHT + _GAP_DOWN))
        for across, column in enumerate(columns)
        for down, name in enumerate(column)
    }
    headings = [
        Heading(text=_heading(layer), x=_MARGIN + next(group)[0] * (_WIDTH + _GAP_ACROSS))
        for layer, group in groupby(enumerate(columns), key=lambda numbered: layers[numbered[1][0]])
    ]
    arrows = [
        Arrow(source=read, target=name, path=_path(places[read], places[name]))
        for name in graph.order
        for read in graph.inputs[name]
    ]
    tallest = max((len(column) for column in columns), default=0)
    return GraphDrawing(
        boxes=tuple(Box(name=name, x=x, y=y) for name, (x, y) in places.items()),
        arrows=tuple(arrows),
        headings=tuple(headings),
        width=2 * _MARGIN + len(columns) * (_WIDTH + _GAP_ACROSS) - (_GAP_ACROSS if columns else 0),
        height=2 * _MARGIN + _HEADING + tallest * (_HEIGHT + _GAP_DOWN) - (_GAP_DOWN if columns else 0),
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


def _ordered(columns: Sequence[list[TableName]], graph: DataflowGraph) -> list[list[TableName]]:
    """The columns with few crossings: each box near the middle of its neighbours, swept right and left in turn
    (Sugiyama, Tagawa and Toda, 1981)."""
    ordered = [list(column) for column in columns]
    outputs = graph.outputs
    for sweep in range(_SWEEPS):
        near = graph.inputs if sweep % 2 == 0 else outputs
        place = {name: down / max(len(column), 1) for column in ordered for down, name in enumerate(column)}
        for column in ordered if sweep % 2 == 0 else reversed(ordered):
            middles = {name: _middle([place[other] for other in near[name]], place[name]) for name in column}
            column.sort(key=middles.__getitem__)
            place |= {name: down / max(len(column), 1) for down, name in enumerate(column)}
    return ordered


def _middle(places: Sequence[float], own: float) -> float:
    return sum(places) / len(places) if places else own


def _path(source: tuple[int, int], target: tuple[int, int]) -> str:
    (left, top), (right, bottom) = source, target
    start_x, start_y = left + _WIDTH, top + _HEIGHT // 2
    end_x, end_y = right, bottom + _HEIGHT // 2
    bend = max((end_x - start_x) // 2, _GAP_ACROSS // 2)
    return f"M{start_x} {start_y}C{start_x + bend} {start_y} {end_x - bend} {end_y} {end_x} {end_y}"


def _heading(layer: int) -> str:
    return ("sources", *_LAYERS)[layer]
