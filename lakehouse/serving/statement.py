"""Is a SQL text a query? Asked from Spark's parser, before anything runs: Spark executes commands while it analyses.

The list names what queries are made of. What is not on it is refused, so that a command nobody thought of, such as
Delta's RESTORE TABLE, whose plan does not look like a command, cannot pass.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from lakehouse.analysis.catalyst import nodes
from lakehouse.errors import UsageError

_QUERY_NODES = frozenset(
    {
        *("Project", "Filter", "UnresolvedHaving", "Aggregate", "Window", "WithWindowDefinition", "Distinct", "Expand"),
        *("Sort", "GlobalLimit", "LocalLimit", "Offset", "Sample", "Pivot", "UnresolvedUnpivot", "Unpivot", "Generate"),
        *("Join", "LateralJoin", "AsOfJoin", "Union", "Intersect", "Intersect All", "Except", "Except All"),
        *("UnresolvedWith", "UnresolvedWithCTERelations", "SubqueryAlias", "UnresolvedSubqueryColumnAliases"),
        *("UnresolvedRelation", "RelationTimeTravel", "UnresolvedTableValuedFunction", "UnresolvedTVFAliases"),
        *("UnresolvedInlineTable", "LocalRelation", "OneRowRelation", "ResolvedInlineTable", "Range"),
        *("UnresolvedHint", "RepartitionByExpression", "PipeOperator", "CTERelationDef", "WithCTE"),
    }
)


def require_query(session: SparkSession, text: str) -> None:
    """Raises UsageError for a statement that is not a query, and what Spark raises for one it cannot parse."""
    plan: Any = session._jsparkSession.sessionState().sqlParser().parsePlan(text)
    for node in nodes(plan):
        if node.name not in _QUERY_NODES:
            raise UsageError(
                f"only queries can be run here, and this is not one: '{_beginning(text)}' ({node.name}).",
                hint="Tables are written by the pipeline: declare a dataset and run it.",
            )


def _beginning(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 60 else f"{words[:57]}..."
