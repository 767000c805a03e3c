"""A digest of an analysed plan: whether a query function returns the same query as it did before.

A function may look at data while it builds its query (`pivot`, `collect`), so that the query itself changes with the
data. Such a change is seen here; that the rows then follow from what changed in the tables could not be said.
"""

from __future__ import annotations

import hashlib
import re

from pyspark.sql import DataFrame

from lakehouse.analysis.catalyst import analysed_plan, nodes

_IDENTIFIER = re.compile(r"#\d+")
_ALL_FIELDS = 100_000


def plan_digest(frame: DataFrame) -> str | None:
    """The digest (hex), equal in every process for the same query over the same columns; None for a query that
    holds rows made in Python, of which nothing can be said."""
    plan = analysed_plan(frame)
    parts: list[str] = []
    for node in nodes(plan):
        if node.name == "LogicalRDD":
            return None
        if node.name == "LocalRelation":
            parts.append(str(node.plan.data().toString()))
    text = str(plan.treeString(True, False, _ALL_FIELDS, False, False))
    numbers: dict[str, str] = {}
    parts.append(_IDENTIFIER.sub(lambda found: numbers.setdefault(found[0], f"#{len(numbers)}"), text))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
