"""Every line of README's table of what is maintained, as a query: Spark's plan of it leads to the modes shown."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from lakehouse.analysis.algebra import optimising_session
from lakehouse.analysis.query import analyse_query
from lakehouse.plan.explanation import AllowedWays, KeyColumn, allowed_ways
from lakehouse.plan.maintained_operators import maintained_operators
from lakehouse.plan.maintenance import RefusalCode
from lakehouse.plan.refresh_plan import RefreshMode

pytestmark = pytest.mark.spark

_SUMS = "SELECT k, count(*) n, min(v) a, max(v) b, sum(v) s, avg(v) m, sum(d) ds, avg(d) da FROM kept.l GROUP BY k"
QUERIES = {
    "`SELECT` of expressions, `explode`": "SELECT k + 1 AS k, explode(array(v, v)) AS e FROM kept.l",
    "`WHERE`": "SELECT * FROM kept.l WHERE v > 1",
    "`UNION ALL`": "SELECT k FROM kept.l UNION ALL SELECT k FROM kept.r",
    "`JOIN`": "SELECT l.k, r.v FROM kept.l JOIN kept.r ON l.k = r.k",
    "`LEFT JOIN`": "SELECT l.k, r.v FROM kept.l LEFT JOIN kept.r ON l.k = r.k",
    "`FULL JOIN`": "SELECT l.k, r.v FROM kept.l FULL JOIN kept.r ON l.k = r.k",
    "`EXISTS`, `IN (SELECT …)`, `LEFT SEMI JOIN`": "SELECT * FROM kept.l WHERE k IN (SELECT k FROM kept.r)",
    "`NOT EXISTS`, `LEFT ANTI JOIN`": (
        "SELECT * FROM kept.l WHERE NOT EXISTS (SELECT 1 FROM kept.r WHERE r.k = l.k AND r.v > 1)"
    ),
    "`GROUP BY` with `count`, `min`, `max`, `sum` and `avg` of integers or decimals": _SUMS,
    "the same without `GROUP BY`": "SELECT count(*) n, sum(v) s FROM kept.l",
    "`DISTINCT`": "SELECT DISTINCT k, v FROM kept.l",
    "`GROUP BY` with `count(DISTINCT …)`": "SELECT k, count(DISTINCT v) n FROM kept.l GROUP BY k",
    "`GROUP BY` with `sum` or `avg` of `FLOAT` or `DOUBLE`": "SELECT k, sum(f) s FROM kept.l GROUP BY k",
    "`GROUP BY` over another `GROUP BY`": (
        "SELECT s, count(*) n FROM (SELECT k, sum(v) s FROM kept.l GROUP BY k) GROUP BY s"
    ),
    "the same, over `sum` of `DOUBLE`": (
        "SELECT s, count(*) n FROM (SELECT k, sum(f) s FROM kept.l GROUP BY k) GROUP BY s"
    ),
    "window functions with `PARTITION BY`": "SELECT k, v, sum(v) OVER (PARTITION BY k) s FROM kept.l",
    "window functions without `PARTITION BY`": "SELECT k, v, sum(v) OVER (ORDER BY k) s FROM kept.l",
    "`GROUP BY` as above, then `ORDER BY … LIMIT`": f"SELECT * FROM ({_SUMS}) ORDER BY s DESC, k LIMIT 3",
    "`ORDER BY … LIMIT` of rows": "SELECT * FROM kept.l ORDER BY k, v LIMIT 3",
    "`LIMIT` without an order": "SELECT * FROM kept.l LIMIT 3",
    "`applyInPandas` on groups": "",
    "anything that is not listed here": "SELECT * FROM kept.l TABLESAMPLE (BUCKET 1 OUT OF 2)",
}


@pytest.fixture(scope="module")
def kept(project: SparkSession) -> SparkSession:
    """Tables without rows, as a dry run makes them; one has a column that cannot be compared."""
    project.sql("CREATE DATABASE kept")
    project.sql("CREATE DATABASE raw_kept")
    for name, more in {"l": "", "r": "", "tagged": ", x VARIANT"}.items():
        columns = f"k BIGINT, v INT, d DECIMAL(10, 2), f DOUBLE{more}"
        project.sql(f"CREATE TABLE raw_kept.{name} ({columns}) USING parquet LOCATION '/nowhere/{name}'")
        project.sql(f"CREATE VIEW kept.{name} AS SELECT * FROM raw_kept.{name}")
    return project


def ways(session: SparkSession, query: str) -> AllowedWays:
    frame = session.sql(query)
    analysis = analyse_query(frame, optimising_session(session))
    assert analysis.algebra is not None
    return allowed_ways(analysis.algebra, frame.columns, analysis.unstable)


def test_every_line_has_a_query() -> None:
    assert {operator.text for operator in maintained_operators()} == set(QUERIES)


@pytest.mark.parametrize("operator", maintained_operators(), ids=lambda operator: operator.text)
def test_what_the_table_says_of_it(kept: SparkSession, operator: object) -> None:
    from lakehouse.plan.maintained_operators import MaintainedOperator

    assert isinstance(operator, MaintainedOperator)
    if operator.text == "`applyInPandas` on groups":
        frame = (
            kept.table("kept.l")
            .groupBy("k")
            .applyInPandas(lambda rows: rows, "k BIGINT, v INT, d DECIMAL(10,2), f DOUBLE")
        )
        found = analyse_query(frame, optimising_session(kept))
        assert found.algebra is not None
        modes = allowed_ways(found.algebra, frame.columns, found.unstable).modes
    else:
        modes = ways(kept, QUERIES[operator.text]).modes
    expected = [mode for mode in (operator.when_added, operator.when_changed) if mode is not RefreshMode.FULL]
    assert modes == tuple(dict.fromkeys(expected))


def test_the_key_and_where_it_comes_from(kept: SparkSession) -> None:
    found = ways(kept, "SELECT l.k AS a, l.v + r.v AS b, sum(r.d) AS s FROM kept.l JOIN kept.r USING (k) GROUP BY 1, 2")
    assert found.modes == (RefreshMode.AGGREGATE,)
    assert found.key == (KeyColumn("a", ("kept.l.k",)), KeyColumn("b", ("kept.l.v", "kept.r.v")))
    assert found.is_unique
    assert [refusal.code for refusal in found.lacking] == [RefusalCode.NOT_MONOTONE]


def test_what_varies_is_named(kept: SparkSession) -> None:
    found = ways(kept, "SELECT k, rand() AS r, uuid() AS u FROM kept.l")
    assert found.modes == ()
    assert found.refusal is not None
    assert found.refusal.code is RefusalCode.NOT_DETERMINISTIC
    assert "rand" in found.refusal.text
    assert "uuid" in found.refusal.text


def test_a_column_that_is_a_variant_hides_no_table(kept: SparkSession) -> None:
    assert ways(kept, "SELECT k, variant_get(x, '$.a', 'int') AS a FROM kept.tagged").modes[0] is RefreshMode.APPEND


def test_a_kind_of_join_that_is_not_maintained_is_named(kept: SparkSession) -> None:
    found = ways(kept, "SELECT k, v FROM kept.l WHERE v > 1 OR k IN (SELECT k FROM kept.r)")
    assert found.modes == ()
    assert found.refusal is not None
    assert found.refusal.code is RefusalCode.OPERATOR
    assert "Existence" in found.refusal.text
