"""What a query allows, where its key comes from, and which of its values are exact: over small plans."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lakehouse.names import TableName
from lakehouse.plan.algebra import AggregateCall, Attribute, EquiKey, NodeKind, PlanNode
from lakehouse.plan.exactness import exactness
from lakehouse.plan.explanation import KeyColumn, allowed_ways, column_sources
from lakehouse.plan.maintenance import RefusalCode
from lakehouse.plan.refresh_plan import RefreshMode

SOURCE = PlanNode(
    id=3,
    kind=NodeKind.SOURCE,
    name="Relation",
    output=(Attribute(1, "day", "date"), Attribute(2, "price", "bigint"), Attribute(3, "weight", "double")),
    dataset=TableName("silver", "orders"),
)
MONTHS = PlanNode(
    id=2,
    kind=NodeKind.MAP,
    name="Project",
    output=(Attribute(4, "month", "int"), Attribute(2, "price", "bigint"), Attribute(3, "weight", "double")),
    children=(SOURCE,),
    origins=({2: 2, 3: 3},),
    uses={4: frozenset({1}), 2: frozenset({2}), 3: frozenset({3})},
)


def grouped(child: PlanNode, key: int, value: int, call: AggregateCall, *, is_exact: bool = True) -> PlanNode:
    return PlanNode(
        id=1,
        kind=NodeKind.AGGREGATE,
        name="Aggregate",
        output=(Attribute(key, "month", "int"), Attribute(9, "total", "bigint")),
        children=(child,),
        origins=({key: key},),
        uses={key: frozenset({key}), 9: frozenset({value})},
        keys=(key,),
        calls=(call,),
        inexact=frozenset() if is_exact else frozenset({9}),
        text="Aggregate [month]",
    )


SUM = AggregateCall(function="Sum", arguments=("bigint",), text="sum(price)")
DISTINCT = AggregateCall(function="Count", arguments=("bigint",), is_distinct=True, text="count(DISTINCT price)")
FLOATS = grouped(MONTHS, 4, 3, AggregateCall(function="Sum", arguments=("double",), text="sum(weight)"), is_exact=False)


def over(child: PlanNode, kind: NodeKind, **details: Any) -> PlanNode:
    same = {number: number for number in child.ids}
    made = PlanNode(
        id=0,
        kind=kind,
        name=kind.value,
        output=child.output,
        children=(child,),
        origins=(same,),
        uses={number: frozenset({number}) for number in same},
        text=kind.value,
    )
    return replace(made, **details)


def test_rows_one_by_one_may_be_appended() -> None:
    found = allowed_ways(MONTHS, ["month", "price", "weight"])
    assert (found.modes, found.key, found.lacking) == ((RefreshMode.APPEND, RefreshMode.KEYS), (), ())


def test_an_aggregate_tells_its_key_by_the_name_it_has_in_the_result() -> None:
    found = allowed_ways(grouped(MONTHS, 4, 2, SUM), ["m", "t"])
    assert found.modes == (RefreshMode.AGGREGATE,)
    assert found.key == (KeyColumn("m", ("silver.orders.day",)),)
    assert found.is_unique
    assert [refusal.code for refusal in found.lacking] == [RefusalCode.NOT_MONOTONE]


def test_what_the_cheaper_ways_lacked_names_the_expression() -> None:
    found = allowed_ways(grouped(MONTHS, 4, 2, DISTINCT), ["m", "t"])
    assert found.modes == (RefreshMode.KEYS,)
    assert [refusal.code for refusal in found.lacking] == [RefusalCode.NOT_MONOTONE, RefusalCode.OPERATOR]
    assert "count(DISTINCT price)" in found.lacking[1].text


def test_a_refusal_leaves_no_way() -> None:
    found = allowed_ways(over(FLOATS, NodeKind.AGGREGATE, keys=(9,)), ["m", "t"])
    assert found.modes == ()
    assert found.refusal is not None
    assert found.refusal.code is RefusalCode.INEXACT


def test_rows_without_equality_can_still_be_added() -> None:
    tagged = over(SOURCE, NodeKind.FILTER, output=(Attribute(1, "tags", "map<string,int>"),))
    found = allowed_ways(tagged, ["tags"])
    assert found.modes == (RefreshMode.APPEND,)
    assert found.refusal is not None
    assert found.refusal.code is RefusalCode.TYPE


def test_an_expression_that_varies_leaves_no_way() -> None:
    found = allowed_ways(MONTHS, ["month", "price", "weight"], ["rand"])
    assert found.modes == ()
    assert found.refusal is not None
    assert found.refusal.code is RefusalCode.NOT_DETERMINISTIC


def test_a_column_of_a_union_comes_from_every_branch() -> None:
    other = replace(SOURCE, id=7, output=(Attribute(21, "on", "date"),), dataset=TableName("silver", "returns"))
    union = PlanNode(
        id=0,
        kind=NodeKind.UNION,
        name="Union",
        output=(Attribute(30, "day", "date"),),
        children=(SOURCE, other),
        origins=({30: 1}, {30: 21}),
        uses={30: frozenset({1, 21})},
    )
    assert column_sources(union, 30) == ("silver.orders.day", "silver.returns.on")


def test_sums_of_doubles_are_inexact_and_what_comes_from_them() -> None:
    assert exactness(MONTHS).inexact == frozenset()
    assert exactness(FLOATS).inexact == {9}
    halved = over(FLOATS, NodeKind.MAP, output=(Attribute(40, "half", "double"),), uses={40: frozenset({9})})
    assert exactness(halved).inexact == {40}
    assert exactness(halved).problem is None


@pytest.mark.parametrize(
    "root",
    [
        over(FLOATS, NodeKind.FILTER, decides=frozenset({9})),
        over(FLOATS, NodeKind.AGGREGATE, keys=(9,)),
        over(FLOATS, NodeKind.WINDOW, keys=(9,)),
        over(FLOATS, NodeKind.INNER_JOIN, children=(FLOATS, SOURCE), equi=(EquiKey(9, 3),)),
        over(over(MONTHS, NodeKind.LIMIT), NodeKind.MAP),
        over(MONTHS, NodeKind.OPAQUE, problem="the operator Unheard"),
    ],
)
def test_rows_that_the_inputs_do_not_decide(root: PlanNode) -> None:
    assert exactness(root).problem is not None


def test_a_filter_on_something_else_leaves_the_rest_comparable() -> None:
    found = exactness(over(FLOATS, NodeKind.FILTER, decides=frozenset({4})))
    assert (found.inexact, found.problem) == ({9}, None)
