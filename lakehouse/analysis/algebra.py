"""The algebra of a query, read from the plan that Spark's optimiser makes of it.

The optimiser turns EXISTS, IN and correlated subqueries into joins, INTERSECT and EXCEPT into joins and aggregates.
It is asked in a session of its own, whose rules do not depend on the tables' contents, so that the algebra of a query
is the same whatever the tables hold. An uncorrelated scalar subquery is turned into a left join with its one row here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from lakehouse.analysis.algebra_nodes import read_node
from lakehouse.analysis.catalyst import analysed_plan, attributes, elements, nodes
from lakehouse.analysis.plan_binding import sibling_with
from lakehouse.analysis.scalar_subqueries import lift_scalar_subqueries
from lakehouse.names import TableName
from lakehouse.plan.algebra import NodeKind, PlanNode

_CONTENT_BLIND = {
    "spark.databricks.delta.stats.skipping": "false",
    "spark.databricks.delta.optimizeMetadataQuery.enabled": "false",
    "spark.sql.optimizer.runtime.bloomFilter.enabled": "false",
    "spark.sql.optimizer.runtimeFilter.semiJoinReduction.enabled": "false",
    "spark.sql.optimizer.dynamicPartitionPruning.enabled": "false",
    "spark.sql.optimizer.nestedSchemaPruning.enabled": "false",
    "spark.sql.variant.pushVariantIntoScan": "false",  # it gives the columns other identifiers
    "spark.sql.optimizer.excludedRules": ",".join(
        f"org.apache.spark.sql.catalyst.optimizer.{rule}"
        for rule in ("InferWindowGroupLimit", "MergeScalarSubqueries", "InjectRuntimeFilter")
    ),
}
"""Settings under which an optimised plan does not depend on what the tables hold."""


@dataclass(frozen=True, slots=True)
class Algebra:
    """A query's root node, and Spark's operator (a JVM object) for every node by its `id`; `columns` are the names of
    the query's columns, in the order of the root's output."""

    root: PlanNode
    operators: tuple[Any, ...]
    columns: tuple[str, ...]
    sources: dict[int, TableName]


def optimising_session(session: SparkSession) -> SparkSession:
    """A sibling of the session whose optimiser does not look at the tables' contents."""
    return sibling_with(session, _CONTENT_BLIND)


def read_algebra(frame: DataFrame, optimiser: SparkSession) -> Algebra:
    """The algebra of an analysed frame over the project's datasets; `optimiser` is an `optimising_session`.

    Nothing is executed. A part that is not understood is an OPAQUE node, all of it where the optimiser fails: whether
    the query can be computed then shows where it is.
    """
    plan = analysed_plan(frame)
    sources = _source_columns(plan)
    execution: Any = frame.sparkSession._jvm
    mode = getattr(getattr(execution.org.apache.spark.sql.execution, "CommandExecutionMode$"), "MODULE$").ALL()
    try:
        optimised = optimiser._jsparkSession.sessionState().executePlan(plan, mode).optimizedPlan()
    except (PySparkException, Py4JJavaError):  # as Spark's check of what its own rules make of rare queries
        text = "a query that Spark's optimiser fails on"
        root = PlanNode(id=0, kind=NodeKind.OPAQUE, name="Query", output=(), text=text, problem=text)
        return Algebra(root, (), tuple(frame.columns), sources)
    lifted = lift_scalar_subqueries(optimised, execution)
    operators: list[Any] = []
    root = read_node(lifted, sources, operators)
    return Algebra(root, tuple(operators), tuple(frame.columns), sources)


def _source_columns(plan: Any) -> dict[int, TableName]:
    """For every column of a relation below a dataset's view: which dataset."""
    found: dict[int, TableName] = {}
    for node in nodes(plan):
        if node.dataset is None:
            continue
        for leaf in elements(node.plan.collectLeaves()):
            for attribute in attributes(leaf.output()):
                found[attribute.id] = node.dataset
    return found
