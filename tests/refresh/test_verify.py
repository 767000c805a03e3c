"""A table against its query: what is found, what is left out, what is not compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from lakehouse.analysis.algebra import optimising_session
from lakehouse.names import TableName
from lakehouse.refresh.verify import Comparison, compare_with_query
from lakehouse.storage.session import isolated_session
from lakehouse.storage.session_catalog import SessionCatalog

pytestmark = pytest.mark.spark

ROWS = (
    "SELECT id AS k, IF(id % 7 = 0, NULL, id % 5) AS v, CAST(id AS DOUBLE) / 3 AS w, "
    "map('a', id, 'b', NULL) AS m, array(id, NULL) AS l FROM range(2000)"
)


@pytest.fixture(scope="module")
def session(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> SparkSession:
    """`silver.rows` holds 2,000 rows of several types."""
    place = str(tmp_path_factory.mktemp("rows"))
    made = isolated_session(spark, {})
    made.sql(ROWS).write.format("delta").save(place)
    SessionCatalog(made, "silver").pin(TableName("silver", "rows"), place, 0)
    return made


def compare(
    session: SparkSession, query: str, table: DataFrame, at_most: int | None = None, seed: int = 0
) -> Comparison:
    return compare_with_query(session.sql(query), table, optimising_session(session), at_most=at_most, seed=seed)


def stored(session: SparkSession, query: str, folder: Path) -> DataFrame:
    session.sql(query).write.format("delta").mode("overwrite").save(str(folder))
    return session.read.format("delta").load(str(folder))


QUERY = "SELECT k, v, m, l FROM silver.rows"


def test_equal_bags_hold(session: SparkSession, tmp_path: Path) -> None:
    table = stored(session, QUERY, tmp_path)
    assert compare(session, QUERY, table) == Comparison(rows=2000, compared=2000)


@pytest.mark.parametrize(
    ("change", "missing", "surplus"),
    [
        ("SELECT k, v, m, l FROM silver.rows WHERE k <> 3", 1, 0),
        ("SELECT k, v, m, l FROM silver.rows UNION ALL SELECT k, v, m, l FROM silver.rows WHERE k IN (4, 5)", 0, 2),
        ("SELECT k, IF(k = 8, 99, v) AS v, m, l FROM silver.rows", 1, 1),
        ("SELECT k, v, IF(k = 8, map('a', 1L), m) AS m, l FROM silver.rows", 1, 1),
        ("SELECT k, v, m, IF(k = 8, array(NULL, k), l) AS l FROM silver.rows", 1, 1),
        ("SELECT IF(k = 14, NULL, k) AS k, IF(k = 14, 14, v) AS v, m, l FROM silver.rows", 1, 1),
    ],
)
def test_every_row_that_differs_is_counted(
    session: SparkSession, tmp_path: Path, change: str, missing: int, surplus: int
) -> None:
    found = compare(session, QUERY, stored(session, change, tmp_path))
    assert (found.missing, found.surplus, found.problem) == (missing, surplus, None)


def test_duplicates_count(session: SparkSession, tmp_path: Path) -> None:
    table = stored(session, "SELECT v FROM silver.rows WHERE k <> 1", tmp_path)
    found = compare(session, "SELECT v FROM silver.rows", table)
    assert (found.missing, found.surplus, found.compared) == (1, 0, 1999)


def test_samples_are_parts_that_make_up_the_whole(session: SparkSession, tmp_path: Path) -> None:
    wrong = "SELECT k, IF(k < 40, 99, v) AS v, m, l FROM silver.rows"
    table = stored(session, wrong, tmp_path)
    samples = [compare(session, QUERY, table, at_most=500, seed=seed) for seed in range(4)]
    assert sum(sample.compared for sample in samples) == 2000
    assert all(0 < sample.compared < 1000 for sample in samples)
    assert sum(sample.missing for sample in samples) == 40
    assert sum(sample.surplus for sample in samples) == 40


def test_a_small_table_is_compared_whole(session: SparkSession, tmp_path: Path) -> None:
    assert compare(session, QUERY, stored(session, QUERY, tmp_path), at_most=5000).compared == 2000


def test_sums_of_doubles_are_left_out_and_named(session: SparkSession, tmp_path: Path) -> None:
    query = "SELECT v, count(*) AS n, sum(w) AS s FROM silver.rows GROUP BY v"
    table = stored(session, "SELECT v, count(*) AS n, sum(w) + 1e-9 AS s FROM silver.rows GROUP BY v", tmp_path)
    found = compare(session, query, table)
    assert (found.left_out, found.missing, found.surplus, found.compared) == (("s",), 0, 0, 6)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT k, rand() AS r FROM silver.rows",
        "SELECT k, current_timestamp() AS r FROM silver.rows",
        "SELECT k, v AS r FROM silver.rows ORDER BY v LIMIT 3",
        "SELECT v AS k, sum(w) AS r FROM silver.rows GROUP BY v HAVING sum(w) > 1",
        "SELECT sum(w) AS r FROM silver.rows",
    ],
)
def test_what_cannot_be_compared_says_so(session: SparkSession, tmp_path: Path, query: str) -> None:
    found = compare(session, query, stored(session, query, tmp_path))
    assert found.problem is not None
    assert (found.compared, found.missing, found.surplus) == (0, 0, 0)
