"""Which ways to maintain a query its algebra allows, on algebra written by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lakehouse.names import TableName
from lakehouse.plan.algebra import AggregateCall, Attribute, EquiKey, NodeKind, PlanNode
from lakehouse.plan.maintenance import (
    Maintenance,
    Refusal,
    RefusalCode,
    Strategy,
    decimal_digits,
    derive_maintenance,
    is_algebraic,
    is_without_equality,
)

SALES = TableName("lab", "sales")


def source(number: int = 90, first: int = 1, value_type: str = "int") -> PlanNode:
    columns = (Attribute(first, "shop", "string"), Attribute(first + 1, "amount", value_type))
    return PlanNode(id=number, kind=NodeKind.SOURCE, name="LogicalRelation", output=columns, dataset=SALES)


def aggregate(*calls: AggregateCall, keys: tuple[int, ...] = (1,), inexact: tuple[int, ...] = ()) -> PlanNode:
    outputs = (*(Attribute(key, "shop", "string") for key in keys), Attribute(10, "total", "bigint"))
    return PlanNode(
        id=5,
        kind=NodeKind.AGGREGATE,
        name="Aggregate",
        output=outputs,
        children=(source(),),
        origins=({key: key for key in keys},),
        keys=keys,
        calls=calls,
        inexact=frozenset(inexact),
    )


def project(child: PlanNode, *kept: int, number: int = 1) -> PlanNode:
    output = tuple(attribute for attribute in child.output if attribute.id in kept)
    return PlanNode(
        id=number,
        kind=NodeKind.MAP,
        name="Project",
        output=output,
        children=(child,),
        origins=({each: each for each in kept},),
    )


def keep_where(child: PlanNode) -> PlanNode:
    own = {number: number for number in child.ids}
    return PlanNode(id=2, kind=NodeKind.FILTER, name="Filter", output=child.output, children=(child,), origins=(own,))


def ordered(child: PlanNode) -> PlanNode:
    return replace(keep_where(child), kind=NodeKind.MAP, name="Sort", id=3)


def first_rows(child: PlanNode) -> PlanNode:
    local = replace(keep_where(child), kind=NodeKind.LIMIT, name="LocalLimit", id=4)
    return replace(local, name="GlobalLimit", id=0, children=(local,))


SUM = AggregateCall(function="Sum", arguments=("int",))
SUM_OF_DOUBLES = AggregateCall(function="Sum", arguments=("double",))
PERCENTILE = AggregateCall(function="Percentile", arguments=("int", "double", "bigint"))


def found(root: PlanNode) -> Maintenance:
    made = derive_maintenance(root)
    assert isinstance(made, Maintenance), made
    return made


def refused(root: PlanNode) -> Refusal:
    made = derive_maintenance(root)
    assert isinstance(made, Refusal), made
    return made


def test_sums_by_group_are_maintained_from_state() -> None:
    made = found(keep_where(aggregate(SUM)))
    assert (made.strategy, made.key, made.is_unique) == (Strategy.STATE, ((1, 1),), True)


def test_a_sum_over_all_rows_is_one_class_with_state() -> None:
    made = found(aggregate(SUM, keys=()))
    assert (made.strategy, made.key, made.is_unique) == (Strategy.STATE, (), True)


def test_other_aggregates_are_recomputed_by_group_and_say_what_was_lacking() -> None:
    made = found(aggregate(PERCENTILE))
    assert (made.strategy, made.key) == (Strategy.CLASSES, ((1, 1),))
    assert [refusal.code for refusal in made.lacking] == [RefusalCode.OPERATOR]


def test_sums_of_doubles_are_recomputed_by_group() -> None:
    assert found(aggregate(SUM_OF_DOUBLES, inexact=(10,))).strategy is Strategy.CLASSES


def test_a_group_whose_key_the_view_does_not_show_is_changed_by_signed_rows() -> None:
    made = found(project(aggregate(SUM), 10))
    assert (made.strategy, made.key) == (Strategy.SIGNED, ())


def test_sums_of_doubles_without_their_key_cannot_be_told_apart() -> None:
    assert refused(project(aggregate(SUM_OF_DOUBLES, inexact=(10,)), 10)).code is RefusalCode.INEXACT


def test_nothing_may_be_joined_to_sums_of_doubles() -> None:
    inner = aggregate(SUM_OF_DOUBLES, inexact=(10,))
    other = source(91, first=20)
    join = PlanNode(
        id=6,
        kind=NodeKind.INNER_JOIN,
        name="Join",
        output=(*inner.output, *other.output),
        children=(inner, other),
        origins=({1: 1, 10: 10}, {20: 20, 21: 21}),
        equi=(EquiKey(1, 20),),
    )
    assert refused(join).code is RefusalCode.INEXACT
    exact = replace(join, children=(aggregate(SUM), other))
    assert found(exact).strategy is Strategy.SIGNED


def test_an_aggregate_over_all_rows_inside_a_query_has_no_key() -> None:
    inner = aggregate(SUM, keys=())
    union = PlanNode(
        id=7,
        kind=NodeKind.UNION,
        name="Union",
        output=inner.output,
        children=(inner, inner),
        origins=({10: 10}, {10: 10}),
    )
    assert refused(union).code is RefusalCode.NO_KEY


def test_the_first_rows_of_groups_are_chosen_from_state() -> None:
    made = found(first_rows(ordered(aggregate(SUM))))
    assert made.strategy is Strategy.STATE
    assert made.first is not None
    assert [node.name for node in made.above] == ["Sort"]


def test_the_first_rows_need_an_order_and_something_to_choose_from() -> None:
    assert refused(first_rows(aggregate(SUM))).code is RefusalCode.OPERATOR
    assert refused(first_rows(ordered(source()))).code is RefusalCode.NO_KEY


def test_a_limit_inside_a_query_is_refused() -> None:
    inside = first_rows(ordered(source()))
    outer = replace(aggregate(SUM), children=(inside,))
    assert refused(outer).code is RefusalCode.OPERATOR


def test_what_is_not_understood_is_refused_with_its_problem() -> None:
    opaque = PlanNode(id=9, kind=NodeKind.OPAQUE, name="Sample", output=source().output, problem="the operator Sample")
    assert refused(keep_where(opaque)) == Refusal(RefusalCode.OPERATOR, "the operator Sample")


def test_rows_with_maps_cannot_be_told_apart() -> None:
    assert refused(project(source(value_type="map<string,int>"), 1, 2)).code is RefusalCode.TYPE


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (SUM, True),
        (SUM_OF_DOUBLES, False),
        (AggregateCall(function="Sum", arguments=("decimal(28,2)",)), True),
        (AggregateCall(function="Sum", arguments=("decimal(38,2)",)), True),
        (AggregateCall(function="Average", arguments=("bigint",)), True),
        (AggregateCall(function="Count", arguments=("double",)), True),
        (AggregateCall(function="Count", arguments=("int",), is_distinct=True), False),
        (AggregateCall(function="Max", arguments=("double",)), True),
        (PERCENTILE, False),
    ],
)
def test_which_functions_follow_from_what_came_and_went(call: AggregateCall, expected: bool) -> None:
    assert is_algebraic(call) is expected


def test_types() -> None:
    assert (decimal_digits("decimal(12,2)"), decimal_digits("int")) == (12, 0)
    assert is_without_equality("array<map<string,int>>")
    assert not is_without_equality("struct<a:int>")
