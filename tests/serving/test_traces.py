from __future__ import annotations

import pytest

from lakehouse.errors import UnknownName
from lakehouse.names import TableName
from lakehouse.serving.traces import ColumnEdge, Trace, find_column, trace


def edges(*pairs: str) -> list[ColumnEdge]:
    """`a>b`: a flows into b."""
    return [ColumnEdge(*pair.split(">"), "value") for pair in pairs]


def test_every_edge_on_the_way_is_told_once_nearest_first() -> None:
    diamond = edges("a>b", "a>c", "b>d", "c>d", "d>e", "x>y")
    assert list(trace("d", diamond)) == [
        Trace("from", 1, "b", "d", "value"),
        Trace("from", 1, "c", "d", "value"),
        Trace("from", 2, "a", "b", "value"),
        Trace("from", 2, "a", "c", "value"),
        Trace("to", 1, "d", "e", "value"),
    ]


def test_a_table_that_reads_itself_ends() -> None:
    assert [(step.direction, step.source, step.target) for step in trace("a", edges("a>a", "b>a"))] == [
        ("from", "a", "a"),
        ("from", "b", "a"),
        ("to", "a", "a"),
    ]


def test_nothing_is_known_of_it() -> None:
    assert list(trace("z", edges("a>b"))) == []


def test_columns_are_found_whatever_their_case() -> None:
    table = TableName("gold", "t")
    assert find_column(table, "ORDER_id", ["Order_ID", "amount"]) == "Order_ID"
    with pytest.raises(UnknownName) as caught:
        find_column(table, "amont", ["Order_ID", "amount"])
    assert caught.value.nearest == "amount"
