"""Netted change feeds: the earlier version plus the feed is the later one, whoever committed and whoever reads."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from lakehouse.errors import ChangeFeedError
from lakehouse.plan.table_change import FeedObstacle, FeedReader, TableChange
from lakehouse.storage import change_feed
from lakehouse.storage.change_feed import ChangeFeed, FeedCache, read_change_feed
from lakehouse.storage.table_changes import commit_identity, read_table_change
from tests.storage.feed_tables import FEED, KINDS, MAPPED, VECTORS, SparkTable, bag

pytestmark = [pytest.mark.spark, pytest.mark.long]

FLAT = (
    "id INT, b TINYINT, sh SMALLINT, l BIGINT, f FLOAT, d DOUBLE, de DECIMAL(38,10), bo BOOLEAN, s STRING, bi BINARY, "
    "da DATE, ts TIMESTAMP, tn TIMESTAMP_NTZ"
)
NESTED = (
    "st STRUCT<a: INT, b: STRUCT<c: DOUBLE, d: ARRAY<STRING>>>, ar ARRAY<STRUCT<x: FLOAT>>, "
    "m MAP<STRING, MAP<INT, DOUBLE>>"
)
FLAT_ROWS = (
    "1, 1, 2, 3, float('NaN'), double('-0.0'), 1.5, true, 'é', X'00ff', DATE'1582-10-04', "
    "TIMESTAMP'0001-01-01 00:00:00 UTC', TIMESTAMP_NTZ'0001-01-01 00:00:00'",
    "1, 1, 2, 3, float('NaN'), double('0.0'), 1.5, true, 'é', X'00ff', DATE'1582-10-04', "
    "TIMESTAMP'0001-01-01 00:00:00 UTC', TIMESTAMP_NTZ'0001-01-01 00:00:00'",
    "2, null, null, null, null, null, null, null, null, null, null, null, null",
    "3, -128, -32768, -9223372036854775808, float('-inf'), double('NaN'), -99999999999999.0000000001, false, '', X'', "
    "DATE'1582-10-10', TIMESTAMP'2026-11-01 05:30:00.123456 UTC', TIMESTAMP_NTZ'2026-11-01 01:30:00.123456'",
    "3, 127, 32767, 9223372036854775807, float('1e-45'), double('4.9e-324'), 0, null, 'NULL', X'00', "
    "DATE'9999-12-31', TIMESTAMP'9998-12-31 23:59:59.999999 UTC', TIMESTAMP_NTZ'9999-12-31 23:59:59.999999'",
)
NESTED_ROWS = (
    "named_struct('a', 1, 'b', named_struct('c', double('-0.0'), 'd', array('x', null))), "
    "array(named_struct('x', float('NaN')), null), map('a', map(1, double('-0.0')), 'b', null)",
    "named_struct('a', 1, 'b', named_struct('c', double('0.0'), 'd', array('x', null))), "
    "array(named_struct('x', float('NaN')), null), map('b', null, 'a', map(1, double('-0.0')))",
    "null, null, null",
    "named_struct('a', null, 'b', null), array(), map()",
    "named_struct('a', null, 'b', named_struct('c', null, 'd', null)), array(null), map('x', map())",
)


@pytest.fixture
def zone(spark: SparkSession, request: pytest.FixtureRequest) -> Iterator[None]:
    """The session's time zone for one test."""
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", request.param)
    yield
    spark.conf.set("spark.sql.session.timeZone", str(before))


def typed(spark: SparkSession, folder: Path, kind: str, nested: bool) -> SparkTable:
    """All types; of the kind `recent` without the instants that `deltalake` cannot read."""
    properties = KINDS.get(kind, FEED)
    table = SparkTable(spark, folder, f"{FLAT}, {NESTED}" if nested else FLAT, properties)
    rows = [f"{flat}, {deep}" if nested else flat for flat, deep in zip(FLAT_ROWS, NESTED_ROWS, strict=True)]
    if kind == "recent":
        rows = [
            row.replace("TIMESTAMP'0001-", "TIMESTAMP'1883-").replace("TIMESTAMP'9998-", "TIMESTAMP'2199-")
            for row in rows
        ]
    table.run(f"INSERT INTO {{t}} SELECT * FROM VALUES {', '.join(f'({row})' for row in rows)}")
    table.run(f"INSERT INTO {{t}} SELECT * FROM VALUES ({rows[0]}), ({rows[3]}), ({rows[2]})")
    table.run("DELETE FROM {t} WHERE id = 2")
    table.run("UPDATE {t} SET d = double('0.0') WHERE id = 1 AND string(d) = '-0.0'")
    return table


@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
@pytest.mark.parametrize("kind", ["recent", "plain", "vectors", "no feed"])
@pytest.mark.parametrize("zone", ["America/New_York"], indirect=True)
@pytest.mark.usefixtures("zone")
def test_every_type_keeps_its_values(spark: SparkSession, tmp_path: Path, kind: str, nested: bool) -> None:
    table = typed(spark, tmp_path / "t", kind, nested)
    readers = {"recent": FeedReader.ANY, "no feed": FeedReader.FILES}
    assert table.check(0).reader is readers.get(kind, FeedReader.SPARK)
    for since, until in ((1, 4), (2, 3), (1, 2), (3, 4)):
        table.check(since, until)


def test_zero_and_minus_zero_do_not_cancel_and_nan_does(spark: SparkSession, tmp_path: Path) -> None:
    table = SparkTable(spark, tmp_path / "t", "d DOUBLE, f FLOAT")
    table.run("INSERT INTO {t} SELECT double('-0.0'), float('NaN')")
    table.run("UPDATE {t} SET d = double('0.0')")
    table.run("UPDATE {t} SET f = float('inf') - float('inf')")
    change = table.change(1)
    for reader in FeedReader:
        feed = read_change_feed(spark, table.path, replace(change, reader=reader))
        assert bag(feed.frame) == {"{'d': -0.0, 'f': nan}": -1, "{'d': 0.0, 'f': nan}": 1}


def test_maps_are_netted(spark: SparkSession, tmp_path: Path) -> None:
    table = SparkTable(spark, tmp_path / "t", "k INT, m MAP<STRING, INT>")
    table.run("INSERT INTO {t} SELECT 1, map('a', 1, 'b', null)")
    table.run("UPDATE {t} SET k = 1")
    table.run("INSERT INTO {t} SELECT 1, map('a', 1, 'b', null)")
    assert table.feed(1, 2).rows == 0
    assert bag(table.feed(0).frame) == {"{'k': 1, 'm': {'a': 1, 'b': None}}": 2}


def test_what_cannot_be_told_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    variant = SparkTable(spark, tmp_path / "v", "k INT, a ARRAY<STRUCT<v: VARIANT>>")
    variant.run("INSERT INTO {t} SELECT 1, array(named_struct('v', parse_json('1')))")
    taken = SparkTable(spark, tmp_path / "w", "k INT, __W INT")
    taken.run("INSERT INTO {t} SELECT 1, 1")
    for table in (variant, taken):
        with pytest.raises(ChangeFeedError) as caught:
            table.feed(0)
        assert caught.value.location == table.path
    gone = replace(variant.change(0), obstacle=FeedObstacle.MISSING_COMMITS)
    with pytest.raises(ChangeFeedError):
        read_change_feed(spark, variant.path, gone)


@pytest.mark.parametrize("kind", KINDS)
def test_commits_of_spark(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    table = SparkTable(spark, tmp_path / "t", "k INT, v STRING", KINDS[kind])
    table.run("INSERT INTO {t} SELECT /*+ COALESCE(1) */ id % 5, if(id = 3, null, 'a') FROM range(8)")
    start = table.version
    merge = "MERGE INTO {t} t USING (SELECT int(id) k FROM range(%d, %d)) s ON t.k = s.k AND t.v IS NOT NULL"
    steps = [
        "UPDATE {t} SET v = 'b' WHERE k = 2",
        "DELETE FROM {t} WHERE k = 1",
        f"{merge % (4, 7)} WHEN MATCHED THEN UPDATE SET v = 'm' WHEN NOT MATCHED THEN INSERT (k, v) VALUES (s.k, 'n')",
        f"{merge % (40, 41)} WHEN MATCHED THEN UPDATE SET v = 'm'",
        f"{merge % (4, 7)} WHEN MATCHED THEN UPDATE SET v = t.v",
        "OPTIMIZE {t}",
        "INSERT INTO {t} REPLACE WHERE k = 2 SELECT 2, 'r'",
        "ALTER TABLE {t} ADD COLUMN w DOUBLE",
        "INSERT INTO {t} VALUES (7, 'w', 0.5)",
        "DELETE FROM {t} WHERE k = 0",
        "INSERT OVERWRITE {t} SELECT k, v, 1.5 FROM {t} WHERE k > 2",
        "DELETE FROM {t}",
    ]
    for step in steps:
        table.run(step)
        table.check(table.version - 1)
    table.check(0)
    table.check(start)
    table.check(start + 3, start + 7)
    table.run(f"RESTORE TABLE {{t}} TO VERSION AS OF {start + 9}")
    table.check(table.version - 2)
    assert table.feed(start + 9).rows == 0
    rows = bag(table.feed(start, start + 1).frame)
    assert rows == {"{'k': 2, 'v': 'a'}": -2, "{'k': 2, 'v': 'b'}": 2}


def test_merges_without_effect_change_nothing(spark: SparkSession, tmp_path: Path) -> None:
    table = SparkTable(spark, tmp_path / "t", "k INT")
    table.run("INSERT INTO {t} SELECT 1")
    table.run("MERGE INTO {t} t USING (SELECT 5 k) s ON t.k = s.k WHEN MATCHED THEN DELETE")
    table.run("OPTIMIZE {t} ZORDER BY (k)")
    table.run("VACUUM {t}")
    change = table.change(1)
    assert (change.changes_rows, change.rows, change.obstacle) == (False, 0, None)
    feed = table.feed(1)
    assert (feed.rows, feed.frame.columns, feed.inserts_only) == (0, ["k", "__w"], True)


def test_the_columns_are_those_of_the_later_version(spark: SparkSession, tmp_path: Path) -> None:
    for kind in ("plain", "vectors", "no feed"):
        table = SparkTable(spark, tmp_path / kind, "k INT, v STRING", KINDS[kind])
        table.run("INSERT INTO {t} VALUES (1, 'a'), (2, 'b')")
        table.run("UPDATE {t} SET v = 'y' WHERE k = 1")
        table.run("ALTER TABLE {t} ADD COLUMN w INT")
        write = spark.range(3).selectExpr("string(id) k").write.format("delta").mode("overwrite")
        write.option("overwriteSchema", "true").save(table.path)
        table.check(1, 2)
        table.check(0, 2)
        table.check(1, 3)
        assert read_table_change(table.path, 1, 4).obstacle is FeedObstacle.SCHEMA_CHANGED


def test_a_field_more_inside_a_struct(spark: SparkSession, tmp_path: Path) -> None:
    table = SparkTable(spark, tmp_path / "t", "k INT, st STRUCT<a: INT>")
    table.run("INSERT INTO {t} VALUES (1, named_struct('a', 1)), (2, null)")
    table.run("ALTER TABLE {t} ADD COLUMN st.b STRING")
    table.run("INSERT INTO {t} VALUES (3, named_struct('a', 1, 'b', 'x'))")
    feed = table.feed(0)
    assert bag(feed.frame) == {
        "{'k': 1, 'st': {'a': 1, 'b': None}}": 1,
        "{'k': 2, 'st': None}": 1,
        "{'k': 3, 'st': {'a': 1, 'b': 'x'}}": 1,
    }


def test_renamed_columns_and_odd_names(spark: SparkSession, tmp_path: Path) -> None:
    table = SparkTable(spark, tmp_path / "t", "`a b` INT, `c.d` STRING, v0 INT, k0 DOUBLE", MAPPED)
    table.run("INSERT INTO {t} VALUES (1, 'x', 2, 0.5)")
    table.run("UPDATE {t} SET v0 = 3")
    table.check(0)
    table.run("ALTER TABLE {t} RENAME COLUMN v0 TO v1")
    assert read_table_change(table.path, 1, table.version).obstacle is FeedObstacle.SCHEMA_CHANGED
    table.run("UPDATE {t} SET v1 = 4")
    table.check(3)
    table.check(1, 2)


@pytest.mark.parametrize("zone", ["Asia/Kolkata"], indirect=True)
@pytest.mark.usefixtures("zone")
def test_partition_values_of_every_kind(spark: SparkSession, tmp_path: Path) -> None:
    for name, properties in (("plain", FEED), ("off", {})):
        table = SparkTable(
            spark, tmp_path / name, "k INT, p STRING, q DATE, r TIMESTAMP", properties, "PARTITIONED BY (p, q, r)"
        )
        table.run(
            "INSERT INTO {t} VALUES (1, 'b/ c=%', DATE'2020-01-01', TIMESTAMP'2020-01-01 00:00:00.5 UTC'), "
            "(2, '', null, null), (3, 'x', DATE'0001-01-02', TIMESTAMP'1970-01-01 00:00:00 UTC'), (4, 'é', null, null)"
        )
        table.run("UPDATE {t} SET k = 9 WHERE k < 3")
        table.run("DELETE FROM {t} WHERE p = 'x'")
        table.check(0)
        table.check(1)
    plain = SparkTable(spark, tmp_path / "p", "k INT, p STRING, q INT", part="PARTITIONED BY (p, q)")
    plain.run("INSERT INTO {t} VALUES (1, 'a', 1), (2, 'c', 2), (3, 'b', 3)")
    plain.run("UPDATE {t} SET k = 9 WHERE k < 3")
    plain.run("DELETE FROM {t} WHERE p = 'b'")
    assert plain.check(0).reader is FeedReader.ANY
    plain.run("INSERT INTO {t} VALUES (2, null, 2), (3, 'b', null)")
    assert plain.check(0).reader is FeedReader.SPARK


def test_texts_of_fixed_length(spark: SparkSession, tmp_path: Path) -> None:
    padded = SparkTable(spark, tmp_path / "c", "k INT, c CHAR(3), v VARCHAR(4)")
    padded.run("INSERT INTO {t} VALUES (1, 'a', 'b'), (2, 'q', 'z')")
    padded.run("UPDATE {t} SET v = 'y' WHERE k = 1")
    assert padded.check(0).reader is FeedReader.SPARK


def test_a_replaced_table_in_the_same_log(spark: SparkSession, tmp_path: Path) -> None:
    """CREATE OR REPLACE gives the table another id, and is a commit like others."""
    table = SparkTable(spark, tmp_path / "t", "k INT, v STRING")
    table.run("INSERT INTO {t} VALUES (1, 'a')")
    identity = commit_identity(table.path, 1)
    spark.sql(f"CREATE TABLE replaced_here USING delta LOCATION '{table.path}'")
    spark.sql(
        "CREATE OR REPLACE TABLE replaced_here USING delta TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true') "
        f"LOCATION '{table.path}' AS SELECT 1 k, 'a' v UNION ALL SELECT 2, 'b'"
    )
    spark.sql("DROP TABLE replaced_here")
    assert read_table_change(table.path, 1, 2, identity=identity).obstacle is None
    table.check(1)
    assert bag(table.feed(1).frame) == {"{'k': 2, 'v': 'b'}": 1}


def changed_rows(spark: SparkSession, folder: Path, count: int) -> SparkTable:
    rows = pa.table({"k": pa.array(range(count), pa.int64()), "d": pa.array([0.5] * count)})
    write_deltalake(str(folder), rows.slice(0, 0), configuration=FEED)
    write_deltalake(str(folder), rows, mode="append")
    table = SparkTable.__new__(SparkTable)
    table.spark, table.path = spark, str(folder)
    return table


def scratch_folders() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("lakehouse-feed-*")}


def cached(spark: SparkSession) -> int:
    return int(spark.sparkContext._jsc.getPersistentRDDs().size())


@pytest.mark.parametrize("reader", FeedReader)
def test_many_rows_are_held_until_closed(spark: SparkSession, tmp_path: Path, reader: FeedReader) -> None:
    table = changed_rows(spark, tmp_path / "t", change_feed._LOCAL_ROWS + 1)
    before = scratch_folders(), cached(spark)
    with FeedCache(spark) as feeds:
        feed = feeds.read(table.path, replace(table.change(0), reader=reader))
        assert (feed.rows, feed.inserts_only) == (change_feed._LOCAL_ROWS + 1, True)
        assert feed.frame.selectExpr("sum(k)", "sum(__w)").first() == (50_005_000, feed.rows)
        held = scratch_folders() - before[0], cached(spark) - before[1]
        assert (len(held[0]), held[1]) == ((1, 0) if reader is FeedReader.ANY else (0, 1))
    assert (scratch_folders(), cached(spark)) == before
    table.check(0)


def test_few_rows_hold_nothing(spark: SparkSession, tmp_path: Path) -> None:
    table = changed_rows(spark, tmp_path / "t", 100)
    before = scratch_folders(), cached(spark)
    for reader in FeedReader:
        for bound in (100, None):
            feed = read_change_feed(spark, table.path, replace(table.change(0), reader=reader, rows=bound))
            assert "LocalTableScan" in feed.frame._jdf.queryExecution().executedPlan().toString()
            assert feed.rows == 100
    assert (scratch_folders(), cached(spark)) == before


def test_many_nested_rows(spark: SparkSession, tmp_path: Path) -> None:
    count = change_feed._LOCAL_ROWS + 1
    rows = pa.table({"k": pa.array(range(count)), "a": pa.array([[number] for number in range(count)])})
    write_deltalake(str(tmp_path / "t"), rows.slice(0, 0), configuration=FEED)
    write_deltalake(str(tmp_path / "t"), rows, mode="append")
    before = scratch_folders(), cached(spark)
    feed = read_change_feed(spark, str(tmp_path / "t"), read_table_change(str(tmp_path / "t"), 0, 1))
    assert (feed.rows, feed.frame.selectExpr("sum(a[0])").first()) == (count, (50_005_000,))
    feed.close()
    assert (scratch_folders(), cached(spark)) == before


def test_a_large_feed_is_read_by_spark(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = changed_rows(spark, tmp_path / "t", 10)
    monkeypatch.setattr(change_feed, "_SMALL_FEED", 1)
    monkeypatch.setattr(change_feed, "_small_feed", None)
    table.check(0)


def test_a_uri_is_read_as_a_path_is(spark: SparkSession, tmp_path: Path) -> None:
    table = changed_rows(spark, tmp_path / "t", 10)
    table.run("DELETE FROM {t} WHERE k < 5")
    place = f"file://{table.path}"
    for reader in FeedReader:
        feed = read_change_feed(spark, place, replace(read_table_change(place, 1, 2), reader=reader))
        assert bag(feed.frame) == {f"{{'k': {k}, 'd': 0.5}}": -1 for k in range(5)}


def test_a_feed_is_read_once(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = changed_rows(spark, tmp_path / "t", 10)
    change = table.change(0)
    calls: list[TableChange] = []
    asked = threading.Barrier(4)

    def read(session: SparkSession, location: str, wanted: TableChange) -> ChangeFeed:
        calls.append(wanted)
        if len(calls) == 1:
            raise ChangeFeedError("once", location=location)
        return read_change_feed(session, location, wanted)

    monkeypatch.setattr(change_feed, "read_change_feed", read)
    found: list[ChangeFeed] = []
    with FeedCache(spark) as feeds:
        with pytest.raises(ChangeFeedError):
            feeds.read(table.path, change)

        def ask() -> None:
            asked.wait()
            found.append(feeds.read(table.path, change))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(calls) == 2
        assert all(feed is found[0] for feed in found)
        assert len(found) == 4
        other = feeds.read(table.path, replace(change, to_version=0, changes_rows=False))
        assert other is not found[0]


def by_deltalake(table: SparkTable, act: Callable[[DeltaTable], object]) -> int:
    act(DeltaTable(table.path))
    return table.version


def test_commits_of_both_engines_in_one_range(spark: SparkSession, tmp_path: Path) -> None:
    table = SparkTable(spark, tmp_path / "t", "k INT, v STRING")
    rows = pa.table({"k": pa.array([1, 1, None], pa.int32()), "v": pa.array(["a", "a", None], pa.string())})
    write_deltalake(table.path, rows, mode="append")
    table.run("INSERT INTO {t} VALUES (1, 'a'), (2, null)")
    by_deltalake(table, lambda t: t.update(predicate="k = 1", updates={"v": "'u'"}))
    by_deltalake(table, lambda t: t.optimize.compact())
    table.run("UPDATE {t} SET v = 'a' WHERE k = 1")
    assert table.check(0).reader is FeedReader.ANY
    assert table.feed(2).rows == 0
    assert bag(table.feed(0).frame) == {
        "{'k': 1, 'v': 'a'}": 3,
        "{'k': 2, 'v': None}": 1,
        "{'k': None, 'v': None}": 1,
    }


def test_vectors_are_never_read_by_deltalake(spark: SparkSession, tmp_path: Path) -> None:
    """It gives the row that a vector deleted when the file is removed whole."""
    table = SparkTable(spark, tmp_path / "t", "k INT", VECTORS)
    table.run("INSERT INTO {t} SELECT /*+ COALESCE(1) */ id FROM range(4)")
    table.run("DELETE FROM {t} WHERE k = 1")
    table.run("DELETE FROM {t}")
    assert table.check(2).reader is FeedReader.SPARK
    assert bag(table.feed(2).frame) == {f"{{'k': {k}}}": -1 for k in (0, 2, 3)}
