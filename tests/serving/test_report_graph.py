"""The drawing of the dataflow: layers from left to right, nothing on top of anything, arrows clear of boxes."""

from __future__ import annotations

import random
import re

import pytest

from lakehouse.graph.dataflow import DataflowGraph, build_graph
from lakehouse.names import TableName
from lakehouse.serving.report_graph import draw_graph, layer_numbers


def graph_of(edges: dict[str, list[str]]) -> DataflowGraph:
    def name(text: str) -> TableName:
        schema, _, bare = text.rpartition(".")
        return TableName(schema, bare)

    return build_graph({name(text): [name(read) for read in reads] for text, reads in edges.items()})


def random_graph(seed: int) -> DataflowGraph:
    choose = random.Random(seed)
    print(f"seed {seed}")
    names = [
        f"{choose.choice(['bronze', 'silver', 'gold', 'other', ''])}.t{number}".lstrip(".") for number in range(30)
    ]
    return graph_of(
        {name: choose.sample(names[:place], min(place, choose.randint(0, 3))) for place, name in enumerate(names)}
    )


def test_layers_and_headings() -> None:
    edges = {
        "raw.a": [],
        "bronze.a": ["raw.a"],
        "v": ["bronze.a"],
        "silver.a": ["v"],
        "other.x": ["silver.a"],
        "gold.a": [],
    }
    graph = graph_of(edges)
    assert {str(name): number for name, number in layer_numbers(graph).items()} == {
        "raw.a": 0,
        "bronze.a": 1,
        "v": 1,
        "silver.a": 2,
        "other.x": 2,
        "gold.a": 3,
    }
    drawing = draw_graph(graph)
    assert [heading.text for heading in drawing.headings] == ["sources", "bronze", "silver", "gold"]
    lefts = {str(box.name): box.x for box in drawing.boxes}
    assert lefts["raw.a"] < lefts["bronze.a"] < lefts["v"] < lefts["silver.a"] < lefts["other.x"] < lefts["gold.a"]


def test_nothing_to_draw() -> None:
    drawing = draw_graph(graph_of({}))
    assert (drawing.boxes, drawing.arrows, drawing.headings) == ((), (), ())
    assert drawing.width > 0
    assert drawing.height > 0


@pytest.mark.parametrize("seed", range(12))
def test_boxes_lie_apart_and_inside(seed: int) -> None:
    drawing = draw_graph(random_graph(seed))
    places = [(box.x, box.y) for box in drawing.boxes]
    assert len(places) == 30
    for place, (x, y) in enumerate(places):
        assert 0 <= x <= drawing.width - drawing.box_width
        assert 0 <= y <= drawing.height - drawing.box_height
        for other_x, other_y in places[:place]:
            assert abs(x - other_x) >= drawing.box_width or abs(y - other_y) >= drawing.box_height


@pytest.mark.parametrize("seed", range(12))
def test_arrows_that_go_on_cross_no_box(seed: int) -> None:
    graph = random_graph(seed)
    drawing = draw_graph(graph)
    assert {(arrow.source, arrow.target) for arrow in drawing.arrows} == {
        (read, name) for name, reads in graph.inputs.items() for read in reads
    }
    boxes = {box.name: box for box in drawing.boxes}
    for arrow in drawing.arrows:
        if boxes[arrow.source].x >= boxes[arrow.target].x:
            continue
        # Between two columns it bends, through a column it runs straight at one height.
        straight = re.findall(r"(\d+) (\d+)H(\d+)", arrow.path)
        assert len(straight) == arrow.path.count("C") - 1
        for start, height, end in straight:
            for box in drawing.boxes:
                is_beside = box.x >= int(end) or box.x + drawing.box_width <= int(start)
                assert is_beside or not box.y <= int(height) <= box.y + drawing.box_height, (arrow, box)


def test_neighbours_stand_side_by_side() -> None:
    edges = {f"bronze.t{n}": [] for n in range(6)} | {f"silver.t{n}": [f"bronze.t{5 - n}"] for n in range(6)}
    drawing = draw_graph(graph_of(edges))
    heights = {str(box.name): box.y for box in drawing.boxes}
    assert all(heights[f"silver.t{n}"] == heights[f"bronze.t{5 - n}"] for n in range(6))
