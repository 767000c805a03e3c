from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

import lakehouse
from lakehouse import Connection
from lakehouse.errors import QueryError, UnknownName, UsageError
from tests.serving.shop import ORDERS, TOTALS, Shop, orders, totals

# pyspark's collect() leaves its socket to the garbage collector.
pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]


@pytest.fixture
def lh(spark: SparkSession, published: Shop) -> Iterator[Connection]:
    with lakehouse.connect(published.root) as connection:
        yield connection


def rows(frame: object) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in frame.collect())  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["gold.totals", "GOLD.Totals", "main.gold.totals", "`gold`.`totals`"])
def test_a_table_by_any_spelling_of_its_name(lh: Connection, name: str) -> None:
    assert rows(lh.table(name)) == [("ana", 5)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM orders",
        "SELECT * FROM main.silver.orders o",
        "WITH gold AS (SELECT * FROM silver.orders) SELECT * FROM gold",
        "FROM orders |> WHERE amount >= 0 |> ORDER BY amount",
        "TABLE orders",
        "SELECT customer, amount FROM orders WHERE EXISTS (SELECT 1 FROM gold.totals) -- said; and done",
    ],
)
def test_queries_find_tables_by_name(lh: Connection, query: str) -> None:
    assert rows(lh.sql(query)) == [("ana", 5), ("bob", 0)]


def test_a_query_registers_only_what_it_reads(lh: Connection) -> None:
    assert rows(lh.sql("SELECT o.amount, t.total FROM orders o JOIN gold.totals t USING (customer)")) == [(5, 5)]
    views = [row["viewName"] for row in lh.sql("SELECT 1").sparkSession.sql("SHOW VIEWS IN gold").collect()]
    assert views == ["totals"]


def test_frames_stay_at_their_versions_while_runs_go_on(lh: Connection, published: Shop) -> None:
    before = lh.table("gold.totals")
    published.write(TOTALS, totals(("ana", 7), ("cyd", 1)))
    published.write(ORDERS, orders(("dan", 1)).append_column("note", pa.array(["new"])))
    published.publish({ORDERS: 1, TOTALS: 1}, {})
    assert rows(before) == [("ana", 5)]
    assert rows(lh.sql("SELECT * FROM gold.totals")) == [("ana", 5)]
    assert rows(lh.table("silver.orders")) == [("ana", 5), ("bob", 0)]  # first read after the run

    assert lh.refresh()
    assert rows(lh.sql("SELECT * FROM gold.totals")) == [("ana", 7), ("cyd", 1)]
    assert rows(lh.table("silver.orders")) == [("dan", 1, "new")]
    assert rows(before) == [("ana", 5)]
    assert rows(before.where("total > 0")) == [("ana", 5)]


def test_what_a_failed_run_committed_is_not_seen(lh: Connection, published: Shop) -> None:
    published.write(TOTALS, totals(("ana", 99)))
    assert not lh.refresh()
    assert rows(lh.table("gold.totals")) == [("ana", 5)]
    with lakehouse.connect(published.root) as other:
        assert rows(other.table("gold.totals")) == [("ana", 5)]


def test_a_table_that_is_no_longer_published_is_gone_after_refresh(lh: Connection, published: Shop) -> None:
    assert rows(lh.table("gold.totals")) == [("ana", 5)]
    published.publish({ORDERS: 0}, {})
    lh.refresh()
    with pytest.raises(UsageError):  # declared, but not published
        lh.sql("SELECT * FROM gold.totals")


def test_an_external_table_is_read_as_the_pipeline_read_it(lh: Connection, published: Shop) -> None:
    from deltalake import write_deltalake

    write_deltalake(published.root / "raw" / "orders", orders(("eve", 3)), mode="append")
    assert rows(lh.table("raw.orders")) == [("ana", 5), ("bob", 0)]


def test_system_tables(lh: Connection, published: Shop) -> None:
    assert rows(lh.sql("SELECT DISTINCT run, status FROM system.runs WHERE status <> 'running'")) == [
        ("run1", "succeeded")
    ]
    published.publish({TOTALS: 0}, {})
    assert lh.table("system.publications").count() == 1
    lh.refresh()
    assert lh.table("system.publications").count() == 2
    assert lh.table("system.refreshes").count() == 3
    assert lh.table("system.lineage").count() == 6


@pytest.mark.parametrize(
    ("name", "nearest"), [("gold.totls", "gold.totals"), ("silver.order", "silver.orders"), ("xyzzyx", None)]
)
def test_an_unknown_table_names_the_nearest(lh: Connection, name: str, nearest: str | None) -> None:
    for read in (lh.table, lambda unknown: lh.sql(f"SELECT * FROM {unknown}")):
        with pytest.raises(UnknownName) as caught:
            read(name)
        assert (caught.value.name, caught.value.nearest) == (name, nearest)


@pytest.mark.parametrize("name", ["gold.later", "paid"])
def test_what_is_declared_but_not_readable_has_its_own_words(lh: Connection, name: str) -> None:
    with pytest.raises(UsageError, match=name):
        lh.sql(f"SELECT * FROM {name}")


@pytest.mark.parametrize(
    ("query", "condition", "line"),
    [
        ("SELECT custmer\nFROM orders", "UNRESOLVED_COLUMN.WITH_SUGGESTION", 1),
        ("SELECT *\nFROM orders\nORDER AND", "PARSE_SYNTAX_ERROR", 3),
        ("SELECT 'never ends", "PARSE_SYNTAX_ERROR", 1),
        ("", "PARSE_EMPTY_STATEMENT", 1),
        ("SELECT 1; SELECT 2", "PARSE_SYNTAX_ERROR", 1),
    ],
)
def test_what_spark_refuses_is_one_sentence(lh: Connection, query: str, condition: str, line: int) -> None:
    with pytest.raises(QueryError) as caught:
        lh.sql(query)
    assert caught.value.condition == condition
    assert caught.value.where is not None
    assert caught.value.where.line == line
    assert "\n" not in str(caught.value)


def test_two_connections_do_not_see_each_other(lh: Connection, published: Shop) -> None:
    published.write(TOTALS, totals(("ana", 7)))
    published.publish({TOTALS: 1}, {})
    with lakehouse.connect(published.root) as newer:
        assert rows(newer.table("gold.totals")) == [("ana", 7)]
        assert rows(lh.table("gold.totals")) == [("ana", 5)]
    assert rows(lh.table("gold.totals")) == [("ana", 5)]  # closing one leaves Spark to the other
