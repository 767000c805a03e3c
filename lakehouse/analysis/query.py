"""Everything a plan needs to know of one query, asked in one go."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame

from lakehouse.analysis.column_lineage import QueryLineage, column_lineage
from lakehouse.analysis.reads import query_reads
from lakehouse.analysis.schema import OutputColumn, output_columns
from lakehouse.names import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryAnalysis:
    """What an analysed query reads (`tables` and temporary `views`, direct or through views), what it returns, where
    its columns come from, which time functions it calls (`volatile`), and what it reads undeclared."""

    tables: tuple[TableName, ...]
    views: tuple[TableName, ...]
    columns: tuple[OutputColumn, ...]
    lineage: QueryLineage
    volatile: tuple[str, ...]
    undeclared: tuple[str, ...]


def analyse_query(frame: DataFrame) -> QueryAnalysis:
    """The analysis of a frame over the project's datasets. Nothing is executed."""
    reads = query_reads(frame)
    return QueryAnalysis(
        tables=reads.tables,
        views=tuple(TableName("", name) for name in reads.temporary_views),
        columns=output_columns(frame),
        lineage=column_lineage(frame),
        volatile=reads.volatile,
        undeclared=tuple(str(read) for read in reads.undeclared),
    )
