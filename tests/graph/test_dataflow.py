"""The dataflow graph: order, reach, circles."""

from __future__ import annotations

import itertools
import random

import pytest

from lakehouse.errors import CyclicGraph
from lakehouse.graph.dataflow import build_graph
from lakehouse.names import TableName


def name(text: str) -> TableName:
    return TableName("s", text)


A, B, C, D = map(name, "abcd")


def test_order_puts_inputs_first_and_keeps_declaration_order() -> None:
    graph = build_graph({D: (B, C), C: (A,), B: (A,), A: ()})
    assert graph.order == (A, C, B, D)


def test_reach_is_bounded_by_depth() -> None:
    graph = build_graph({A: (), B: (A,), C: (B,), D: (C,)})
    assert graph.ancestors(D) == {A, B, C}
    assert graph.ancestors(D, 1) == {C}
    assert graph.descendants(A, 2) == {B, C}
    assert graph.outputs[A] == (B,)


def test_a_circle_is_named_in_reading_order() -> None:
    with pytest.raises(CyclicGraph) as raised:
        build_graph({A: (B,), B: (C,), C: (A,), D: ()})
    path = raised.value.path
    assert path[0] == path[-1]
    assert set(path) == {"s.a", "s.b", "s.c"}
    edges = {("s.a", "s.b"), ("s.b", "s.c"), ("s.c", "s.a")}
    assert set(itertools.pairwise(path)) == edges


@pytest.mark.parametrize("seed", range(50))
def test_random_graphs_are_ordered(seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    names = [name(f"t{index}") for index in range(30)]
    edges = {
        target: tuple(chance.sample(names[:position], min(position, chance.randint(0, 3))))
        for position, target in enumerate(names)
    }
    shuffled = dict(chance.sample(list(edges.items()), len(edges)))
    order = build_graph(shuffled).order
    assert sorted(order) == sorted(names)
    assert all(order.index(read) < order.index(target) for target, reads in edges.items() for read in reads)
