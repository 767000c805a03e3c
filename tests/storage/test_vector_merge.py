"""Tables with deletion vectors: changed by marking rows, by the rules of change sets, and read by keys and by change
without Spark."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from delta.exceptions.base import ConcurrentWriteException
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from lakehouse.plan.table_change import FeedReader
from lakehouse.storage import vector_merge
from lakehouse.storage.arrow_frame import arrow_frame
from lakehouse.storage.change_feed import read_change_feed
from lakehouse.storage.committer_choice import Committer, CommitterReason
from lakehouse.storage.key_lookup import COUNT
from lakehouse.storage.keyed_rows import counted_rows, looked_up_rows, rows_of_keys
from lakehouse.storage.table_changes import read_table_change
from lakehouse.storage.vector_commit import VectorCommit
from tests.storage.change_tables import arrow, changes, netted, plain, spark_feed, spark_rows, staged
from tests.storage.feed_tables import VECTORS, bag
from tests.storage.test_change_commit_random import TYPES, Scenario, applied, draw_change, draw_table, seeds

pytestmark = pytest.mark.spark

_ALL = tuple(TYPES)
_SOUGHT = ("text", "day", "number", "small", "truth")
SCENARIOS = [
    Scenario("text", ("text",), _ALL),
    Scenario("day", ("day",), _ALL),
    Scenario("composite", ("amount", "number"), _ALL, null_share=0.3),
    Scenario("truth", ("truth",), _ALL),
    Scenario("small bag", None, ("small", "truth", "text"), null_share=0.3),
    Scenario("bag", None, tuple(name for name in _ALL if name != "real")),
]
SMALL = pa.schema([("k", pa.int64()), ("v", pa.string())])


def vector_table(spark: SparkSession, folder: Path, rows: list[Any], schema: pa.Schema = SMALL) -> str:
    """A table of two files that Spark wrote, with deletion vectors."""
    path = str(folder)
    frame = arrow_frame(spark, arrow(rows, schema), from_arrow_schema(schema, prefer_timestamp_ntz=True)).repartition(2)
    writer = frame.write.format("delta")
    for key, value in VECTORS.items():
        writer = writer.option(key, value)
    writer.save(path)
    return path


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_rows_and_feeds_are_as_the_rules_say(scenario: Scenario, tmp_path: Path, spark: SparkSession) -> None:
    for seed in seeds(1):
        run_scenario(scenario, tmp_path / str(seed), spark, seed)


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_rows_and_feeds_many_times(scenario: Scenario, tmp_path: Path, spark: SparkSession) -> None:
    for seed in seeds(15):
        run_scenario(scenario, tmp_path / str(seed), spark, seed)


def run_scenario(scenario: Scenario, folder: Path, spark: SparkSession, seed: int) -> None:
    """Several change sets, one after the other, on one table; after each its rows, its feed, and rows by keys."""
    print(f"seed {seed}")
    source = random.Random(seed)
    rows = draw_table(scenario, source)
    path = vector_table(spark, folder, rows, scenario.schema)
    for epoch in range(3):
        change = draw_change(scenario, rows, source)
        before = DeltaTable(path).version()
        ready = staged(spark, path, changes(change, scenario.schema), scenario.key, expected_version=before)
        by_spark = ready.choice.reason is CommitterReason.COLUMN  # looks for NaN
        assert ready.choice.committer is (Committer.SPARK if by_spark else Committer.VECTORS)
        version = ready.commit(epoch, "note")
        assert version == before + 1
        expected, counts = applied(scenario, rows, change)
        assert (ready.inserted, ready.updated, ready.deleted) == counts, (seed, epoch)
        assert spark_rows(spark, path) == Counter(map(plain, expected)), (seed, epoch)
        difference = Counter(map(plain, expected))
        difference.subtract(Counter(map(plain, rows)))
        wanted = {row: count for row, count in difference.items() if count}
        assert netted(spark_feed(spark, path, version)) == wanted, (seed, epoch)
        check_change(spark, path, before)
        rows = expected
        check_lookups(spark, path, scenario, source)
    check_change(spark, path, 0)


def check_change(spark: SparkSession, path: str, since: int) -> None:
    """The feed as refreshes read it is the difference between the versions."""
    change = read_table_change(path, since, DeltaTable(path).version())
    assert change.obstacle is None
    assert change.reader in (FeedReader.ANY, FeedReader.SPARK)
    feed = read_change_feed(spark, path, change)
    found = bag(spark.read.format("delta").option("versionAsOf", since).load(path))
    found.update(bag(feed.frame))
    found.subtract(bag(spark.read.format("delta").load(path)))
    feed.close()
    assert not {row: count for row, count in found.items() if count}


def check_lookups(spark: SparkSession, path: str, scenario: Scenario, source: random.Random) -> None:
    """Rows by a key's values, without Spark, are those that Spark finds."""
    version = DeltaTable(path).version()
    table = spark.read.format("delta").load(path).toArrow()
    name = source.choice(
        [column for column in scenario.columns if column in ("text", "day", "number", "small", "truth")]
    )
    known = table[name].unique().to_pylist()
    keys = pa.table({name: pa.array(source.sample(known, min(3, len(known))), table.schema.field(name).type)})
    wanted = Counter(plain(tuple(row.values())) for row in table.to_pylist() if row[name] in keys[name].to_pylist())
    found = looked_up_rows(spark, path, version, keys, table.column_names)
    assert found is not None
    assert Counter(plain(tuple(row.values())) for row in found.toArrow().to_pylist()) == wanted
    every = rows_of_keys(spark, path, version, None).toArrow().to_pylist()
    assert Counter(plain(tuple(row.values())) for row in every) == spark_rows(spark, path)
    counted = counted_rows(spark, path, version, keys)
    assert counted is not None
    assert sum(row[COUNT] for row in counted.collect()) == sum(wanted.values())


def test_no_file_is_rewritten(tmp_path: Path, spark: SparkSession) -> None:
    path = vector_table(spark, tmp_path / "t", [(number, "a") for number in range(200)])
    before = set(DeltaTable(path).file_uris())
    change = staged(spark, path, changes([("update", 7, "x"), ("delete", 100, None), ("insert", 900, "y")]))
    change.commit(1, "note")
    after = set(DeltaTable(path).file_uris())
    assert before < after
    assert len(after - before) == 1
    metrics = DeltaTable(path).history(1)[0]["operationMetrics"]
    assert [metrics[f"numTargetRows{name}"] for name in ("Inserted", "Updated", "Deleted")] == ["1", "1", "1"]
    assert read_table_change(path, 0, 1).rows == 4


def test_small_files_do_not_pile_up(tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_merge, "_MOST_SMALL", 3)
    rows = dict.fromkeys(range(20), "a")
    path = vector_table(spark, tmp_path / "t", list(rows.items()))
    for epoch in range(8):
        rows |= {epoch: f"{epoch}", 100 + epoch: "new"}
        del rows[19 - epoch]
        change = [("update", epoch, f"{epoch}"), ("delete", 19 - epoch, None), ("insert", 100 + epoch, "new")]
        staged(spark, path, changes(change)).commit(epoch, "note")
        assert len(DeltaTable(path).file_uris()) <= 4
        assert spark_rows(spark, path) == Counter(rows.items())
        assert netted(spark_feed(spark, path, epoch + 1)).total() == 0
        check_change(spark, path, epoch)
    check_change(spark, path, 0)


def test_a_file_without_rows_is_removed(tmp_path: Path, spark: SparkSession) -> None:
    path = vector_table(spark, tmp_path / "t", [(1, "a"), (2, "b")])
    staged(spark, path, changes([("insert", 3, "c")])).commit(1, "note")
    before = len(DeltaTable(path).file_uris())
    staged(spark, path, changes([("delete", 3, None)])).commit(2, "note")
    assert len(DeltaTable(path).file_uris()) == before - 1
    assert spark_rows(spark, path) == Counter([(1, "a"), (2, "b")])
    check_change(spark, path, 1)


def test_a_change_without_effect_is_a_commit_without_files(tmp_path: Path, spark: SparkSession) -> None:
    path = vector_table(spark, tmp_path / "t", [(1, "a"), (2, "b")])
    change = staged(spark, path, changes([("update", 1, "a"), ("delete", 5, None)]))
    assert change.commit(1, "note") == 1
    assert not read_table_change(path, 0, 1).changes_rows
    assert staged(spark, path, changes([("delete", 1, None)])).commit(1, "again") == 1
    assert spark_rows(spark, path) == Counter([(1, "a"), (2, "b")])


def test_where_too_many_rows_would_be_looked_at_spark_merges(
    tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = vector_table(spark, tmp_path / "t", [(number % 2, f"{number}") for number in range(20)])
    monkeypatch.setattr(vector_merge, "_MOST_FOUND", 3)
    rows = changes([("remove", 0, "4"), ("insert", 9, "x")])
    change = staged(spark, path, rows.slice(0, 2), None)
    # By `v` few would be found, and that is the column taken; of `k` there are many.
    monkeypatch.setattr(vector_merge, "lookup_column", lambda table, values: "k")
    change.commit(1, "note")
    assert (change.inserted, change.deleted) == (1, 1)
    assert sum(spark_rows(spark, path).values()) == 20
    assert (0, "4") not in spark_rows(spark, path)


def test_files_of_unknown_numbers_of_rows_are_sparks(tmp_path: Path, spark: SparkSession) -> None:
    session = spark.newSession()
    session.conf.set("spark.databricks.delta.stats.collect", "false")
    path = vector_table(session, tmp_path / "t", [(1, "a"), (2, "b"), (3, "c")])
    change = staged(spark, path, changes([("update", 1, "x"), ("delete", 2, None)]))
    change.commit(1, "note")
    assert (change.updated, change.deleted) == (1, 1)
    assert spark_rows(spark, path) == Counter([(1, "x"), (3, "c")])


def test_what_failed_leaves_no_file_behind(
    tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = vector_table(spark, tmp_path / "t", [(1, "a"), (2, "b")])
    before = {file for file in Path(path).rglob("*") if file.is_file()}

    def fail(*given: object) -> int:
        raise OSError("no space left")

    monkeypatch.setattr(VectorCommit, "publish", fail)
    change = staged(spark, path, changes([("update", 1, "x"), ("delete", 2, None)]))
    with pytest.raises(OSError, match="no space"):
        change.commit(1, "note")
    change.discard()
    assert {file for file in Path(path).rglob("*") if file.is_file() and "lock" not in file.name} == before
    monkeypatch.undo()
    staged(spark, path, changes([("update", 1, "x")])).commit(1, "note")
    assert spark_rows(spark, path) == Counter([(1, "x"), (2, "b")])


@pytest.mark.parametrize("alone", [False, True])
def test_another_writer_in_between_is_a_conflict(
    tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    path = vector_table(spark, tmp_path / "t", [(1, "a"), (2, "b")])
    publish = VectorCommit.publish

    def late(self: VectorCommit, *given: Any) -> int:
        spark.sql(f"INSERT INTO delta.`{path}` VALUES (1, 'other')")
        return publish(self, *given)

    monkeypatch.setattr(VectorCommit, "publish", late)
    change = staged(spark, path, changes([("update", 1, "x")]), expected_version=0 if alone else None)
    with pytest.raises(ConcurrentWriteException if alone else Exception, match=r"(?i)concurrent"):
        change.commit(1, "note")
    change.discard()
    assert spark_rows(spark, path) == Counter([(1, "a"), (1, "other"), (2, "b")])


def test_a_column_that_came_later(tmp_path: Path, spark: SparkSession) -> None:
    path = vector_table(spark, tmp_path / "t", [(1, "a"), (2, "b")])
    spark.sql(f"ALTER TABLE delta.`{path}` ADD COLUMN w BIGINT")
    schema = pa.schema([*SMALL, ("w", pa.int64())])
    for epoch, (row, key) in enumerate([(("update", 1, "a", 5), ("k",)), (("remove", 2, "b", None), None)]):
        staged(spark, path, changes([row], schema), key).commit(epoch, "note")
    assert spark_rows(spark, path) == Counter([(1, "a", 5)])


def test_nan_is_not_skipped_by_statistics(tmp_path: Path, spark: SparkSession) -> None:
    schema = pa.schema([("k", pa.int64()), ("v", pa.float64())])
    path = vector_table(spark, tmp_path / "t", [(1, 1.0)], schema)
    staged(spark, path, changes([("update", 2, float("nan")), ("update", 3, 2.0)], schema)).commit(1, "note")
    found = spark.sql(f"SELECT k FROM delta.`{path}` WHERE v > 100").collect()
    assert [row.k for row in found] == [2]
