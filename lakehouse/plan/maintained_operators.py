"""What a query may hold, and how its view is refreshed then: the rules of change, asked about one example each.

The table in README is `as_markdown(maintained_operators())`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from lakehouse.names import TableName
from lakehouse.plan.algebra import AggregateCall, Attribute, EquiKey, NodeKind, PlanNode
from lakehouse.plan.explanation import allowed_ways
from lakehouse.plan.refresh_plan import RefreshMode

_KEY, _VALUE = 1, 2
_COLUMNS = (Attribute(_KEY, "k", "bigint"), Attribute(_VALUE, "v", "bigint"))
_ORDERED = "Sort"


@dataclass(frozen=True, slots=True)
class MaintainedOperator:
    """A kind of query: the mode of a refresh after rows were only added to what it reads, and after any change;
    `full` where the rules know no other way."""

    text: str
    when_added: RefreshMode
    when_changed: RefreshMode


def maintained_operators() -> tuple[MaintainedOperator, ...]:
    """Every kind of operator, in the order in which people meet them."""
    return tuple(_asked(text, root) for text, root in _EXAMPLES)


def as_markdown(operators: Iterable[MaintainedOperator]) -> str:
    """The operators as a Markdown table."""
    lines = ["| the query | rows were only added | rows changed or went |", "|---|---|---|"]
    lines += [f"| {each.text} | {each.when_added.value} | {each.when_changed.value} |" for each in operators]
    return "\n".join(lines)


def _asked(text: str, root: PlanNode) -> MaintainedOperator:
    modes = allowed_ways(root, [attribute.name for attribute in root.output]).modes
    when_changed = modes[-1] if modes and modes[-1] is not RefreshMode.APPEND else RefreshMode.FULL
    return MaintainedOperator(text, modes[0] if modes else RefreshMode.FULL, when_changed)


def _source(number: int = 0) -> PlanNode:
    columns = tuple(replace(attribute, id=attribute.id + 10 * number) for attribute in _COLUMNS)
    name = TableName("silver", f"t{number}")
    return PlanNode(id=100 + number, kind=NodeKind.SOURCE, name="Relation", output=columns, dataset=name)


def _over(kind: NodeKind, child: PlanNode, name: str = "", keys: tuple[int, ...] = (_KEY,)) -> PlanNode:
    """An operator whose columns are its child's."""
    same = {attribute.id: attribute.id for attribute in child.output}
    uses = {number: frozenset({number}) for number in same}
    kept = keys if kind in (NodeKind.WINDOW, NodeKind.GROUP_MAP) else ()
    name = name or kind.value
    return PlanNode(
        id=child.id + 1000, kind=kind, name=name, output=child.output, children=(child,), origins=(same,), uses=uses,
        keys=kept, text=name,
    )  # fmt: skip


def _join(kind: NodeKind) -> PlanNode:
    left, right = _source(0), _source(1)
    output = left.output if kind in (NodeKind.SEMI_JOIN, NodeKind.ANTI_JOIN) else left.output + right.output
    ids = {attribute.id for attribute in output}
    origins = tuple({number: number for number in ids & set(side.ids)} for side in (left, right))
    uses = {number: frozenset({number}) for number in ids}
    return PlanNode(
        id=200, kind=kind, name="Join", output=output, children=(left, right), origins=origins, uses=uses,
        equi=(EquiKey(_KEY, _KEY + 10),), decides=frozenset({_KEY, _KEY + 10}), text=kind.value,
    )  # fmt: skip


def _union() -> PlanNode:
    sides = (_source(0), _source(1))
    origins = tuple(dict(zip((_KEY, _VALUE), side.ids, strict=True)) for side in sides)
    uses = {number: frozenset(origin[number] for origin in origins) for number in (_KEY, _VALUE)}
    return PlanNode(
        id=200, kind=NodeKind.UNION, name="Union", output=_COLUMNS, children=sides, origins=origins, uses=uses,
        text="Union",
    )  # fmt: skip


def _grouped(*calls: AggregateCall, child: PlanNode | None = None, is_exact: bool = True) -> PlanNode:
    """Rows by `k`, with one value that the calls make of `v`."""
    below = child or _source(0)
    output = (_COLUMNS[0], _TOTAL) if calls else _COLUMNS[:1]
    return PlanNode(
        id=below.id + 1000, kind=NodeKind.AGGREGATE, name="Aggregate", output=output, children=(below,),
        origins=({_KEY: _KEY},), uses={_KEY: frozenset({_KEY}), 99: frozenset({_VALUE})}, keys=(_KEY,), calls=calls,
        inexact=frozenset() if is_exact else frozenset({99}), text="Aggregate",
    )  # fmt: skip


def _call(function: str, argument: str = "bigint", *, is_distinct: bool = False) -> AggregateCall:
    return AggregateCall(function=function, arguments=(argument,), is_distinct=is_distinct, text=function)


def _filtered_aggregate(*, is_exact: bool) -> PlanNode:
    """An aggregate that another aggregate counts."""
    inner = _grouped(_call("Sum", "bigint" if is_exact else "double"), is_exact=is_exact)
    return replace(_grouped(_call("Count"), child=inner), uses={_KEY: frozenset({_KEY}), 99: frozenset({99})})


_TOTAL = Attribute(99, "x", "bigint")
_SUMS = (_call("Sum"), _call("Count"), _call("Max"))
_EXAMPLES: tuple[tuple[str, PlanNode], ...] = (
    ("`SELECT` of expressions, `explode`", _over(NodeKind.MAP, _source(), "Project")),
    ("`WHERE`", _over(NodeKind.FILTER, _source(), "Filter")),
    ("`UNION ALL`", _union()),
    ("`JOIN`", _join(NodeKind.INNER_JOIN)),
    ("`LEFT JOIN`", _join(NodeKind.LEFT_JOIN)),
    ("`FULL JOIN`", _join(NodeKind.FULL_JOIN)),
    ("`EXISTS`, `IN (SELECT …)`, `LEFT SEMI JOIN`", _join(NodeKind.SEMI_JOIN)),
    ("`NOT EXISTS`, `LEFT ANTI JOIN`", _join(NodeKind.ANTI_JOIN)),
    ("`GROUP BY` with `count`, `min`, `max`, `sum` and `avg` of integers or decimals", _grouped(*_SUMS)),
    ("the same without `GROUP BY`", replace(_grouped(*_SUMS), keys=(), origins=({},), output=(_TOTAL,))),
    ("`DISTINCT`", _grouped()),
    ("`GROUP BY` with `count(DISTINCT …)`", _grouped(_call("Count", is_distinct=True))),
    ("`GROUP BY` with `sum` or `avg` of `FLOAT` or `DOUBLE`", _grouped(_call("Sum", "double"), is_exact=False)),
    ("`GROUP BY` over another `GROUP BY`", _filtered_aggregate(is_exact=True)),
    ("the same, over `sum` of `DOUBLE`", _filtered_aggregate(is_exact=False)),
    ("window functions with `PARTITION BY`", _over(NodeKind.WINDOW, _source(), "Window")),
    ("window functions without `PARTITION BY`", _over(NodeKind.WINDOW, _source(), "Window", keys=())),
    (
        "`GROUP BY` as above, then `ORDER BY … LIMIT`",
        _over(NodeKind.LIMIT, _over(NodeKind.MAP, _grouped(*_SUMS), _ORDERED), "GlobalLimit"),
    ),
    ("`ORDER BY … LIMIT` of rows", _over(NodeKind.LIMIT, _over(NodeKind.MAP, _source(), _ORDERED), "GlobalLimit")),
    ("`LIMIT` without an order", _over(NodeKind.LIMIT, _source(), "GlobalLimit")),
    ("`applyInPandas` on groups", replace(
        _over(NodeKind.GROUP_MAP, _source(), "FlatMapGroupsInPandas"), inexact=frozenset({_KEY, _VALUE})
    )),
    ("anything that is not listed here", _over(NodeKind.OPAQUE, _source(), "another operator")),
)  # fmt: skip
