"""`lakehouse.connect(principal=…)`: what it offers, what it prevents, and what it cannot prevent."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

import lakehouse
from lakehouse.catalog.policy import AccessPolicy
from lakehouse.catalog.principal import ACCOUNT_USERS
from lakehouse.catalog.privilege import Privilege
from lakehouse.errors import AccessRefused, LakehouseError, UnknownName, UsageError
from lakehouse.serving import guarded
from lakehouse.serving.guarded import GuardedConnection, GuardedModeWarning
from tests.serving.secured_tables import ROOT, grants, policy, securable
from tests.serving.shop import ORDERS, TOTALS, Shop, totals

pytestmark = [pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

USE = grants(ACCOUNT_USERS, ROOT, Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
RULES = policy(
    rules=[*USE, *grants(ACCOUNT_USERS, securable(str(ORDERS)), Privilege.SELECT)],
    filters={str(ORDERS): "amount > 0"},
    masks={(str(ORDERS), "customer"): "left(val, 1)"},
)
ANA = "ana@corp"


def connect(shop: Shop, rules: AccessPolicy = RULES, who: str = ANA) -> GuardedConnection:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GuardedModeWarning)
        return lakehouse.connect(shop.root, principal=who, policy=rules)


@pytest.fixture
def lh(spark: SparkSession, published: Shop) -> Iterator[GuardedConnection]:
    with connect(published) as connection:
        yield connection


def rows(frame: DataFrame) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in frame.collect())


def test_it_says_once_what_it_is(published: Shop) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        connection = lakehouse.connect(published.root, principal=ANA, policy=RULES)
        connection.tables()
        connection.refresh()
    assert len(said) == 1
    assert said[0].filename == __file__


def test_without_rules_or_as_a_stranger_it_is_refused(published: Shop) -> None:
    with pytest.raises(AccessRefused):
        lakehouse.connect(published.root, principal=ANA)
    with pytest.raises(AccessRefused):
        connect(published, who="nobody@corp")


def test_it_lists_what_may_be_read_and_starts_nothing(published: Shop) -> None:
    assert connect(published).tables() == ["silver.orders"]
    assert connect(published, policy()).tables()[:2] == ["gold.totals", "raw.orders"]
    assert connect(published, policy(rules=USE)).tables() == []


@pytest.mark.parametrize("name", ["run", "check", "history", "lineage", "explain"])
def test_it_does_not_run_or_look_behind_tables(published: Shop, name: str) -> None:
    assert not hasattr(connect(published), name)


@pytest.mark.spark
def test_tables_and_queries_as_the_principal_sees_them(lh: GuardedConnection) -> None:
    assert rows(lh.table("orders")) == [("a", 5)]
    assert rows(lh.sql("SELECT count(*), max(customer) FROM main.silver.orders")) == [(1, "a")]
    for name in ("gold.totals", "system.runs", "raw.orders", "gold.later", "paid", "gold.nothing"):
        with pytest.raises(UnknownName):
            lh.sql(f"SELECT * FROM {name}")
        with pytest.raises(UnknownName):
            lh.table(name)


@pytest.mark.spark
def test_it_moves_on_with_publications_and_rules(lh: GuardedConnection, published: Shop) -> None:
    before = lh.table("orders")
    assert not lh.refresh()
    assert lh.table("orders").sparkSession is before.sparkSession  # nothing is made anew
    published.write(TOTALS, totals(("ana", 7)))
    published.publish({TOTALS: 1}, {})
    with pytest.raises(UnknownName):
        lh.table("gold.totals")
    assert lh.refresh()
    with pytest.raises(UnknownName):  # not published any more
        lh.table("orders")
    assert rows(before) == [("a", 5)]


@pytest.mark.spark
def test_rules_that_were_taken_away_hold_after_refresh(spark: SparkSession, published: Shop) -> None:
    current = [RULES]
    connection = connect(published)
    connection._load_policy = lambda: current[0]
    assert rows(connection.table("orders")) == [("a", 5)]
    current[0] = policy(rules=USE)
    assert connection.refresh()
    with pytest.raises(UnknownName):
        connection.table("orders")
    current[0] = policy(rules=[], users=())
    with pytest.raises(AccessRefused):
        connection.refresh()
    with pytest.raises(LakehouseError):
        connection.table("orders")


@pytest.mark.spark
def test_rules_of_the_project_and_masks_along_lineage(spark: SparkSession, published: Shop) -> None:
    spec = published.root / "spark-pipeline.yml"
    spec.write_text(spec.read_text() + "access: access.yml\n")
    (published.root / "access.yml").write_text(
        """
principals: {users: {ana@corp: {}, bob@corp: {}}}
securables:
  main: {grants: {account users: [USE CATALOG, USE SCHEMA, SELECT]}}
  main.silver.orders:
    columns: {customer: {mask: {using: "left(val, 2)"}}}
    row_filter: {using: "amount > 0"}
...
"""
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GuardedModeWarning)
        connection = lakehouse.connect(published.root, principal="bob@corp")
    assert rows(connection.table("orders")) == [("an", 5)]
    ((customer, total),) = rows(connection.table("gold.totals"))
    assert (customer, total) in {("an", 5), (None, 5)}  # masked as in the table it comes from, or not shown at all
    (published.root / "access.yml").write_text("principals: {users: {bob@corp: {}}\n")
    with pytest.raises(LakehouseError):
        connection.refresh()
    with pytest.raises(UsageError):
        connection.table("orders")


@pytest.mark.spark
def test_a_closed_connection_reads_nothing(lh: GuardedConnection) -> None:
    lh.close()
    with pytest.raises(UsageError):
        lh.tables()
    with pytest.raises(UsageError):
        lh.sql("SELECT 1")


# What it prevents ----------------------------------------------------------------------------------------------------


@pytest.mark.spark
@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM delta.`{path}`",
        "SELECT * FROM parquet.`{path}`",
        "SELECT * FROM hidden.t",
        "CREATE TEMPORARY VIEW v USING delta OPTIONS (path '{path}')",
        "CREATE OR REPLACE TEMPORARY VIEW v AS SELECT * FROM delta.`{path}`",
        "SELECT * FROM table_changes_by_path('{path}', 0)",
        "SELECT * FROM orders VERSION AS OF 0",
        "DESCRIBE DETAIL '{path}'",
    ],
)
def test_accidents_are_refused(lh: GuardedConnection, published: Shop, query: str) -> None:
    with pytest.raises(LakehouseError):
        lh.sql(query.format(path=published.warehouse.location(ORDERS)))


READS: dict[str, Callable[[SparkSession, str], object]] = {
    "a path": lambda spark, path: spark.read.format("delta").load(path).collect(),
    "files": lambda spark, path: spark.read.parquet(path),
    "text": lambda spark, path: spark.read.text(path),
    "a view over a path": lambda spark, path: spark.sql(f"CREATE TEMP VIEW v USING delta OPTIONS (path '{path}')"),
    "a table over a path": lambda spark, path: (
        spark.sql(f"CREATE TABLE default.mine USING delta LOCATION '{path}'"),
        spark.table("default.mine").collect(),
    ),
    "changes": lambda spark, path: spark.sql(f"SELECT * FROM table_changes_by_path('{path}', 0)").collect(),
    "a subquery": lambda spark, path: (
        spark.sql(f"CREATE TABLE default.other USING delta LOCATION '{path}'"),
        spark.sql("SELECT 1 WHERE EXISTS (SELECT * FROM default.other)").collect(),
    ),
    "a stream": lambda spark, path: spark.readStream.format("delta").load(path),
    "a session of it": lambda spark, path: spark.newSession().read.format("delta").load(path),
}


@pytest.mark.spark
@pytest.mark.parametrize("read", READS)
def test_the_session_of_a_frame_reads_nothing_else(lh: GuardedConnection, published: Shop, read: str) -> None:
    session = lh.table("orders").sparkSession
    with pytest.raises((Py4JJavaError, PySparkException)) as caught:
        READS[read](session, published.warehouse.location(ORDERS))
    assert "AccessRefused" in str(caught.value)
    assert rows(lh.table("orders")) == [("a", 5)]


@pytest.mark.spark
def test_rows_made_in_the_session_join_with_tables(lh: GuardedConnection) -> None:
    orders = lh.table("orders")
    made = orders.sparkSession.createDataFrame([("a", "Ana")], "customer string, called string")
    assert rows(orders.join(made, "customer").select("called", "amount")) == [("Ana", 5)]
    assert orders.cache().count() == 1
    assert rows(orders.groupBy("customer").sum("amount")) == [("a", 5)]
    assert orders.toPandas().shape == (1, 2)


# What it cannot prevent: in the same process everything can be reached. Kept so that the documentation stays true. ----


def raw_rows(published: Shop) -> list[tuple[object, ...]]:
    table = DeltaTable(published.warehouse.location(ORDERS)).to_pyarrow_table()
    return sorted(tuple(row.values()) for row in table.to_pylist())


ALL_ROWS = [("ana", 5), ("bob", 0)]


@pytest.mark.spark
def test_bypass_by_the_plan_below_the_view(lh: GuardedConnection) -> None:
    frame = lh.table("orders")
    leaf = frame._jdf.queryExecution().analyzed().collectLeaves().apply(0)
    jvm = frame.sparkSession._jvm
    raw = jvm.org.apache.spark.sql.classic.Dataset.ofRows(frame.sparkSession._jsparkSession, leaf)  # type: ignore[union-attr]
    assert rows(DataFrame(raw, frame.sparkSession)) == ALL_ROWS


@pytest.mark.spark
def test_bypass_by_another_session(lh: GuardedConnection, published: Shop, spark: SparkSession) -> None:
    assert rows(spark.read.format("delta").load(published.warehouse.location(ORDERS))) == ALL_ROWS


def test_bypass_by_the_files(published: Shop) -> None:
    connect(published)
    files = list(Path(published.warehouse.location(ORDERS)).glob("*.parquet"))
    assert sum(pq.read_table(file).num_rows for file in files) == 2
    assert raw_rows(published) == ALL_ROWS
    with open(files[0], "rb") as opened:
        assert opened.read(4) == b"PAR1"


@pytest.mark.spark
def test_bypass_by_the_virtual_machine(lh: GuardedConnection, published: Shop) -> None:
    session = lh.table("orders").sparkSession
    jvm = session._jvm
    assert jvm is not None
    place = jvm.org.apache.hadoop.fs.Path(published.warehouse.location(ORDERS))
    system = place.getFileSystem(jvm.org.apache.hadoop.conf.Configuration())
    assert len(system.listStatus(place)) >= 2
    assert jvm.java.lang.Runtime.getRuntime().availableProcessors() >= 1


@pytest.mark.spark
def test_bypass_by_an_rdd(lh: GuardedConnection, published: Shop) -> None:
    context = lh.table("orders").sparkSession.sparkContext
    found = context.binaryFiles(f"{published.warehouse.location(ORDERS)}/*.parquet").keys().collect()
    assert len(found) >= 1


@pytest.mark.spark
def test_bypass_by_changing_the_code(lh: GuardedConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    from lakehouse.serving import secured_reader

    monkeypatch.setattr(secured_reader, "secured_query", lambda access, shape, raw: f"SELECT * FROM {raw}")
    assert rows(lh.table("orders")) == ALL_ROWS


@pytest.mark.spark
def test_bypass_by_the_names_of_files(lh: GuardedConnection, published: Shop) -> None:
    (file,) = lh.table("orders").inputFiles()
    assert pq.read_table(file.removeprefix("file://")).num_rows == 2


def test_the_notice_promises_no_boundary() -> None:
    assert "no boundary" in guarded.NOTICE
