"""What a query reads, and whether reading the same again gives the same: asked from its analysed plan.

The datasets of a project stand in the session as persistent views; a read that does not go through one of them is
undeclared, and no one can say when its rows change. Rows that a query function fetched itself (`collect()` and
`createDataFrame`) have lost their origin and cannot be found here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from pyspark.sql import DataFrame

from lakehouse.analysis.catalyst import (
    CONSTANT_LEAVES,
    Node,
    analysed_plan,
    elements,
    has_any,
    holds_local_rows,
    nodes,
    patterns_in,
    texts,
)
from lakehouse.names import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class UndeclaredRead:
    """Rows that come from outside the project's datasets.

    `format` is Spark's name of the source (`CSV`, `Delta`, `jdbc`, or the plan node's name where there is none),
    `table` the catalog table read by name, `paths` the root paths and `files` the data files where it reads files.
    """

    format: str
    table: str | None = None
    paths: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.format, self.table or ", ".join(self.paths)]).strip()


class Variation(str, Enum):
    """Why an expression may give another value for the same rows."""

    RANDOM = "random"  # rand(), uuid(), TABLESAMPLE
    CLOCK = "clock"  # current_timestamp(), current_date()
    SESSION = "session"  # current_user(), current_schema()
    ORDER = "order"  # first(), collect_list(), monotonically_increasing_id(): order or layout of rows
    FUNCTION = "function"  # a user's function declared nondeterministic, or one that Spark does not explain


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Nondeterminism:
    """An expression whose value the inputs alone do not decide. `expression` is the function's name."""

    expression: str
    variation: Variation


_DELTA = "org.apache.spark.sql.delta."

_VARIATIONS = {
    **dict.fromkeys(("Rand", "Randn", "Uuid", "Shuffle", "Uniform", "RandStr", "Sample"), Variation.RANDOM),
    **dict.fromkeys(("CurrentTimestamp", "CurrentDate", "CurrentTime", "Now", "LocalTimestamp"), Variation.CLOCK),
    **dict.fromkeys(("CurrentUser", "CurrentDatabase", "CurrentCatalog", "CurrentTimeZone"), Variation.SESSION),
    **dict.fromkeys(
        (
            "MonotonicallyIncreasingID",
            "SparkPartitionID",
            "InputFileName",
            "InputFileBlockStart",
            "InputFileBlockLength",
        ),
        Variation.ORDER,
    ),
}


_LISTS = frozenset({"collect_list", "collect_set", "listagg", "array_agg"})
_ORDERED_AGGREGATES = frozenset({"First", "Last", "AnyValue", "CollectList", "CollectSet", "ListAgg"})
"""Aggregates that Spark calls deterministic although the order of rows decides their value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryReads:
    """What one walk over a plan finds, each sorted.

    `tables` are the project's datasets: in FROM, subqueries, common table expressions, and through temporary views;
    `temporary_views` those read directly or through one another, in lower case; `undeclared` what is read besides
    (rows made in Python, ranges and literals are no reads); `nondeterminism` the expressions whose value the rows
    that are read do not decide.
    """

    tables: tuple[TableName, ...]
    temporary_views: tuple[str, ...]
    undeclared: tuple[UndeclaredRead, ...]
    nondeterminism: tuple[Nondeterminism, ...]

    @property
    def unstable(self) -> tuple[str, ...]:
        """The expressions that may give other values when the same rows are computed again. Lists in any order are
        not among them: the rules of change know them as inexact."""
        return tuple(
            item.expression
            for item in self.nondeterminism
            if item.variation is not Variation.ORDER or item.expression not in _LISTS
        )

    @property
    def volatile(self) -> tuple[str, ...]:
        """The time functions among the expressions that vary: what they give changes though no input does."""
        return tuple(item.expression for item in self.nondeterminism if item.variation is Variation.CLOCK)


def query_reads(frame: DataFrame) -> QueryReads:
    """All that this module knows of a frame, in one walk. Nothing is executed."""
    plan = analysed_plan(frame)
    clock = patterns_in(plan, "CURRENT_LIKE")
    tables: set[TableName] = set()
    temporary: set[str] = set()
    undeclared: set[UndeclaredRead] = set()
    varying: set[Nondeterminism] = set()
    stable = not clock and bool(plan.deterministic())
    for node in nodes(plan):
        if node.dataset is not None:
            tables.add(node.dataset)
        elif node.name == "View":
            temporary.add(str(node.plan.desc().identifier().table()).lower())
        elif node.is_leaf and node.name not in CONSTANT_LEAVES:
            undeclared |= _undeclared(node)
        else:
            varying |= _varying(node, clock, stable=stable)
    return QueryReads(
        tables=tuple(sorted(tables)),
        temporary_views=tuple(sorted(temporary)),
        undeclared=tuple(sorted(undeclared, key=lambda read: (str(read), read.files))),
        nondeterminism=tuple(sorted(varying)),
    )


def _undeclared(node: Node) -> set[UndeclaredRead]:
    if node.name == "LogicalRDD" and holds_local_rows(node.plan):
        return set()
    return {_undeclared_read(node.name, node.plan)}


def _varying(node: Node, clock: list[Any], *, stable: bool) -> set[Nondeterminism]:
    if node.name == "Sample":
        return {Nondeterminism(expression="sample", variation=Variation.RANDOM)}
    found: set[Nondeterminism] = set()
    if node.name == "Aggregate":
        aggregate = patterns_in(node.plan, "AGGREGATE_EXPRESSION")
        found |= _ordered_aggregates(elements(node.plan.aggregateExpressions()) if aggregate else [], aggregate)
    if not stable:
        for expression in elements(node.plan.expressions()):
            found |= _varying_parts(expression, clock)
    return found


def _undeclared_read(name: str, node: Any) -> UndeclaredRead:
    if name == "DataSourceV2Relation":
        return UndeclaredRead(format=str(node.table().name()))
    if name != "LogicalRelation":
        return UndeclaredRead(format=name)
    relation = node.relation()
    catalog_table = node.catalogTable()
    table = str(catalog_table.get().identifier().unquotedString()) if catalog_table.isDefined() else None
    relation_class = str(relation.getClass().getName())
    # Delta reads files through an anonymous subclass of HadoopFsRelation.
    if not relation_class.endswith(".HadoopFsRelation") and not relation_class.startswith(f"{_DELTA}DeltaLog$"):
        return UndeclaredRead(format=relation_class.rpartition(".")[2], table=table)
    location, file_format = relation.location(), relation.fileFormat()
    # Delta's own file format calls itself Parquet, which its data files are.
    is_delta = str(file_format.getClass().getName()).startswith(_DELTA)
    return UndeclaredRead(
        format="Delta" if is_delta else str(file_format.toString()),
        table=table,
        paths=tuple(texts(location.rootPaths())),
        files=tuple(sorted(str(file) for file in location.inputFiles())),
    )


def _varying_parts(expression: Any, clock: list[Any]) -> set[Nondeterminism]:
    """The smallest parts of the expression that vary; the plan of a subquery is a node of its own elsewhere."""
    if expression.deterministic() and not has_any(expression, clock):
        return set()
    below: set[Nondeterminism] = set()
    for child in elements(expression.children()):
        below |= _varying_parts(child, clock)
    name = str(expression.getClass().getSimpleName())
    if name not in _VARIATIONS and (below or patterns_in(expression, "PLAN_EXPRESSION")):
        return below
    variation = _VARIATIONS.get(name, Variation.FUNCTION)
    return below | {Nondeterminism(expression=_function_name(name, expression), variation=variation)}


def _ordered_aggregates(expressions: list[Any], pattern: list[Any]) -> set[Nondeterminism]:
    found: set[Nondeterminism] = set()
    for expression in expressions:
        if not has_any(expression, pattern):
            continue
        if str(expression.nodeName()) != "AggregateExpression":
            found |= _ordered_aggregates(elements(expression.children()), pattern)
            continue
        function = expression.aggregateFunction()
        if str(function.getClass().getSimpleName()) in _ORDERED_AGGREGATES:
            found.add(Nondeterminism(expression=str(function.prettyName()), variation=Variation.ORDER))
    return found


def _function_name(class_name: str, expression: Any) -> str:
    if class_name in {"PythonUDF", "PythonUDAF"}:
        return str(expression.name())
    if class_name == "ScalaUDF":
        return str(expression.udfName().get()) if expression.udfName().isDefined() else "udf"
    return str(expression.prettyName())
