"""Column lineage, case by case: what is written, where each column comes from, what decides the rows.

A source is written `table.column`; `?table.column` decides which rows a single value sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from lakehouse.analysis.column_lineage import ColumnSource, SourceKind, column_lineage

pytestmark = pytest.mark.spark

Query = str | Callable[[SparkSession], DataFrame]


@dataclass(frozen=True)
class Case:
    """`columns` maps each output to its sources, `conditions` are the query's, all space-separated."""

    name: str
    query: Query
    columns: dict[str, str]
    conditions: str = ""
    untraced: tuple[str, ...] = ()


def orders(session: SparkSession) -> DataFrame:
    return session.read.table("silver.orders")


def customers(session: SparkSession) -> DataFrame:
    return session.read.table("silver.customers")


def same_frames(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    yield from frames


def self_join(session: SparkSession) -> DataFrame:
    left, right = orders(session).alias("l"), orders(session).alias("r")
    joined = left.join(right, F.col("l.id") == F.col("r.amount"))
    return joined.select(F.col("l.customer").alias("a"), F.col("r.customer").alias("b"))


def chain(session: SparkSession) -> DataFrame:
    frame = orders(session).withColumn("x", F.col("amount") + 1).withColumn("x", F.col("x") * F.col("id"))
    return frame.withColumnRenamed("customer", "who").drop("id", "tags", "address", "amount").fillna("?", ["who"])


def python_function(session: SparkSession) -> DataFrame:
    shout = F.udf(lambda text, number: f"{text}{number}", "string")
    return orders(session).select(shout("customer", F.col("amount") + 1).alias("shouted"))


ALL = "orders.id orders.customer orders.amount"
SQL_CASES = [
    Case("columns", "SELECT id, customer AS who FROM silver.orders", {"id": "orders.id", "who": "orders.customer"}),
    Case(
        "star",
        "SELECT * FROM silver.customers",
        {"customer": "customers.customer", "region": "customers.region", "since": "customers.since"},
    ),
    Case("expression", "SELECT amount + id AS s FROM silver.orders", {"s": "orders.amount orders.id"}),
    Case("constant", "SELECT 1 AS one, 'x' AS x FROM silver.orders", {"one": "", "x": ""}),
    Case(
        "same name twice",
        "SELECT id, id AS id2, id + 1 AS id3 FROM silver.orders",
        dict.fromkeys(["id", "id2", "id3"], "orders.id"),
    ),
    Case(
        "case expression",
        "SELECT CASE WHEN amount > 1 THEN customer ELSE 'none' END AS c FROM silver.orders",
        {"c": "orders.amount orders.customer"},
    ),
    Case("filter", "SELECT id FROM silver.orders WHERE amount > 1", {"id": "orders.id"}, "orders.amount"),
    Case(
        "group",
        "SELECT customer, sum(amount) AS total, count(*) AS n FROM silver.orders GROUP BY customer",
        {"customer": "orders.customer", "total": "orders.amount", "n": ""},
        "orders.customer",
    ),
    Case(
        "having",
        "SELECT customer FROM silver.orders GROUP BY customer HAVING max(amount) > 1",
        {"customer": "orders.customer"},
        "orders.customer orders.amount",
    ),
    Case(
        "group by an expression",
        "SELECT upper(customer) AS c, max(id) AS m FROM silver.orders GROUP BY upper(customer)",
        {"c": "orders.customer", "m": "orders.id"},
        "orders.customer",
    ),
    Case(
        "aggregate with a filter",
        "SELECT sum(amount) FILTER (WHERE id > 1) AS s FROM silver.orders",
        {"s": "orders.amount orders.id"},
    ),
    Case(
        "join",
        "SELECT o.id, c.region FROM silver.orders o JOIN silver.customers c ON o.customer = c.customer",
        {"id": "orders.id", "region": "customers.region"},
        "orders.customer customers.customer",
    ),
    Case(
        "full join using",
        "SELECT customer, region FROM silver.orders FULL JOIN silver.customers USING (customer)",
        {"customer": "orders.customer customers.customer", "region": "customers.region"},
        "orders.customer customers.customer",
    ),
    Case(
        "natural join",
        "SELECT * FROM silver.customers NATURAL JOIN silver.rates",
        {
            "region": "customers.region",
            "customer": "customers.customer",
            "since": "customers.since",
            "rate": "rates.rate",
        },
        "customers.region rates.region",
    ),
    Case("cross join", "SELECT id, rate FROM silver.orders, silver.rates", {"id": "orders.id", "rate": "rates.rate"}),
    Case(
        "semi join",
        "SELECT id FROM silver.orders o LEFT SEMI JOIN silver.customers c ON o.customer = c.customer",
        {"id": "orders.id"},
        "orders.customer customers.customer",
    ),
    Case(
        "three sides of a self join",
        "SELECT a.id AS x, b.amount AS y, c.customer AS z FROM silver.orders a JOIN silver.orders b ON a.id = b.id "
        "JOIN silver.orders c ON b.id = c.amount",
        {"x": "orders.id", "y": "orders.amount", "z": "orders.customer"},
        "orders.id orders.amount",
    ),
    Case(
        "union",
        "SELECT id AS k, customer FROM silver.orders "
        "UNION ALL SELECT amount, region FROM silver.orders JOIN silver.rates",
        {"k": "orders.id orders.amount", "customer": "orders.customer rates.region"},
    ),
    Case(
        "union distinct of one table with itself",
        "SELECT customer FROM silver.orders UNION SELECT customer FROM silver.orders",
        {"customer": "orders.customer"},
        "orders.customer",
    ),
    Case(
        "intersect",
        "SELECT customer FROM silver.orders INTERSECT SELECT customer FROM silver.customers",
        {"customer": "orders.customer"},
        "orders.customer customers.customer",
    ),
    Case(
        "except",
        "SELECT customer FROM silver.orders EXCEPT ALL SELECT region FROM silver.rates",
        {"customer": "orders.customer"},
        "orders.customer rates.region",
    ),
    Case(
        "intersect all",
        "SELECT customer FROM silver.orders INTERSECT ALL SELECT region FROM silver.rates",
        {"customer": "orders.customer"},
        "orders.customer rates.region",
    ),
    Case("distinct", "SELECT DISTINCT customer FROM silver.orders", {"customer": "orders.customer"}, "orders.customer"),
    Case(
        "common table expressions",
        "WITH a AS (SELECT customer AS c, amount FROM silver.orders WHERE id > 0), "
        "b AS (SELECT c, sum(amount) AS t FROM a GROUP BY c) SELECT b.t, b.c FROM b",
        {"t": "orders.amount", "c": "orders.customer"},
        "orders.id orders.customer",
    ),
    Case(
        "a common table expression used twice",
        "WITH a AS (SELECT id, amount FROM silver.orders) SELECT x.amount, y.id FROM a x JOIN a y ON x.id = y.amount",
        {"amount": "orders.amount", "id": "orders.id"},
        "orders.id orders.amount",
    ),
    Case(
        "recursion",
        "WITH RECURSIVE r (n, w, p) AS (SELECT id, customer, '' FROM silver.orders UNION ALL "
        "SELECT n + 1, w, w FROM r WHERE n < 5) SELECT n, w, p FROM r",
        {"n": "orders.id", "w": "orders.customer", "p": "orders.customer"},
        "orders.id",
    ),
    Case(
        "scalar subquery",
        "SELECT id, (SELECT max(rate) FROM silver.rates) AS top FROM silver.orders",
        {"id": "orders.id", "top": "rates.rate"},
    ),
    Case(
        "correlated scalar subquery",
        "SELECT id, (SELECT max(c.since) FROM silver.customers c WHERE c.customer = o.customer) AS s "
        "FROM silver.orders o",
        {"id": "orders.id", "s": "customers.since ?customers.customer ?orders.customer"},
    ),
    Case(
        "subquery that returns an outer column",
        "SELECT (SELECT o.amount + 1) AS s FROM silver.orders o",
        {"s": "orders.amount"},
    ),
    Case(
        "exists",
        "SELECT id FROM silver.orders o WHERE EXISTS (SELECT 1 FROM silver.customers c WHERE c.customer = o.customer)",
        {"id": "orders.id"},
        "orders.customer customers.customer",
    ),
    Case(
        "in",
        "SELECT id FROM silver.orders "
        "WHERE customer NOT IN (SELECT customer FROM silver.customers WHERE region = 'EU')",
        {"id": "orders.id"},
        "orders.customer customers.customer customers.region",
    ),
    Case(
        "common table expression inside a subquery",
        "SELECT id FROM silver.orders "
        "WHERE amount > (WITH a AS (SELECT rate FROM silver.rates) SELECT max(rate) FROM a)",
        {"id": "orders.id"},
        "orders.amount rates.rate",
    ),
    Case(
        "lateral subquery",
        "SELECT o.id, x.s FROM silver.orders o, LATERAL (SELECT o.customer || c.region AS s FROM silver.customers c "
        "WHERE c.customer = o.customer) x",
        {"id": "orders.id", "s": "orders.customer customers.region"},
        "orders.customer customers.customer",
    ),
    Case(
        "window",
        "SELECT id, sum(amount) OVER (PARTITION BY customer ORDER BY id) AS running FROM silver.orders",
        {"id": "orders.id", "running": "orders.amount ?orders.customer ?orders.id"},
    ),
    Case(
        "ranking",
        "SELECT row_number() OVER (PARTITION BY customer ORDER BY amount) AS n, rank() OVER (ORDER BY id) AS r "
        "FROM silver.orders",
        {"n": "?orders.customer ?orders.amount", "r": "?orders.id"},
    ),
    Case(
        "the newest of each",
        "SELECT id, customer FROM (SELECT *, row_number() OVER (PARTITION BY customer ORDER BY amount DESC) AS n "
        "FROM silver.orders) WHERE n = 1",
        {"id": "orders.id", "customer": "orders.customer"},
        "orders.customer orders.amount",
    ),
    Case(
        "window over an aggregate",
        "SELECT customer, rank() OVER (ORDER BY sum(amount)) AS r FROM silver.orders GROUP BY customer",
        {"customer": "orders.customer", "r": "?orders.amount"},
        "orders.customer",
    ),
    Case(
        "explode",
        "SELECT id, tag FROM silver.orders LATERAL VIEW explode(tags) t AS tag",
        {"id": "orders.id", "tag": "orders.tags"},
        "orders.tags",
    ),
    Case(
        "explode in the select list",
        "SELECT posexplode(tags) FROM silver.orders",
        {"pos": "orders.tags", "col": "orders.tags"},
        "orders.tags",
    ),
    Case(
        "higher-order function",
        "SELECT transform(tags, t -> t || customer) AS x FROM silver.orders",
        {"x": "orders.tags orders.customer"},
    ),
    Case(
        "struct field",
        "SELECT address.city, named_struct('z', address.zip, 'i', id) AS s FROM silver.orders",
        {"city": "orders.address", "s": "orders.address orders.id"},
    ),
    Case(
        "grouping sets",
        "SELECT customer, id, sum(amount) AS s FROM silver.orders GROUP BY GROUPING SETS ((customer), (customer, id))",
        {"customer": "orders.customer", "id": "orders.id", "s": "orders.amount"},
        "orders.customer orders.id",
    ),
    Case(
        "pivot",
        "SELECT * FROM (SELECT customer, id, amount FROM silver.orders) "
        "PIVOT (sum(amount) FOR id IN (1 AS one, 2 AS two))",
        {"customer": "orders.customer", "one": "orders.amount orders.id", "two": "orders.amount orders.id"},
        "orders.customer orders.id",
    ),
    Case(
        "unpivot",
        "SELECT * FROM (SELECT customer, id, amount FROM silver.orders) UNPIVOT (value FOR name IN (id, amount))",
        {"customer": "orders.customer", "name": "", "value": "orders.id orders.amount"},
        "orders.id orders.amount",
    ),
    Case("order without limit", "SELECT id FROM silver.orders ORDER BY amount", {"id": "orders.id"}),
    Case("top rows", "SELECT id FROM silver.orders ORDER BY amount LIMIT 3", {"id": "orders.id"}, "orders.amount"),
    Case("sample", "SELECT id FROM silver.orders TABLESAMPLE (10 PERCENT)", {"id": "orders.id"}),
    Case("hint", "SELECT /*+ REPARTITION(2, id) */ id FROM silver.orders", {"id": "orders.id"}),
    Case(
        "temporary views",
        "SELECT twice, id FROM large_orders",
        {"twice": "orders.amount", "id": "orders.id"},
        "orders.amount",
    ),
    Case(
        "lateral column alias",
        "SELECT amount + 1 AS a, a + id AS b FROM silver.orders",
        {"a": "orders.amount", "b": "orders.amount orders.id"},
    ),
    Case(
        "inline values",
        "SELECT v.k, o.id FROM VALUES (1, 'a') AS v(k, l) JOIN silver.orders o ON o.id = v.k",
        {"k": "", "id": "orders.id"},
        "orders.id",
    ),
    Case("range", "SELECT r.id, o.amount FROM range(3) r JOIN silver.orders o", {"id": "", "amount": "orders.amount"}),
    Case(
        "odd names",
        "SELECT id AS `a#1 AS b#2`, `a#1 AS b#2` AS `x, y` FROM silver.orders",
        {"a#1 AS b#2": "orders.id", "x, y": "orders.id"},
    ),
    Case(
        "pipe syntax",
        "FROM silver.orders |> WHERE id > 1 |> AGGREGATE sum(amount) AS s GROUP BY customer",
        {"customer": "orders.customer", "s": "orders.amount"},
        "orders.id orders.customer",
    ),
]
FRAME_CASES = [
    Case(
        "select and group",
        lambda s: orders(s).where("amount > 1").groupBy("customer").agg(F.sum("id").alias("n")),
        {"customer": "orders.customer", "n": "orders.id"},
        "orders.amount orders.customer",
    ),
    Case("chain of columns", chain, {"who": "orders.customer", "x": "orders.amount orders.id"}),
    Case(
        "join of a frame with itself",
        self_join,
        {"a": "orders.customer", "b": "orders.customer"},
        "orders.id orders.amount",
    ),
    Case(
        "join by name",
        lambda s: orders(s).join(customers(s), "customer", "left").select("customer", "region"),
        {"customer": "orders.customer", "region": "customers.region"},
        "orders.customer customers.customer",
    ),
    Case(
        "union by name",
        lambda s: (
            customers(s)
            .select("customer", "region")
            .unionByName(s.table("silver.rates").select("region"), allowMissingColumns=True)
        ),
        {"customer": "customers.customer", "region": "customers.region rates.region"},
    ),
    Case(
        "union of a frame with itself",
        lambda s: orders(s).select("id", "amount").union(orders(s).select("amount", "id")),
        {"id": "orders.id orders.amount", "amount": "orders.id orders.amount"},
    ),
    Case("python function", python_function, {"shouted": "orders.customer orders.amount"}),
    Case(
        "window",
        lambda s: orders(s).select(F.lag("amount").over(Window.partitionBy("customer").orderBy("id")).alias("before")),
        {"before": "orders.amount ?orders.customer ?orders.id"},
    ),
    Case(
        "pivot",
        lambda s: orders(s).groupBy("customer").pivot("id", [1, 2]).agg(F.max("amount")),
        {"customer": "orders.customer", "1": "orders.amount orders.id", "2": "orders.amount orders.id"},
        "orders.customer orders.id",
    ),
    Case(
        "duplicates dropped",
        lambda s: orders(s).dropDuplicates(["customer"]).select("id"),
        {"id": "orders.id"},
        "orders.customer",
    ),
    Case(
        "rows made in python",
        lambda s: orders(s).select("id").join(s.createDataFrame([(1, "x")], "id long, label string"), "id"),
        {"id": "orders.id", "label": ""},
        "orders.id",
    ),
    Case(
        "hint, repartition, sample, limit",
        lambda s: orders(s).select("id").hint("broadcast").repartition(3).sample(0.5, seed=1).orderBy("id").limit(1),
        {"id": "orders.id"},
        "orders.id",
    ),
    Case(
        "observed",
        lambda s: orders(s).observe("seen", F.count("id").alias("n")).select("id"),
        {"id": "orders.id"},
    ),
    Case(
        "frame function",
        lambda s: orders(s).select("id", "customer").mapInPandas(same_frames, "a long, b string"),
        {"a": "orders.id orders.customer", "b": "orders.id orders.customer"},
        "orders.id orders.customer",
        untraced=("MapInPandas",),
    ),
    Case(
        "function of groups",
        lambda s: orders(s).select("id", "amount").groupBy("id").applyInPandas(lambda frame: frame, "t long"),
        {"t": "orders.id orders.amount"},
        "orders.id orders.amount",
        untraced=("FlatMapGroupsInPandas",),
    ),
    Case(
        "rows of an unknown origin",
        lambda s: orders(s).select("id").localCheckpoint(),
        {"id": ""},
        untraced=("LogicalRDD",),
    ),
]


def written(sources: tuple[ColumnSource, ...], *, mark: str = "?") -> set[str]:
    assert all(source.table.schema == "silver" for source in sources)
    return {
        f"{mark if source.kind is SourceKind.CONDITION else ''}{source.table.name}.{source.column}"
        for source in sources
    }


@pytest.mark.parametrize("case", SQL_CASES + FRAME_CASES, ids=lambda case: case.name)
def test_every_column_is_traced_to_its_sources(project: SparkSession, case: Case) -> None:
    frame = project.sql(case.query) if isinstance(case.query, str) else case.query(project)
    lineage = column_lineage(frame)
    assert {column.output: written(column.sources) for column in lineage.columns} == {
        output: set(sources.split()) for output, sources in case.columns.items()
    }
    assert written(lineage.conditions, mark="") == set(case.conditions.split())
    assert lineage.untraced == case.untraced


def test_outputs_keep_their_order_and_their_duplicates(project: SparkSession) -> None:
    frame = project.sql("SELECT amount, id, amount FROM silver.orders")
    assert [column.output for column in column_lineage(frame).columns] == ["amount", "id", "amount"]


@pytest.mark.parametrize(
    ("query", "copies"),
    [
        ("SELECT id, customer AS who, amount + 1 AS more FROM silver.orders", {"id", "who"}),
        ("SELECT x FROM (SELECT customer AS x FROM silver.orders) WHERE x > 'a' ORDER BY x LIMIT 3", {"x"}),
        ("SELECT customer, max(amount) AS amount FROM silver.orders GROUP BY customer", {"customer"}),
        ("SELECT customer FROM silver.orders UNION ALL SELECT 'nobody'", {"customer"}),
        ("SELECT customer FROM silver.orders UNION ALL SELECT upper(customer) FROM silver.orders", set()),
        ("SELECT upper(customer) AS customer FROM silver.orders UNION ALL SELECT customer FROM silver.orders", set()),
        ("SELECT CAST(amount AS STRING) AS amount, coalesce(customer, '') AS customer FROM silver.orders", set()),
        ("SELECT (SELECT max(customer) FROM silver.orders) AS best, id FROM silver.orders", {"id"}),
        ("SELECT first_value(customer) OVER (ORDER BY id) AS f, id FROM silver.orders", {"id"}),
        ("WITH c AS (SELECT customer, id FROM silver.orders) SELECT a.customer, b.id FROM c a JOIN c b USING (id)",
         {"customer", "id"}),
        ("SELECT customer, id FROM silver.orders GROUP BY ROLLUP (customer, id)", set()),
    ],
)  # fmt: skip
def test_a_copy_is_a_value_that_no_expression_touched(project: SparkSession, query: str, copies: set[str]) -> None:
    lineage = column_lineage(project.sql(query))
    found = {
        column.output
        for column in lineage.columns
        if column.sources and all(source.kind is SourceKind.COPY for source in column.sources)
    }
    assert found == copies
