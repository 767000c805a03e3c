"""One operator of Spark's optimised plan after the other, as values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql.types import StructType

from lakehouse.analysis.aggregate_calls import aggregate_calls, inexact_window_columns
from lakehouse.analysis.catalyst import attributes, elements, without_identifiers
from lakehouse.names import TableName
from lakehouse.plan.algebra import Attribute, EquiKey, NodeKind, PlanNode

_ROW_BY_ROW = frozenset({"BatchEvalPython", "ArrowEvalPython"})
_ORDER_ONLY = frozenset({"Sort", "Repartition", "RepartitionByExpression", "RebalancePartitions", "SubqueryAlias"})
_CONSTANTS = frozenset({"LocalRelation", "OneRowRelation", "Range"})
_JOIN_KINDS = {
    "Inner": NodeKind.INNER_JOIN,
    "Cross": NodeKind.INNER_JOIN,
    "LeftOuter": NodeKind.LEFT_JOIN,
    "LeftSemi": NodeKind.SEMI_JOIN,
    "LeftAnti": NodeKind.ANTI_JOIN,
    "FullOuter": NodeKind.FULL_JOIN,
}


def read_node(plan: Any, sources: Mapping[int, TableName], operators: list[Any]) -> PlanNode:
    """The node for Spark's operator and all below it; `operators` receives the JVM objects by node id.

    `sources` names the dataset behind each column of a relation. What is not understood becomes OPAQUE, with the
    reason in `problem`.
    """
    number = len(operators)
    operators.append(plan)
    name = str(plan.nodeName()).split(" ")[0]
    children = [read_node(child, sources, operators) for child in elements(plan.children())]
    output = _output(plan)
    details = _Details(name, plan, children, output, sources)
    facts = details.read()
    known: dict[str, Any] = {"text": _text(plan), **facts}
    return PlanNode(id=number, name=name, output=output, **{"children": tuple(children), **known})


class _Details:
    """What is special about one operator."""

    def __init__(
        self,
        name: str,
        plan: Any,
        children: list[PlanNode],
        output: tuple[Attribute, ...],
        sources: Mapping[int, TableName],
    ) -> None:
        self.name, self.plan, self.children, self.output, self.sources = name, plan, children, output, sources

    def read(self) -> dict[str, Any]:
        if self.name in _CONSTANTS:
            return {"kind": NodeKind.CONSTANT}
        if self.name == "Relation" or str(self.plan.getClass().getSimpleName()) == "LogicalRelation":
            return self._source()
        if _has_subquery(self.plan):
            return self._opaque("a subquery that may give several rows, or stands where it cannot be joined")
        if self.name in _ORDER_ONLY:
            return {"kind": NodeKind.MAP, "origins": (self._kept(0),), "uses": self._identity()}
        if self.name in _ROW_BY_ROW:
            return self._evaluated()
        readers: dict[str, Callable[[], dict[str, Any]]] = {
            "Project": self._project,
            "Filter": self._filter,
            "Join": self._join,
            "Aggregate": self._aggregate,
            "Window": self._window,
            "Union": self._union,
            "Generate": self._generate,
            "Expand": self._expand,
            "FlatMapGroupsInPandas": self._group_map,
            "FlatMapGroupsInArrow": self._group_map,
            "GlobalLimit": self._limit,
            "LocalLimit": self._limit,
        }
        reader = readers.get(self.name)
        return reader() if reader else self._opaque(f"the operator {self.name}")

    def _opaque(self, problem: str) -> dict[str, Any]:
        return {"kind": NodeKind.OPAQUE, "problem": problem}

    def _source(self) -> dict[str, Any]:
        found = {self.sources.get(attribute.id) for attribute in self.output}
        dataset = found.pop() if len(found) == 1 else None
        if dataset is None:
            return self._opaque("rows that no dataset of the project holds")
        return {"kind": NodeKind.SOURCE, "dataset": dataset}

    def _project(self) -> dict[str, Any]:
        origins: dict[int, int] = {}
        uses: dict[int, frozenset[int]] = {}
        for attribute, expression in zip(self.output, elements(self.plan.projectList()), strict=True):
            below = _references(expression)
            uses[attribute.id] = below
            if len(below) == 1 and _is_plain(expression):
                origins[attribute.id] = next(iter(below))
        return {"kind": NodeKind.MAP, "origins": (origins,), "uses": uses}

    def _filter(self) -> dict[str, Any]:
        return {
            "kind": NodeKind.FILTER,
            "origins": (self._kept(0),),
            "uses": self._identity(),
            "decides": _references(self.plan.condition()),
        }

    def _join(self) -> dict[str, Any]:
        name = str(self.plan.joinType().toString())  # not sql(), which not every kind has
        kind = _JOIN_KINDS.get(name)
        if kind is None:
            return self._opaque(f"a join of the kind {name.partition('(')[0]}")
        condition = self.plan.condition()
        equi: list[EquiKey] = []
        decides: frozenset[int] = frozenset()
        is_equi_only = False
        if condition.isDefined():
            decides = _references(condition.get())
            is_equi_only = self._equi_keys(condition.get(), equi)
        return {
            "kind": kind,
            "origins": (self._kept(0), self._kept(1)),
            "uses": self._identity(),
            "decides": decides,
            "equi": tuple(equi),
            "is_equi_only": is_equi_only,
        }

    def _equi_keys(self, condition: Any, found: list[EquiKey]) -> bool:
        """Finds the conjuncts that make two columns equal; whether there are no others."""
        name = str(condition.getClass().getSimpleName())
        if name == "And":
            parts = [self._equi_keys(side, found) for side in (condition.left(), condition.right())]
            return all(parts)
        if name in ("EqualTo", "EqualNullSafe"):
            sides = [condition.left(), condition.right()]
            if all(str(side.getClass().getSimpleName()) == "AttributeReference" for side in sides):
                left, right = (int(side.exprId().id()) for side in sides)
                if left in self.children[1].ids:
                    left, right = right, left
                if left in self.children[0].ids and right in self.children[1].ids:
                    found.append(EquiKey(left, right, name == "EqualNullSafe"))
                    return True
        return False

    def _aggregate(self) -> dict[str, Any]:
        grouping = elements(self.plan.groupingExpressions())
        if any(str(each.getClass().getSimpleName()) != "AttributeReference" for each in grouping):
            return self._opaque("a grouping by something else than columns")
        keys = tuple(int(each.exprId().id()) for each in grouping)
        origins: dict[int, int] = {}
        uses: dict[int, frozenset[int]] = {}
        inexact: set[int] = set()
        calls = []
        for attribute, expression in zip(self.output, elements(self.plan.aggregateExpressions()), strict=True):
            uses[attribute.id] = _references(expression)
            found, is_exact = aggregate_calls(expression)
            calls += found
            if not is_exact:
                inexact.add(attribute.id)
            if not found and _is_plain(expression) and uses[attribute.id] <= set(keys):
                origins[attribute.id] = next(iter(uses[attribute.id]))
        return {
            "kind": NodeKind.AGGREGATE,
            "keys": keys,
            "origins": (origins,),
            "uses": uses,
            "calls": tuple(calls),
            "inexact": frozenset(inexact),
        }

    def _window(self) -> dict[str, Any]:
        partition = elements(self.plan.partitionSpec())
        if any(str(each.getClass().getSimpleName()) != "AttributeReference" for each in partition):
            return self._opaque("a window partitioned by something else than columns")
        expressions = elements(self.plan.windowExpressions())
        new = self.output[len(self.children[0].output) :]
        uses = self._identity()
        for attribute, expression in zip(new, expressions, strict=True):
            uses[attribute.id] = _references(expression)
        return {
            "kind": NodeKind.WINDOW,
            "keys": tuple(int(each.exprId().id()) for each in partition),
            "origins": (self._kept(0),),
            "uses": uses,
            "inexact": inexact_window_columns([a.id for a in new], expressions),
        }

    def _union(self) -> dict[str, Any]:
        origins = tuple(dict(zip([a.id for a in self.output], child.ids, strict=True)) for child in self.children)
        uses: dict[int, frozenset[int]] = {
            attribute.id: frozenset(origin[attribute.id] for origin in origins) for attribute in self.output
        }
        return {"kind": NodeKind.UNION, "origins": origins, "uses": uses}

    def _generate(self) -> dict[str, Any]:
        below = _references(self.plan.generator())
        uses = self._identity()
        for attribute in self.output:
            uses.setdefault(attribute.id, below)
        return {"kind": NodeKind.MAP, "origins": (self._kept(0),), "uses": uses, "decides": below}

    def _expand(self) -> dict[str, Any]:
        everything = frozenset(self.children[0].ids)
        return {
            "kind": NodeKind.MAP,
            "origins": (self._kept(0),),
            "uses": {attribute.id: everything for attribute in self.output},
        }

    def _evaluated(self) -> dict[str, Any]:
        everything = frozenset(self.children[0].ids)
        return {
            "kind": NodeKind.MAP,
            "origins": (self._kept(0),),
            "uses": {**{attribute.id: everything for attribute in self.output}, **self._identity()},
        }

    def _group_map(self) -> dict[str, Any]:
        keys = tuple(attribute.id for attribute in attributes(self.plan.groupingAttributes()))
        everything = frozenset(self.children[0].ids)
        return {
            "kind": NodeKind.GROUP_MAP,
            "keys": keys,
            "origins": ({},),
            "uses": {attribute.id: everything for attribute in self.output},
            "inexact": frozenset(attribute.id for attribute in self.output),  # the order within a group is not given
        }

    def _limit(self) -> dict[str, Any]:
        return {"kind": NodeKind.LIMIT, "origins": (self._kept(0),), "uses": self._identity()}

    def _kept(self, child: int) -> dict[int, int]:
        """Output columns that are columns of a child under the same identifier."""
        below = set(self.children[child].ids)
        return {attribute.id: attribute.id for attribute in self.output if attribute.id in below}

    def _identity(self) -> dict[int, frozenset[int]]:
        below = {number for child in self.children for number in child.ids}
        return {attribute.id: frozenset({attribute.id}) for attribute in self.output if attribute.id in below}


def _output(plan: Any) -> tuple[Attribute, ...]:
    schema = StructType.fromJson(json.loads(str(plan.schema().json())))
    return tuple(
        Attribute(attribute.id, field.name, field.dataType.simpleString())
        for attribute, field in zip(attributes(plan.output()), schema.fields, strict=True)
    )


def _references(expression: Any) -> frozenset[int]:
    return frozenset(attribute.id for attribute in attributes(expression.references().toSeq()))


def _is_plain(expression: Any) -> bool:
    """Whether an expression is a column under its own or another name."""
    name = str(expression.getClass().getSimpleName())
    if name == "Alias":
        return str(expression.child().getClass().getSimpleName()) == "AttributeReference"
    return name == "AttributeReference"


def _has_subquery(plan: Any) -> bool:
    return any(not bool(each.resolved()) or _holds_plan(each) for each in elements(plan.expressions()))


def _holds_plan(expression: Any) -> bool:
    return bool(elements(expression.collectLeaves())) and any(
        "subquery" in str(leaf.nodeName()).lower() for leaf in elements(expression.collectLeaves())
    )


def _text(plan: Any) -> str:
    return without_identifiers(str(plan.simpleString(25)))
