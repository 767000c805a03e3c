"""Everything a plan needs to know of one query, asked in one go."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from lakehouse.analysis.algebra import read_algebra
from lakehouse.analysis.column_lineage import QueryLineage, column_lineage
from lakehouse.analysis.reads import query_reads
from lakehouse.analysis.schema import OutputColumn, output_columns
from lakehouse.names import TableName
from lakehouse.plan.algebra import PlanNode
from lakehouse.plan.maintenance import Maintenance, Refusal, derive_maintenance


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryAnalysis:
    """What an analysed query reads (`tables` and temporary `views`, direct or through views), what it returns, where
    its columns come from, which time functions it calls (`volatile`), and what it reads undeclared. `unstable` are the
    expressions that may give other values each time; `maintenance` says how it can be kept up to date by what changed,
    or why it cannot, by its `algebra`; both are None where that was not asked."""

    tables: tuple[TableName, ...]
    views: tuple[TableName, ...]
    columns: tuple[OutputColumn, ...]
    lineage: QueryLineage
    volatile: tuple[str, ...]
    undeclared: tuple[str, ...]
    unstable: tuple[str, ...] = ()
    algebra: PlanNode | None = None
    maintenance: Maintenance | Refusal | None = None


def analyse_query(frame: DataFrame, optimiser: SparkSession | None = None) -> QueryAnalysis:
    """The analysis of a frame over the project's datasets. Nothing is executed. With an `optimising_session` it
    tells the maintenance, too, which takes a tenth of a second; its datasets must then be tables, if empty ones."""
    reads = query_reads(frame)
    root = read_algebra(frame, optimiser).root if optimiser is not None else None
    return QueryAnalysis(
        tables=reads.tables,
        views=tuple(TableName("", name) for name in reads.temporary_views),
        columns=output_columns(frame),
        lineage=column_lineage(frame),
        volatile=reads.volatile,
        undeclared=tuple(str(read) for read in reads.undeclared),
        unstable=reads.unstable,
        algebra=root,
        maintenance=derive_maintenance(root) if root is not None else None,
    )
