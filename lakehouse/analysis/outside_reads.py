"""Does an analysed plan read data from elsewhere than the tables of one database of its session?"""

from __future__ import annotations

from typing import Any

from lakehouse.analysis.catalyst import elements, patterns_in

_READS = frozenset(
    {
        *("LogicalRelation", "DataSourceV2Relation", "DataSourceV2ScanRelation", "HiveTableRelation"),
        *("StreamingRelation", "StreamingRelationV2", "StreamingDataSourceV2Relation", "UnresolvedCatalogRelation"),
        "CreateTempViewUsing",  # names a path, and is no relation yet
    }
)
_OF_A_LOG = "DeltaLogFileIndex"  # how Delta reads a table's own log to know the table


def reads_outside(plan: Any, database: str) -> bool:
    """Whether some leaf of the plan, subqueries included, is data from outside of the database: a path, or a table of
    another. Rows made in the session, and what Delta reads of its logs, are not."""
    plans = [plan]
    if patterns_in(plan, "PLAN_EXPRESSION"):
        plans += elements(plan.subqueriesAll())
    return any(_is_outside(leaf, database) for each in plans for leaf in elements(each.collectLeaves()))


def _is_outside(leaf: Any, database: str) -> bool:
    kind = str(leaf.getClass().getSimpleName())
    if kind not in _READS:
        return False
    if kind != "LogicalRelation":
        return True
    table = leaf.catalogTable()
    if table.isDefined():
        return str(table.get().identifier().database().get()) != database
    relation = leaf.relation()
    is_files = str(relation.getClass().getSimpleName()) == "HadoopFsRelation"
    return not (is_files and str(relation.location().getClass().getSimpleName()) == _OF_A_LOG)
