"""Spark's own operators over other rows: an operator of a query's plan, evaluated over frames that stand for its
children.

In such a frame the column of attribute 17 is called `c17`. Spark's operator is put over a projection that gives each
column its identifier back, so expressions need no translation: Spark's semantics are the semantics. A column `__w`
(the sign of a row in a change) passes through operators that treat each row by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from lakehouse.analysis.aggregate_calls import aggregate_expressions
from lakehouse.analysis.catalyst import attributes, elements, patterns_in
from lakehouse.plan.algebra import PlanNode

WEIGHT = "__w"


def column(number: int) -> str:
    """The name that the attribute has in a frame."""
    return f"c{number}"


class PlanBinder:
    """Builds frames of one session from operators of a plan."""

    def __init__(self, session: SparkSession, operators: Sequence[Any]) -> None:
        self._session = session
        self._operators = operators
        jvm: Any = session._jvm
        self._jvm = jvm
        self._logical = jvm.org.apache.spark.sql.catalyst.plans.logical
        self._expressions = jvm.org.apache.spark.sql.catalyst.expressions

    def operator(self, node: PlanNode) -> Any:
        """Spark's operator of the node."""
        return self._operators[node.id]

    def evaluate(self, node: PlanNode, frames: Sequence[DataFrame]) -> DataFrame:
        """The node's rows from its children's frames: columns `c<id>` of its output, and `__w` where a child has it
        (one child at most, and then a node that treats its rows one by one)."""
        operator = self.operator(node)
        bound, weight = [], None
        for child, frame in zip(node.children, frames, strict=True):
            plan, carried = self._bind(child, frame)
            weight = carried if carried is not None else weight
            bound.append(plan)
        if weight is not None and node.name in ("Project", "Expand"):
            plan, weight = self._weighted(node, operator, bound[0], weight)
        else:
            plan = operator.withNewChildren(self._seq(bound))
        return self._named(node, plan, weight)

    def extended(self, node: PlanNode, frame: DataFrame, expressions: Sequence[Any], names: Sequence[str]) -> DataFrame:
        """The frame of the node with further columns: Spark expressions over the node's columns, under these names."""
        plan, weight = self._bind(node, frame)
        known = [column(number) for number in dict.fromkeys(node.ids)] + ([WEIGHT] if weight is not None else [])
        kept = [self._alias(found, name) for found, name in zip(elements(plan.output()), known, strict=True)]
        added = [self._alias(expression, name) for expression, name in zip(expressions, names, strict=True)]
        return self._frame(self._logical.Project(self._seq([*kept, *added]), plan))

    def finished(self, node: PlanNode, frame: DataFrame) -> DataFrame:
        """The rows of an aggregate node from the buffers of its functions.

        `frame` has the grouping columns as `c<id>`, and for call i of `node.calls` the j-th buffer of Spark's own
        function as `b<i>_<j>`, in Spark's types.
        """
        operator = self.operator(node)
        found = {attribute.name: attribute for attribute in self._attributes(frame)}
        calls = self.calls(node)
        given = [
            self._alias(found[column(int(key.exprId().id()))].reference, str(key.name()), key.exprId())
            for key in elements(operator.groupingExpressions())
        ]
        for index, call in enumerate(calls):
            for part, buffer in enumerate(elements(call.aggregateFunction().aggBufferAttributes())):
                given.append(self._alias(found[f"b{index}_{part}"].reference, str(buffer.name()), buffer.exprId()))
        below = self._logical.Project(self._seq(given), self._plan(frame))
        results = [self._evaluated(expression) for expression in elements(operator.aggregateExpressions())]
        return self._named(node, self._logical.Project(self._seq(results), below), None)

    def first_rows(self, node: PlanNode, frame: DataFrame) -> DataFrame:
        """What a limit node keeps of a frame that is in order."""
        return frame.limit(int(str(self.operator(node).limitExpr().toString())))

    def calls(self, node: PlanNode) -> list[Any]:
        """The `AggregateExpression`s of an aggregate node, in the order of `node.calls`."""
        expressions = elements(self.operator(node).aggregateExpressions())
        return [call for expression in expressions for call in aggregate_expressions(expression)]

    def _evaluated(self, expression: Any) -> Any:
        if not patterns_in(expression, "AGGREGATE_EXPRESSION"):
            return expression
        if str(expression.getClass().getSimpleName()) == "AggregateExpression":
            return expression.aggregateFunction().evaluateExpression()
        children = [self._evaluated(child) for child in elements(expression.children())]
        return expression.withNewChildren(self._seq(children))

    def _bind(self, node: PlanNode, frame: DataFrame) -> tuple[Any, Any]:
        """The frame's plan with the node's identifiers, and the sign's attribute if it has one."""
        found = {attribute.name: attribute for attribute in self._attributes(frame)}
        wanted = {int(each.exprId().id()): each for each in elements(self.operator(node).output())}
        given = [
            self._alias(found[column(number)].reference, str(each.name()), each.exprId())
            for number, each in wanted.items()
        ]
        weight = found[WEIGHT].reference if WEIGHT in found else None
        if weight is not None:
            given.append(weight)
        return self._logical.Project(self._seq(given), self._plan(frame)), weight

    def _weighted(self, node: PlanNode, operator: Any, below: Any, weight: Any) -> tuple[Any, Any]:
        """The operators that name every column they keep: the sign is added to what they keep."""
        if node.name == "Project":
            return self._logical.Project(self._seq([*elements(operator.projectList()), weight]), below), weight
        carried = weight.newInstance()
        projections = [self._seq([*elements(each), weight]) for each in elements(operator.projections())]
        output = self._seq([*elements(operator.output()), carried])
        return self._logical.Expand(self._seq(projections), output, below), carried

    def _named(self, node: PlanNode, plan: Any, weight: Any) -> DataFrame:
        kept: dict[int, Any] = {}
        for attribute, reference in zip(attributes(plan.output()), elements(plan.output()), strict=True):
            kept.setdefault(attribute.id, reference)
        # Named here and not by toDF: every frame is analysed anew, which is most of what a small refresh costs.
        chosen = [self._alias(kept[number], column(number)) for number in dict.fromkeys(node.ids)]
        if weight is not None:
            chosen.append(self._alias(weight, WEIGHT))
        return self._frame(self._logical.Project(self._seq(chosen), plan))

    def _attributes(self, frame: DataFrame) -> list[_Given]:
        output = elements(self._plan(frame).output())
        return [_Given(name, reference) for name, reference in zip(frame.columns, output, strict=True)]

    def _alias(self, expression: Any, name: str, identifier: Any = None) -> Any:
        identifier = identifier if identifier is not None else self._expressions.NamedExpression.newExprId()
        nothing = self._seq([])
        return self._expressions.Alias(expression, name, identifier, nothing, self._jvm.scala.Option.empty(), nothing)

    def _plan(self, frame: DataFrame) -> Any:
        return frame._jdf.queryExecution().analyzed()

    def _frame(self, plan: Any) -> DataFrame:
        dataset = self._jvm.org.apache.spark.sql.classic.Dataset.ofRows(self._session._jsparkSession, plan)
        return DataFrame(dataset, self._session)

    def _seq(self, items: Sequence[Any]) -> Any:
        java_list = self._jvm.java.util.ArrayList()
        for item in items:
            java_list.add(item)
        return self._jvm.PythonUtils.toSeq(java_list)


class _Given:
    """A column of a frame: its name, and Spark's attribute."""

    def __init__(self, name: str, reference: Any) -> None:
        self.name, self.reference = name, reference
