"""What a query's algebra tells of itself, on algebra written by hand."""

from __future__ import annotations

from dataclasses import replace

from lakehouse.names import TableName
from lakehouse.plan.algebra import Attribute, EquiKey, NodeKind, PlanNode, used_attributes

SALES, SHOPS = TableName("lab", "sales"), TableName("lab", "shops")


def source(name: TableName, *ids: int) -> PlanNode:
    columns = tuple(Attribute(number, f"c{number}", "int") for number in ids)
    return PlanNode(id=ids[0], kind=NodeKind.SOURCE, name="LogicalRelation", output=columns, dataset=name)


def project(child: PlanNode, uses: dict[int, frozenset[int]]) -> PlanNode:
    columns = tuple(Attribute(number, f"c{number}", "int") for number in uses)
    return PlanNode(id=90, kind=NodeKind.MAP, name="Project", output=columns, children=(child,), uses=uses)


def joined(left: PlanNode, right: PlanNode, on: EquiKey, decides: frozenset[int]) -> PlanNode:
    output = (*left.output, *right.output)
    return PlanNode(
        id=91,
        kind=NodeKind.INNER_JOIN,
        name="Join",
        output=output,
        children=(left, right),
        equi=(on,),
        decides=decides,
        uses={attribute.id: frozenset({attribute.id}) for attribute in output},
    )


def test_columns_that_nothing_reads_are_not_used() -> None:
    narrow = project(source(SALES, 1, 2, 3), {1: frozenset({1}), 4: frozenset({2})})
    assert used_attributes(narrow) == {1, 2, 4}


def test_conditions_and_keys_are_used() -> None:
    left = project(source(SALES, 1, 2, 3, 4), {2: frozenset({2}), 1: frozenset({1})})
    whole = joined(left, source(SHOPS, 10, 11), EquiKey(1, 10), frozenset({1, 2, 10}))
    assert used_attributes(project(whole, {12: frozenset({11})})) >= {1, 2, 10, 11, 12}
    assert not used_attributes(project(whole, {12: frozenset({11})})) & {3, 4}
    classes = replace(project(source(SALES, 1, 2, 3), {5: frozenset({2})}), kind=NodeKind.AGGREGATE, keys=(3,))
    assert used_attributes(classes) == {2, 3, 5}


def handing_on(kind: NodeKind, child: PlanNode, decides: frozenset[int] = frozenset()) -> PlanNode:
    uses = {number: frozenset({number}) for number in child.ids}
    return PlanNode(
        id=93, kind=kind, name="", output=child.output, children=(child,), origins=(), decides=decides, uses=uses
    )


def test_what_a_filter_or_a_join_only_hands_on_is_used_where_it_is_wanted() -> None:
    filtered = handing_on(NodeKind.FILTER, source(SALES, 1, 2, 3, 4), frozenset({4}))
    assert used_attributes(project(filtered, {9: frozenset({2})})) == {2, 4, 9}
    both = joined(filtered, source(SHOPS, 10, 11, 12), EquiKey(1, 10), frozenset({1, 10}))
    assert used_attributes(project(both, {9: frozenset({11})})) == {1, 4, 9, 10, 11}
    assert used_attributes(both) == {1, 2, 3, 4, 10, 11, 12}


def test_any_column_below_a_limit_may_be_one_of_its_order() -> None:
    sorted_rows = handing_on(NodeKind.MAP, source(SALES, 1, 2, 3))
    first = handing_on(NodeKind.LIMIT, sorted_rows)
    assert used_attributes(project(first, {9: frozenset({2})})) == {1, 2, 3, 9}


def test_below_an_operator_that_does_not_tell_everything_is_used() -> None:
    opaque = PlanNode(
        id=92,
        kind=NodeKind.OPAQUE,
        name="Strange",
        output=(Attribute(7, "c7", "int"),),
        children=(source(SALES, 1, 2, 3),),
    )
    assert used_attributes(opaque) == {1, 2, 3, 7}
