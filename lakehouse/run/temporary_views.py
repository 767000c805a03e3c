"""A temporary view's rows as everything that reads it sees them: those of its query that no expectation drops.

Nothing is written, so nothing is counted or set aside; `graph.validation` lets only `on_violation: drop` pass.
"""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.definition.dataset import TemporaryView
from lakehouse.quality.rule import compile_rules
from lakehouse.run.evaluation import evaluate_query


def temporary_view_rows(session: SparkSession, view: TemporaryView, root: Path) -> DataFrame:
    """The rows of the view, not computed yet. Raises MissingTable, QueryError, and what `compile_rules` raises for
    expectations that do not fit the query's columns."""
    frame = evaluate_query(session, view, root)
    columns = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    for rule in compile_rules(view.expectations, columns).rows:
        # A plain filter, which Spark can push down to what the view reads, and which is maintained like any other.
        frame = frame.where(~F.expr(rule.violation))
    return frame
