"""Where each column of a query comes from, traced through Spark's analysed plan; the same for SQL and Python.

1. A column of a dataset (a persistent view) is its own source; nothing below it is looked at.
2. What an expression mentions flows into its value; what only partitions or orders its window, or decides which rows
   its scalar subquery sees, is a condition of that column.
3. What decides which rows there are (filters, join conditions, grouping, set operations, generators, the order under
   a limit) is a condition of the whole query.
4. A node that this module does not know, or that runs a Python function over whole frames, may read anything: its new
   columns come from all its input columns, and the node is named in `untraced`. Nothing is dropped silently.
5. A value is a copy of a column if no expression touched it on the way, in any branch of a union.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from py4j.java_gateway import JavaClass
from pyspark.sql import DataFrame

from lakehouse.analysis.catalyst import (
    CONSTANT_LEAVES,
    Attribute,
    analysed_plan,
    attributes,
    dataset_of,
    elements,
    has_any,
    holds_local_rows,
    patterns_in,
    texts,
)
from lakehouse.names import TableName


class SourceKind(str, Enum):
    """Whether a source column flows into a value or only decides which rows there are; `copy`: it is the value, or
    one of several columns that are."""

    COPY = "copy"
    VALUE = "value"
    CONDITION = "condition"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ColumnSource:
    """A column of a dataset, and how it matters to what reads it."""

    table: TableName
    column: str
    kind: SourceKind = SourceKind.VALUE


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnLineage:
    """An output column and the dataset columns it depends on, sorted; none for a constant."""

    output: str
    sources: tuple[ColumnSource, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryLineage:
    """The lineage of a query's columns in order.

    `conditions` are the columns that decide which rows the result has; `untraced` names the plan nodes through which
    columns could only be followed as "all inputs", or not at all (rows of an unknown origin).
    """

    columns: tuple[ColumnLineage, ...]
    conditions: tuple[ColumnSource, ...]
    untraced: tuple[str, ...]


Sources = frozenset[ColumnSource]
NOTHING: Sources = frozenset()
Row = list[tuple[int, Sources]]  # a node's output columns in order: attribute id, where it comes from

_SAME_COLUMNS = frozenset(
    {
        *("SubqueryAlias", "PipeOperator", "View", "ResolvedHint", "CollectMetrics", "EventTimeWatermark", "Sample"),
        *("Repartition", "RepartitionByExpression", "RebalancePartitions"),
        *("Filter", "Sort", "Deduplicate", "Distinct", "GlobalLimit", "LocalLimit", "Offset", "Tail"),
    }
)
_LIMITS = frozenset({"GlobalLimit", "LocalLimit", "Offset", "Tail"})
_RANKS = frozenset({"Rank", "DenseRank", "PercentRank"})  # Spark gives them the ordering as arguments


def column_lineage(frame: DataFrame) -> QueryLineage:
    """Traces every output column of the frame to columns of the project's datasets. Nothing is executed."""
    plan = analysed_plan(frame)
    trace = _Trace(nested=patterns_in(plan, "PLAN_EXPRESSION", "OUTER_REFERENCE"), shared={}, untraced=set())
    row = trace.follow(plan, {}, limited=False)
    return QueryLineage(
        columns=tuple(
            ColumnLineage(output=name, sources=_sorted(sources))
            for name, (_, sources) in zip(frame.columns, row, strict=True)
        ),
        conditions=_sorted(trace.conditions),
        untraced=tuple(sorted(trace.untraced)),
    )


class _Trace:
    """One walk down a plan. `shared` holds the rows of common table expressions and recursion, with their conditions,
    by kind and id; `nested` are the patterns of subqueries and outer references, as far as the plan has any."""

    def __init__(
        self, *, nested: list[Any], shared: dict[tuple[str, int], tuple[Row, Sources]], untraced: set[str]
    ) -> None:
        self.nested = nested
        self.shared = shared
        self.untraced = untraced
        self.conditions: Sources = NOTHING

    def follow(self, node: Any, outer: Mapping[int, Sources], *, limited: bool) -> Row:
        """The node's output columns; `outer` are the columns of the queries around this subquery."""
        name = str(node.nodeName())
        if name == "View" and (dataset := dataset_of(node)) is not None:
            return [
                (column.id, frozenset({ColumnSource(table=dataset, column=column.name, kind=SourceKind.COPY)}))
                for column in attributes(node.output())
            ]
        match name:
            case "CTERelationDef":
                return self._define(("cte", node.id()), node.child(), outer)
            case "CTERelationRef":
                return self._refer(("cte", node.cteId()), node)
            case "UnionLoopRef":
                return self._refer(("loop", node.loopId()), node)
            case "UnionLoop":
                return self._recursion(node, outer)
        children = [
            self.follow(child, outer, limited=limited or name in _LIMITS) for child in elements(node.children())
        ]
        known = {**outer, **{id: sources for row in children for id, sources in row}}
        if name in _SAME_COLUMNS:
            self._decide_rows(name, node, known, children[0], limited=limited)
            return children[0]
        return self._new_columns(name, node, known, children)

    def _new_columns(self, name: str, node: Any, known: dict[int, Sources], children: list[Row]) -> Row:
        match name:
            case "Project":
                return self._expressions(node, node.projectList(), known)
            case "Aggregate":
                self._condition(elements(node.groupingExpressions()), known)
                return self._expressions(node, node.aggregateExpressions(), known)
            case "Window":
                return [*children[0], *self._windows(node.windowExpressions(), known)]
            case "WithCTE":
                return children[-1]
            case "Join":
                self._condition(elements(node.expressions()), known)
                return self._picked(node, known)
            case "LateralJoin":
                return self._lateral_join(node, known, children[0])
            case "Union":
                return _positional(children)
            case "Intersect" | "Intersect All" | "Except" | "Except All":
                self.conditions |= _as_conditions(sources for row in children for _, sources in row)
                return children[0]
            case "Generate":
                produced = self._sources([node.generator()], known)
                self.conditions |= _as_conditions([produced])
                known |= {column.id: produced for column in attributes(node.generatorOutput())}
                return self._picked(node, known)
            case "Expand":
                projections = [self._projection(part, known) for part in elements(node.projections())]
                ids = [column.id for column in attributes(node.output())]
                return [(id, frozenset().union(*parts)) for id, *parts in zip(ids, *projections, strict=True)]
            case _ if not children:
                return self._leaf(name, node)
            case _:
                return self._unknown(name, node, children)

    def _decide_rows(self, name: str, node: Any, known: dict[int, Sources], row: Row, *, limited: bool) -> None:
        if name in {"Filter", "Deduplicate"} or (name == "Sort" and limited):
            self._condition(elements(node.expressions()), known)
        elif name == "Distinct":
            self.conditions |= _as_conditions(sources for _, sources in row)

    def _define(self, key: tuple[str, int], body: Any, outer: Mapping[int, Sources]) -> Row:
        # Only who refers to the definition is subject to its conditions.
        inner = self._inner()
        row = inner.follow(body, outer, limited=False)
        self.shared[key] = (row, inner.conditions)
        return row

    def _refer(self, key: tuple[str, int], node: Any) -> Row:
        row, conditions = self.shared[key]
        self.conditions |= conditions
        return [(column.id, sources) for column, (_, sources) in zip(attributes(node.output()), row, strict=True)]

    def _recursion(self, node: Any, outer: Mapping[int, Sources]) -> Row:
        """Follows the recursive part until no column gains a source; each round adds some, so it ends."""
        anchor, step = elements(node.children())
        row = self.follow(anchor, outer, limited=False)
        while True:
            self.shared[("loop", node.id())] = (row, NOTHING)
            grown = _positional([row, self.follow(step, outer, limited=False)])
            if grown == row:
                break
            row = grown
        return [(column.id, sources) for column, (_, sources) in zip(attributes(node.output()), row, strict=True)]

    def _expressions(self, node: Any, expressions: Any, known: Mapping[int, Sources]) -> Row:
        """Output columns that are, one by one, named expressions over the node's input."""
        outputs = attributes(node.output())
        written = texts(expressions)
        return [
            (column.id, self._column(column, text, expressions, position, known))
            for position, (column, text) in enumerate(zip(outputs, written, strict=True))
        ]

    def _column(
        self, column: Attribute, text: str, expressions: Any, position: int, known: Mapping[int, Sources]
    ) -> Sources:
        if text == column.text and column.id in known:
            return known[column.id]  # the input column itself
        expression = expressions.apply(position)
        if str(expression.getClass().getSimpleName()) == "Alias":
            renamed = expression.child()
            if str(renamed.getClass().getSimpleName()) == "AttributeReference":
                return known.get(int(renamed.exprId().id()), self._sources([expression], known))
        return self._sources([expressions.apply(position)], known)

    def _projection(self, expressions: Any, known: Mapping[int, Sources]) -> list[Sources]:
        return [self._sources([expression], known) for expression in elements(expressions)]

    def _windows(self, aliases: Any, known: Mapping[int, Sources]) -> Row:
        row: Row = []
        for alias, column in zip(elements(aliases), _alias_outputs(aliases), strict=True):
            window = alias.child()
            if str(window.nodeName()) != "WindowExpression":
                row.append((column, self._sources([alias], known)))
                continue
            function = window.windowFunction()
            value = NOTHING if str(function.nodeName()) in _RANKS else self._sources([function], known)
            row.append((column, value | _as_conditions([self._sources([window.windowSpec()], known)])))
        return row

    def _lateral_join(self, node: Any, known: Mapping[int, Sources], left: Row) -> Row:
        right = self.follow(node.right().plan(), known, limited=False)
        joined = {**known, **dict(right)}
        condition = node.condition()
        if condition.isDefined():
            self._condition([condition.get()], joined)
        return self._picked(node, joined)

    def _leaf(self, name: str, node: Any) -> Row:
        if name not in CONSTANT_LEAVES and not (name == "LogicalRDD" and holds_local_rows(node)):
            self.untraced.add(name)
        return [(column.id, NOTHING) for column in attributes(node.output())]

    def _unknown(self, name: str, node: Any, children: list[Row]) -> Row:
        self.untraced.add(name)
        inputs = {id: sources for row in children for id, sources in row}
        everything = _computed(frozenset().union(*inputs.values())) if inputs else NOTHING
        self.conditions |= _as_conditions([everything])
        return [(column.id, inputs.get(column.id, everything)) for column in attributes(node.output())]

    def _condition(self, expressions: Iterable[Any], known: Mapping[int, Sources]) -> None:
        self.conditions |= _as_conditions([self._sources(expressions, known)])

    def _sources(self, expressions: Iterable[Any], known: Mapping[int, Sources]) -> Sources:
        """What the expressions mention."""
        found = NOTHING
        for expression in expressions:
            if has_any(expression, self.nested):
                found |= self._nested_sources(expression, known)
            else:
                for column in attributes(expression.references()):
                    found |= self._column_sources(column, known)
        return _computed(found)

    def _column_sources(self, column: Attribute, known: Mapping[int, Sources]) -> Sources:
        if column.id not in known:
            self.untraced.add(column.name)
        return known.get(column.id, NOTHING)

    def _picked(self, node: Any, known: Mapping[int, Sources]) -> Row:
        """The node's output, chosen among columns that are known."""
        return [(column.id, self._column_sources(column, known)) for column in attributes(node.output())]

    def _nested_sources(self, expression: Any, known: Mapping[int, Sources]) -> Sources:
        name = str(expression.nodeName())
        if name == "OuterReference":
            return self._sources([expression.e()], known)
        parts = self._sources(elements(expression.children()), known)
        if not _is_subquery(expression):
            return parts
        inner = self._inner()
        row = inner.follow(expression.plan(), known, limited=False)
        values = NOTHING if name == "Exists" else frozenset().union(*(sources for _, sources in row))
        # The children of a subquery expression are the outer columns it is correlated by.
        return values | _as_conditions([parts, inner.conditions])

    def _inner(self) -> _Trace:
        return _Trace(nested=self.nested, shared=self.shared, untraced=self.untraced)


def _is_subquery(expression: Any) -> bool:
    reflection = JavaClass("py4j.reflection.TypeUtil", expression._gateway_client)
    return bool(reflection.isInstanceOf("org.apache.spark.sql.catalyst.expressions.SubqueryExpression", expression))


def _alias_outputs(aliases: Any) -> list[int]:
    return [alias.exprId().id() for alias in elements(aliases)]


def _positional(rows: Sequence[Row]) -> Row:
    """The columns of a union: its ids are the first branch's, its sources those of every branch at that position."""
    return [
        (columns[0][0], frozenset().union(*(sources for _, sources in columns))) for columns in zip(*rows, strict=True)
    ]


def _computed(sources: Sources) -> Sources:
    """What an expression over these columns comes from."""
    return frozenset(
        replace(source, kind=SourceKind.VALUE) if source.kind is SourceKind.COPY else source for source in sources
    )


def _as_conditions(groups: Iterable[Sources]) -> Sources:
    return frozenset(
        ColumnSource(table=source.table, column=source.column, kind=SourceKind.CONDITION)
        for group in groups
        for source in group
    )


def _sorted(sources: Sources) -> tuple[ColumnSource, ...]:
    """Sorted, every column once: one that is computed with in one way and copied in another is no copy, and one that
    flows into the value is not listed as a condition of the same value again."""
    strongest: dict[tuple[TableName, str], ColumnSource] = {}
    for kind in (SourceKind.CONDITION, SourceKind.COPY, SourceKind.VALUE):
        strongest.update({(each.table, each.column): each for each in sources if each.kind is kind})
    return tuple(sorted(strongest.values()))
