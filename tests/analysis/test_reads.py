"""What queries read, and what of them varies by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.analysis.reads import (
    Nondeterminism,
    Variation,
    query_reads,
)
from lakehouse.names import TableName

pytestmark = pytest.mark.spark

Query = str | Callable[[SparkSession], DataFrame]


def analysed(session: SparkSession, query: Query) -> DataFrame:
    return session.sql(query) if isinstance(query, str) else query(session)


READS: list[tuple[Query, str]] = [
    ("SELECT * FROM silver.orders", "orders"),
    ("SELECT * FROM Silver.ORDERS", "orders"),
    ("SELECT * FROM spark_catalog.silver.orders", "orders"),
    ("SELECT 1 AS x", ""),
    ("SELECT * FROM silver.orders a JOIN silver.orders b USING (id)", "orders"),
    ("SELECT customer FROM silver.orders UNION SELECT region FROM silver.rates", "orders rates"),
    ("WITH c AS (SELECT * FROM silver.customers) SELECT * FROM c", "customers"),
    ("WITH c AS (SELECT * FROM silver.customers), d AS (SELECT * FROM c) SELECT 1 AS x FROM d, c", "customers"),
    ("SELECT (SELECT max(rate) FROM silver.rates) AS m FROM silver.orders", "orders rates"),
    ("SELECT * FROM silver.orders WHERE EXISTS (SELECT 1 FROM silver.rates)", "orders rates"),
    ("SELECT * FROM silver.orders WHERE customer IN (SELECT customer FROM silver.customers)", "customers orders"),
    (
        "SELECT * FROM silver.orders WHERE customer IN (SELECT customer FROM silver.customers c "
        "WHERE region = (SELECT max(region) FROM silver.rates))",
        "customers orders rates",
    ),
    ("SELECT * FROM silver.orders, LATERAL (SELECT rate FROM silver.rates)", "orders rates"),
    ("SELECT * FROM large_orders", "orders"),
    ("SELECT * FROM silver.rates JOIN paid", "orders rates"),
    (lambda s: s.table("silver.orders").join(s.read.table("silver.customers"), "customer"), "customers orders"),
    (lambda s: s.createDataFrame([(1, "a")], "id long, b string").join(s.table("silver.orders"), "id"), "orders"),
    (lambda s: s.table("large_orders").cache(), "orders"),
]


@pytest.mark.parametrize(("query", "expected"), READS)
def test_tables_read_finds_every_dataset(project: SparkSession, query: Query, expected: str) -> None:
    frame = analysed(project, query)
    assert query_reads(frame).tables == tuple(TableName("silver", name) for name in expected.split())
    assert query_reads(frame).undeclared == ()


def test_temporary_views_are_found_through_one_another(project: SparkSession) -> None:
    assert query_reads(project.sql("SELECT * FROM large_orders")).temporary_views == ("large_orders", "paid")
    assert query_reads(project.sql("SELECT 1 WHERE EXISTS (SELECT * FROM PAID)")).temporary_views == ("paid",)
    assert query_reads(project.table("silver.orders")).temporary_views == ()


def test_undeclared_files_are_named(project: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,x\n1,2\n")
    frame = project.read.csv(str(tmp_path), header=True).join(project.table("silver.orders"), "id")
    (read,) = query_reads(frame).undeclared
    assert (read.format, read.table) == ("CSV", None)
    assert read.paths == (f"file:{tmp_path}",)
    assert [file.rpartition("/")[2] for file in read.files] == ["a.csv"]
    assert query_reads(frame).tables == (TableName("silver", "orders"),)


def test_undeclared_delta_tables_are_named(project: SparkSession) -> None:
    (by_name,) = query_reads(project.sql("SELECT * FROM silver.rates JOIN raw_silver.orders")).undeclared
    assert (by_name.format, by_name.table) == ("Delta", "spark_catalog.raw_silver.orders")
    (by_path,) = query_reads(project.sql(f"SELECT * FROM delta.`{by_name.paths[0].removeprefix('file:')}`")).undeclared
    assert (by_path.paths, by_path.files) == (by_name.paths, by_name.files)
    assert len(by_path.files) == 1


def test_an_undeclared_read_inside_a_subquery_is_found(project: SparkSession) -> None:
    frame = project.sql("SELECT id FROM silver.orders WHERE id IN (SELECT id FROM raw_silver.orders)")
    assert [read.format for read in query_reads(frame).undeclared] == ["Delta"]


def test_rows_of_a_broken_lineage_are_undeclared_but_rows_made_in_python_are_not(project: SparkSession) -> None:
    orders = project.table("silver.orders").select("id")
    for lost in (orders.localCheckpoint(), orders.rdd.toDF("id long")):
        assert [read.format for read in query_reads(lost).undeclared] == ["LogicalRDD"]
    for made in (project.createDataFrame([(1,)], "a int"), project.range(3), project.createDataFrame([], "a int")):
        assert query_reads(made).undeclared == ()


def unstable(session: SparkSession) -> DataFrame:
    roll = F.udf(lambda text: text, "string").asNondeterministic()
    return session.table("silver.orders").select(roll("customer").alias("x"))


VARYING: list[tuple[Query, list[tuple[str, Variation]]]] = [
    ("SELECT id, upper(customer) AS u, sum(amount) OVER (ORDER BY id) AS s FROM silver.orders", []),
    ("SELECT rand() + rand(1) AS r FROM silver.orders", [("rand", Variation.RANDOM)]),
    ("SELECT uuid() AS u FROM silver.orders", [("uuid", Variation.RANDOM)]),
    ("SELECT id FROM silver.orders TABLESAMPLE (10 PERCENT)", [("sample", Variation.RANDOM)]),
    ("SELECT id FROM silver.orders WHERE id > unix_timestamp()", [("current_timestamp", Variation.CLOCK)]),
    (
        "SELECT now() AS n, date_add(current_date(), 1) AS d FROM silver.orders",
        [("current_date", Variation.CLOCK), ("now", Variation.CLOCK)],
    ),
    (
        "SELECT id FROM silver.orders WHERE EXISTS (SELECT 1 FROM silver.customers WHERE since < current_date())",
        [("current_date", Variation.CLOCK)],
    ),
    ("WITH c AS (SELECT current_timestamp() AS t) SELECT t FROM c", [("current_timestamp", Variation.CLOCK)]),
    ("SELECT id, (SELECT rand()) AS m FROM silver.orders", [("rand", Variation.RANDOM)]),
    ("SELECT current_user() AS u", [("current_user", Variation.SESSION)]),
    ("SELECT 1 + first(id) AS f FROM silver.orders", [("first", Variation.ORDER)]),
    ("SELECT any_value(id) AS f FROM silver.orders", [("any_value", Variation.ORDER)]),
    ("SELECT spark_partition_id() AS f FROM silver.orders", [("SPARK_PARTITION_ID", Variation.ORDER)]),
    ("SELECT max(id) AS f FROM silver.orders", []),
    ("SELECT collect_list(id) AS f FROM silver.orders GROUP BY customer", [("collect_list", Variation.ORDER)]),
    (
        "SELECT monotonically_increasing_id() AS m FROM silver.orders",
        [("monotonically_increasing_id", Variation.ORDER)],
    ),
    (unstable, [("<lambda>", Variation.FUNCTION)]),
    (lambda s: s.table("silver.orders").select(F.udf(lambda text: text)("customer").alias("x")), []),
    (lambda s: s.table("silver.orders").sample(0.5), [("sample", Variation.RANDOM)]),
]


@pytest.mark.parametrize(("query", "expected"), VARYING)
def test_nondeterminism_names_what_varies(
    project: SparkSession, query: Query, expected: list[tuple[str, Variation]]
) -> None:
    frame = analysed(project, query)
    found = [Nondeterminism(expression=expression, variation=variation) for expression, variation in expected]
    assert list(query_reads(frame).nondeterminism) == found
