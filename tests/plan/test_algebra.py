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


def test_below_an_operator_that_does_not_tell_everything_is_used() -> None:
    opaque = PlanNode(
        id=92,
        kind=NodeKind.OPAQUE,
        name="Strange",
        output=(Attribute(7, "c7", "int"),),
        children=(source(SALES, 1, 2, 3),),
    )
    assert used_attributes(opaque) == {1, 2, 3, 7}
