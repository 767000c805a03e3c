"""How a view can be maintained by what changed, derived from its algebra alone.

CLASSES  the rows fall into classes by key columns (groups, window partitions); the classes that a change touches are
         recomputed and replace the table's rows of those classes
SIGNED   the query's own change is computed, as rows that come and rows that go
STATE    as CLASSES, but from sums and counts kept beside the table, so that no class has to be read again
FIRST    the first rows in an order: maintained over a hidden table of what they are chosen from

Why class replacement is right: if every row in which the old and the new result differ lies in one of the classes A,
then the old rows outside A together with the new rows inside A are the new result, duplicates included. Inexact
columns (see `PlanNode`) must not tell rows apart anywhere below the classes, or the change computed for old rows
would not meet the rows that were stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from lakehouse.plan.algebra import CLASS_KINDS, AggregateCall, NodeKind, PlanNode

_ROW_BY_ROW = frozenset({"Project", "Sort", "Repartition", "RepartitionByExpression", "RebalancePartitions"})
_MONOTONE = frozenset(
    {NodeKind.SOURCE, NodeKind.CONSTANT, NodeKind.MAP, NodeKind.FILTER, NodeKind.INNER_JOIN, NodeKind.UNION}
)
_INTEGRAL = frozenset({"tinyint", "smallint", "int", "bigint"})


class Strategy(str, Enum):
    """See the module."""

    CLASSES = "classes"
    SIGNED = "signed"
    STATE = "state"


class RefusalCode(str, Enum):
    """Why a view cannot be maintained by what changed, or not in a cheaper way."""

    OPERATOR = "operator_not_supported"
    INEXACT = "inexact_value_below"
    NO_KEY = "no_key"
    TYPE = "type_without_equality"
    NOT_MONOTONE = "not_monotone"
    NOT_DETERMINISTIC = "not_deterministic"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A code for machines, and a clause that names the expression."""

    code: RefusalCode
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """How to maintain a view.

    `body` is the node whose rows (an aggregate's, a window's, or the whole query's) the strategy is about, `above`
    the row-by-row nodes from the root down to it. `key` are the body's output columns, by identifier, that the
    classes are made of and that survive to the root, with the root's identifier of each; `is_unique` tells that no
    two rows of the result have one key. `first` is the LIMIT whose rows are chosen from what `above` gives, and
    `beyond` are row-by-row nodes above that.
    `lacking` says what each cheaper strategy lacked.
    """

    strategy: Strategy
    root: PlanNode
    body: PlanNode
    above: tuple[PlanNode, ...] = ()
    key: tuple[tuple[int, int], ...] = ()
    is_unique: bool = False
    first: PlanNode | None = None
    beyond: tuple[PlanNode, ...] = ()
    lacking: tuple[Refusal, ...] = ()


def derive_maintenance(root: PlanNode) -> Maintenance | Refusal:
    """The best way to maintain the query, or why there is none."""
    refusal = _not_understood(root)
    if refusal is not None:
        return refusal
    above, body = _peel(root)
    first: PlanNode | None = None
    beyond: tuple[PlanNode, ...] = ()
    if body.kind is NodeKind.LIMIT:
        first, beyond = body, above
        above, body = _peel(_below_limit(body))
    nested_limit = next((node for node in body.walk() if node.kind is NodeKind.LIMIT), None)
    if nested_limit is not None:
        return Refusal(RefusalCode.OPERATOR, f"a limit inside the query: {nested_limit.text}")
    if first is not None:
        return _first_rows(
            Maintenance(strategy=Strategy.STATE, root=root, body=body, above=above, first=first, beyond=beyond)
        )
    inexact = _inexact_below(body)
    lacking: list[Refusal] = []
    if body.kind is NodeKind.AGGREGATE and inexact is None:
        costly = [call for call in body.calls if not is_algebraic(call)]
        if not costly and not body.inexact and _distinct_outputs(body):
            key = _surviving(body.keys, body, above)
            if len(key) == len(set(body.keys)):
                return Maintenance(strategy=Strategy.STATE, root=root, body=body, above=above, key=key, is_unique=True)
        if costly or body.inexact:
            names = ", ".join(call.text for call in costly) or body.text
            lacking.append(Refusal(RefusalCode.OPERATOR, f"sums and counts do not give {names}"))
    if body.kind in CLASS_KINDS and inexact is None and body.kind is not NodeKind.GROUP_MAP:
        key = _surviving(body.keys, body, above)
        if key:
            return Maintenance(
                strategy=Strategy.CLASSES,
                root=root,
                body=body,
                above=above,
                key=key,
                is_unique=body.kind is NodeKind.AGGREGATE and len(key) == len(set(body.keys)),
                lacking=tuple(lacking),
            )
        lacking.append(_no_key(body))
    return _signed(root, lacking)


def not_monotone(root: PlanNode) -> Refusal | None:
    """Why rows that come may make other rows of the result go; None if they only make rows come."""
    found = next((node for node in root.walk() if node.kind not in _MONOTONE), None)
    return None if found is None else Refusal(RefusalCode.NOT_MONOTONE, f"added rows can change others: {found.text}")


def is_algebraic(call: AggregateCall) -> bool:
    """Whether the function's value follows from its old value and the rows that came and went, but for extrema."""
    if call.is_distinct:
        return False
    if call.function in ("Count", "Min", "Max"):
        return True
    if call.function not in ("Sum", "Average") or len(call.arguments) != 1:
        return False
    argument = call.arguments[0]
    return argument in _INTEGRAL or decimal_digits(argument) > 0


def decimal_digits(type_text: str) -> int:
    """The precision of a decimal type's text, 0 for another type."""
    if not type_text.startswith("decimal("):
        return 0
    return int(type_text.removeprefix("decimal(").partition(",")[0])


def _first_rows(found: Maintenance) -> Maintenance | Refusal:
    assert found.first is not None
    if not any(node.name == "Sort" for node in found.above):
        return Refusal(RefusalCode.OPERATOR, f"rows are limited without an order: {found.first.text}")
    inexact = _inexact_below(found.body)
    if inexact is not None:
        return inexact
    body = found.body
    if body.kind is NodeKind.AGGREGATE and all(map(is_algebraic, body.calls)) and _distinct_outputs(body):
        return found
    return Refusal(RefusalCode.NO_KEY, f"the first rows of all: {found.first.text}")


def _signed(root: PlanNode, lacking: list[Refusal]) -> Maintenance | Refusal:
    inexact = _inexact_below(root, and_itself=True)
    if inexact is not None:
        return inexact
    untold = next((node for node in root.walk() if node.kind in CLASS_KINDS and not node.keys), None)
    if untold is not None and not _is_single_row_side(root, untold):
        return _no_key(untold)
    unequal = next((a for a in root.output if is_without_equality(a.type)), None)
    if unequal is not None:
        return Refusal(RefusalCode.TYPE, f"rows cannot be told apart by the column {unequal.name} ({unequal.type})")
    return Maintenance(strategy=Strategy.SIGNED, root=root, body=root, lacking=tuple(lacking))


def _not_understood(root: PlanNode) -> Refusal | None:
    for node in root.walk():
        if node.kind is NodeKind.OPAQUE:
            return Refusal(RefusalCode.OPERATOR, node.problem or node.text)
        if node.kind is NodeKind.CONSTANT or node is root:
            continue
        unequal = next((a for a in node.output if is_without_equality(a.type)), None)
        if unequal is not None and node.kind is not NodeKind.SOURCE:
            return Refusal(RefusalCode.TYPE, f"rows cannot be told apart by the column {unequal.name} ({unequal.type})")
    return None


def is_without_equality(type_text: str) -> bool:
    """Whether values of the type (as Spark SQL text) cannot be compared or grouped."""
    return "map<" in type_text or "variant" in type_text


def _peel(node: PlanNode) -> tuple[tuple[PlanNode, ...], PlanNode]:
    """The row-by-row nodes from here down, and the first that is something else."""
    above: list[PlanNode] = []
    while (node.kind is NodeKind.MAP and node.name in _ROW_BY_ROW) or node.kind is NodeKind.FILTER:
        above.append(node)
        node = node.children[0]
    return tuple(above), node


def _below_limit(limit: PlanNode) -> PlanNode:
    """What a global limit chooses from (Spark puts a local limit below it)."""
    below = limit.children[0]
    return below.children[0] if below.kind is NodeKind.LIMIT else below


def _inexact_below(node: PlanNode, *, and_itself: bool = False) -> Refusal | None:
    for found in node.walk():
        if found.inexact and (and_itself or found is not node):
            names = ", ".join(a.name for a in found.output if a.id in found.inexact)
            return Refusal(RefusalCode.INEXACT, f"recomputing {names} may not give the very same value ({found.text})")
    return None


def _surviving(keys: tuple[int, ...], body: PlanNode, above: tuple[PlanNode, ...]) -> tuple[tuple[int, int], ...]:
    """The class columns that reach the root unchanged: the body's child column, and the root's identifier."""
    found: list[tuple[int, int]] = []
    for key in dict.fromkeys(keys):
        names = {output for output, below in body.origins[0].items() if below == key}
        for node in reversed(above):
            names = {output for output, below in node.origins[0].items() if below in names}
        if names:
            found.append((key, min(names)))
    return tuple(found)


def _distinct_outputs(body: PlanNode) -> bool:
    return not any(is_without_equality(attribute.type) for attribute in body.output)


def _no_key(node: PlanNode) -> Refusal:
    return Refusal(RefusalCode.NO_KEY, f"no columns divide its rows into classes that could change alone: {node.text}")


def _is_single_row_side(root: PlanNode, untold: PlanNode) -> bool:
    """Whether a node without classes is a scalar that joins one row: its change is known to be there or not."""
    parents: Mapping[int, PlanNode] = {child.id: node for node in root.walk() for child in node.children}
    node = untold
    while node.id in parents:
        parent = parents[node.id]
        if parent.kind is NodeKind.LEFT_JOIN and parent.children[1] is node and not parent.equi:
            return True
        if parent.kind not in (NodeKind.MAP, NodeKind.FILTER):
            return False
        node = parent
    return False
