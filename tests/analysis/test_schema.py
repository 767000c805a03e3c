"""Columns of a query as text, and the empty query made of that text."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from lakehouse.analysis.schema import OutputColumn, empty_select, output_columns, quote_string, view_columns

TYPES = [
    *(
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INT",
        "BIGINT",
        "FLOAT",
        "DOUBLE",
        "DECIMAL(38,18)",
        "STRING",
        "BINARY",
        "DATE",
    ),
    *("TIMESTAMP", "TIMESTAMP_NTZ", "VOID", "VARIANT", "INTERVAL DAY TO SECOND", "INTERVAL YEAR TO MONTH", "INTERVAL"),
    *("ARRAY<ARRAY<DECIMAL(3,1)>>", "MAP<STRING, ARRAY<INT>>", "STRING COLLATE UTF8_LCASE"),
    "STRUCT<a: INT NOT NULL, `b c`: STRUCT<`d``e`: DATE COMMENT 'it\\'s'>, select: MAP<INT, STRUCT<x: VARIANT>>>",
]


def test_names_and_comments_are_quoted() -> None:
    columns = [OutputColumn(name="a`b", type="INT", comment="it's \\ one\nline")]
    assert empty_select(columns) == "SELECT CAST(NULL AS INT) AS `a``b` WHERE false"
    assert view_columns(columns) == "(`a``b` COMMENT 'it\\'s \\\\ one\\nline')"
    assert quote_string("") == "''"


@pytest.mark.spark
def test_output_columns_tell_name_type_nullability_and_comment(project: SparkSession) -> None:
    frame = project.sql("SELECT id, 1 AS one, CAST(1.5 AS DECIMAL(4,2)) AS `a b`, address FROM silver.orders")
    assert output_columns(frame) == (
        OutputColumn(name="id", type="BIGINT"),
        OutputColumn(name="one", type="INT", nullable=False),
        OutputColumn(name="a b", type="DECIMAL(4,2)", nullable=False),
        OutputColumn(name="address", type="STRUCT<city: STRING, zip: STRING>"),
    )


@pytest.mark.spark
def test_an_empty_select_returns_the_same_columns_for_every_type(project: SparkSession) -> None:
    columns = tuple(OutputColumn(name=f"c {n}", type=type_text) for n, type_text in enumerate(TYPES))
    frame = project.sql(empty_select(columns))
    assert output_columns(frame) == columns
    assert frame.count() == 0
    assert output_columns(project.sql(empty_select(output_columns(frame)))) == columns


@pytest.mark.spark
def test_a_view_keeps_names_and_comments(project: SparkSession) -> None:
    columns = (
        OutputColumn(name="a.b `c`", type="INT", comment="it's \\ 'quoted'\n\"two\" lines"),
        OutputColumn(name="plain", type="STRING"),
    )
    project.sql(f"CREATE VIEW silver.commented {view_columns(columns)} AS {empty_select(columns)}")
    try:
        assert output_columns(project.table("silver.commented")) == columns
    finally:
        project.sql("DROP VIEW silver.commented")
