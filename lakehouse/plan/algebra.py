"""A query's algebra as values: what Spark's optimiser left of it, node by node, without anything that needs Spark.

Subqueries have become joins, set operations joins and aggregates; the leaves are datasets of the project. Attributes
are told apart by Spark's expression identifiers, so two columns of one name never meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from lakehouse.names import TableName


class NodeKind(str, Enum):
    """How a node's rows come from its children's: all that the rules of change depend on."""

    SOURCE = "source"  # the rows of a dataset
    CONSTANT = "constant"  # rows written in the query itself
    MAP = "map"  # each row by itself gives any number of rows: project, explode, grouping sets, functions
    FILTER = "filter"
    INNER_JOIN = "inner join"
    LEFT_JOIN = "left join"
    SEMI_JOIN = "semi join"
    ANTI_JOIN = "anti join"
    FULL_JOIN = "full join"
    UNION = "union"
    AGGREGATE = "aggregate"  # each group by itself gives one row
    WINDOW = "window"  # each class of rows by itself gives rows that still hold the class
    GROUP_MAP = "group map"  # each class of rows by itself gives any rows
    LIMIT = "limit"  # the first rows in an order
    OPAQUE = "opaque"  # nothing is known


JOINS = frozenset({NodeKind.INNER_JOIN, NodeKind.LEFT_JOIN, NodeKind.SEMI_JOIN, NodeKind.ANTI_JOIN, NodeKind.FULL_JOIN})
CLASS_KINDS = frozenset({NodeKind.AGGREGATE, NodeKind.WINDOW, NodeKind.GROUP_MAP})


@dataclass(frozen=True, slots=True)
class Attribute:
    """A column of a node: Spark's identifier, its name, its Spark SQL type."""

    id: int
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class EquiKey:
    """A conjunct `left = right` of a join's condition, between one column of each side; `null_safe` for `<=>`."""

    left: int
    right: int
    null_safe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateCall:
    """One aggregate function in an aggregate node. `function` is Spark's class name (Sum, Count, …), `arguments` the
    types of its arguments; `is_generated` marks what the optimiser made itself."""

    function: str
    arguments: tuple[str, ...]
    is_distinct: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanNode:
    """One operator.

    `id` is its place in the plan, top down. `origins[i]` maps an output column to the column of child i that it is,
    unchanged, for rows that come from that child. `uses` maps an output column to the child columns that its value is
    computed from; `decides` are child columns that decide which rows there are (conditions). `keys` are the child
    columns that a class is made of (AGGREGATE, WINDOW, GROUP_MAP). `inexact` are output columns whose value the input
    rows do not decide to the last bit: sums of floating-point numbers, ties in an order, collected lists.
    `text` is the operator as Spark prints it, without its children. `is_equi_only` tells of a join that its
    condition is that of `equi` and nothing else.
    """

    id: int
    kind: NodeKind
    name: str
    output: tuple[Attribute, ...]
    children: tuple[PlanNode, ...] = ()
    origins: tuple[Mapping[int, int], ...] = ()
    decides: frozenset[int] = frozenset()
    keys: tuple[int, ...] = ()
    equi: tuple[EquiKey, ...] = ()
    is_equi_only: bool = False
    calls: tuple[AggregateCall, ...] = ()
    inexact: frozenset[int] = frozenset()
    dataset: TableName | None = None
    text: str = ""
    problem: str = ""
    uses: Mapping[int, frozenset[int]] = field(default_factory=dict)

    @property
    def ids(self) -> tuple[int, ...]:
        """The identifiers of its columns."""
        return tuple(attribute.id for attribute in self.output)

    def walk(self) -> Iterator[PlanNode]:
        """The node and everything below it, top down."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def datasets(self) -> frozenset[TableName]:
        """The datasets whose rows it depends on."""
        return frozenset(node.dataset for node in self.walk() if node.dataset is not None)

    def is_changed(self, changed: frozenset[TableName]) -> bool:
        """Whether one of these datasets feeds it."""
        return not self.datasets.isdisjoint(changed)


def used_attributes(root: PlanNode) -> frozenset[int]:
    """The identifiers of all columns that the rows of the query depend on; its sources' other columns do not matter.

    Only columns that a node hands on as they are can be left out: what it computes is computed from all of them.
    """
    found: set[int] = set()
    _find_used(root, frozenset(root.ids), found)
    return frozenset(found)


def _find_used(node: PlanNode, wanted: frozenset[int], found: set[int]) -> None:
    found |= wanted
    below = {*node.decides, *node.keys}
    below.update(*((key.left, key.right) for key in node.equi))
    below.update(*(used for number, used in node.uses.items() if used != {number} or number in wanted))
    # Of a limit every column may be one of the order, and without uses nothing is known of how its columns come about.
    is_all = not node.uses or node.kind is NodeKind.LIMIT
    for child in node.children:
        _find_used(child, frozenset(child.ids) if is_all else frozenset(below.intersection(child.ids)), found)
