"""A change set becomes one commit: the same rows by either committer, refused where it must be, harmless to repeat."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from delta.exceptions.base import ConcurrentWriteException
from deltalake import DeltaTable, write_deltalake
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from lakehouse.analysis.failure import describe_failure
from lakehouse.errors import ChangeError, SchemaError
from lakehouse.plan.records import RefreshRecord
from lakehouse.storage import spark_merge
from lakehouse.storage.change_rows import ChangeRule
from lakehouse.storage.committer_choice import LIMITS, CommitterReason
from lakehouse.storage.staged_write import StagedWrite
from lakehouse.storage.table_log import read_table_facts
from tests.storage.change_tables import (
    APPLICATION,
    BY_SPARK,
    FEED,
    Settings,
    arrow,
    changes,
    contents,
    make_table,
    netted,
    plain,
    spark_feed,
    staged,
)

ENGINES = [pytest.param("deltalake"), pytest.param("spark", marks=pytest.mark.spark)]
Stage = Callable[..., Any]
ROWS = [(1, "a"), (2, "b"), (None, "c"), (4, "d")]


@pytest.fixture(params=ENGINES)
def stage(request: pytest.FixtureRequest) -> Stage:
    """Stages a change set for one of the two committers."""
    if request.param == "deltalake":
        return lambda *given, **options: staged(None, *given, **options)
    session = request.getfixturevalue("spark")
    return lambda *given, **options: staged(session, *given, limits=BY_SPARK, **options)


def note(epoch: int) -> str:
    return RefreshRecord(
        project="p", dataset="gold.g", run="r", epoch=epoch, mode="m", fingerprint="f", layout="l", settings="s"
    ).to_json()


def files(path: str) -> set[str]:
    return {str(file) for file in Path(path).rglob("*.parquet")}


def test_keyed_changes(tmp_path: Path, stage: Stage) -> None:
    path = make_table(tmp_path / "t", ROWS)
    change = stage(
        path,
        changes(
            [
                ("update", 1, "a"),  # as it is
                ("update", 2, "bb"),
                ("delete", None, None),  # the key is NULL
                ("delete", 9, None),  # there is none
                ("update", 5, "e"),  # there is none yet
                ("insert", 6, "f"),
            ]
        ),
    )
    assert contents(path) == sorted(ROWS, key=repr)
    assert (change.rows, change.inserted, change.updated, change.deleted) == (6, None, None, None)
    assert change.bytes > 0
    assert change.commit(7, note(7)) == 1
    assert contents(path) == [(1, "a"), (2, "bb"), (4, "d"), (5, "e"), (6, "f")]
    assert (change.inserted, change.updated, change.deleted) == (2, 1, 1)
    facts = read_table_facts(path)
    assert (facts.version, facts.record_version, facts.foreign_change) == (1, 1, False)
    assert facts.record is not None
    assert facts.record.epoch == 7
    assert DeltaTable(path).transaction_version(APPLICATION) == 7


def test_changes_of_a_bag(tmp_path: Path, stage: Stage) -> None:
    path = make_table(tmp_path / "t", [(1, "a"), (1, "a"), (None, None), (None, "x"), (2, "b")])
    rows = [("remove", 1, "a"), ("remove", 1, "a"), ("remove", None, None), ("remove", 7, "z")]
    change = stage(path, changes([*rows, ("insert", 1, "a"), ("insert", 3, "c"), ("insert", 3, "c")]), None)
    assert change.commit(1, note(1)) == 1
    assert contents(path) == sorted([(1, "a"), (None, "x"), (2, "b"), (3, "c"), (3, "c")], key=repr)
    assert (change.inserted, change.updated, change.deleted) == (3, 0, 3)


def test_rows_that_are_only_added_are_an_append(tmp_path: Path, stage: Stage) -> None:
    path = make_table(tmp_path / "t", ROWS)
    before = files(path)
    change = stage(path, changes([("insert", 1, "again"), ("insert", 7, "g")]))
    assert change.commit(1, note(1)) == 1
    assert (change.inserted, change.updated, change.deleted) == (2, 0, 0)
    assert contents(path) == sorted([*ROWS, (1, "again"), (7, "g")], key=repr)
    assert before < files(path)
    assert DeltaTable(path).history(1)[0]["operation"] == "WRITE"


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        ([], ("k",)),
        ([], None),
        ([("update", 1, "a"), ("update", None, "c"), ("delete", 9, None)], ("k",)),
        ([("remove", 1, "z"), ("remove", 9, None)], None),
    ],
)
def test_a_change_without_effect_leaves_a_mark_and_no_file(
    tmp_path: Path, stage: Stage, rows: list[Any], key: tuple[str, ...] | None
) -> None:
    path = make_table(tmp_path / "t", ROWS)
    active = set(DeltaTable(path).file_uris())
    change = stage(path, changes(rows), key, expected_version=0)
    assert change.commit(3, note(3)) == 1
    assert (change.inserted, change.updated, change.deleted) == (0, 0, 0)
    assert set(DeltaTable(path).file_uris()) == active
    assert DeltaTable(path).transaction_version(APPLICATION) == 3
    facts = read_table_facts(path)
    assert (facts.record_version, facts.record and facts.record.epoch, facts.foreign_change) == (1, 3, False)


def test_an_epoch_is_committed_once(tmp_path: Path, stage: Stage) -> None:
    path = make_table(tmp_path / "t", ROWS)
    assert stage(path, changes([("insert", 7, "g")]), expected_version=0).commit(4, note(4)) == 1
    write_deltalake(path, arrow([(8, "h")]), mode="append")
    for rows in ([("insert", 7, "g")], [("update", 2, "bb")], []):
        again = stage(path, changes(rows), expected_version=0)
        assert again.commit(4, note(4)) == 1
        assert (again.inserted, again.updated, again.deleted) == (0, 0, 0)
    assert stage(path, changes([("insert", 7, "g")])).commit(3, note(3)) == 2  # older: the log has no such commit
    assert contents(path) == sorted([*ROWS, (7, "g"), (8, "h")], key=repr)


def test_two_of_one_epoch_staged_side_by_side(tmp_path: Path, stage: Stage) -> None:
    path = make_table(tmp_path / "t", ROWS)
    both = [stage(path, changes([("insert", 7, "g")]), expected_version=0) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda change: change.commit(1, note(1)), both)) == [1, 1]
    assert sorted(change.inserted for change in both) == [0, 1]
    assert contents(path).count((7, "g")) == 1


@pytest.mark.parametrize("rows", [[("update", 1, "x"), ("insert", 7, "g")], [("insert", 7, "g")], []])
def test_without_a_commit_nothing_remains(tmp_path: Path, stage: Stage, rows: list[Any]) -> None:
    path = make_table(tmp_path / "t", ROWS)
    before = files(path)
    stage(path, changes(rows), expected_version=0).discard()
    assert files(path) == before
    stage(path, changes(rows), expected_version=0)  # and then the process died
    assert (DeltaTable(path).version(), contents(path)) == (0, sorted(ROWS, key=repr))
    assert stage(path, changes(rows), expected_version=0).commit(1, note(1)) == 1


@pytest.mark.parametrize("rows", [[("update", 1, "x")], [("insert", 7, "g")], []])
def test_rows_that_another_writer_changed_since_are_a_conflict(tmp_path: Path, stage: Stage, rows: list[Any]) -> None:
    path = make_table(tmp_path / "t", ROWS)
    before = files(path)
    change = stage(path, changes(rows), expected_version=0)
    write_deltalake(path, arrow([(8, "h")]), mode="append")
    with pytest.raises(ConcurrentWriteException) as raised:
        change.commit(1, note(1))
    change.discard()
    failure = describe_failure(raised.value)
    assert (failure.condition, failure.transient) == ("DELTA_CONCURRENT_WRITE", True)
    assert contents(path) == sorted([*ROWS, (8, "h")], key=repr)
    assert len(files(path)) == len(before) + 1
    with pytest.raises(ConcurrentWriteException):  # computed against a version that is not there (any more)
        stage(path, changes(rows), expected_version=5).commit(1, note(1))
    assert stage(path, changes(rows), expected_version=1).commit(1, note(1)) == 2


def test_maintenance_since_is_no_conflict(tmp_path: Path, stage: Stage) -> None:
    for number, row in enumerate((("update", 8, "hh"), ("insert", 9, "i"))):
        path = make_table(tmp_path / f"{number}", ROWS)
        write_deltalake(path, arrow([(8, "h")]), mode="append")
        change = stage(path, changes([row]), expected_version=1)
        DeltaTable(path).optimize.compact()
        assert change.commit(1, note(1)) == 3
        expected = {**dict(ROWS), 8: "h", row[1]: row[2]}
        assert contents(path) == sorted(expected.items(), key=repr)


def test_a_log_that_no_longer_tells_is_a_conflict(tmp_path: Path, stage: Stage) -> None:
    path = make_table(tmp_path / "t", ROWS)
    for _ in range(2):
        DeltaTable(path).create_write_transaction([], "append", DeltaTable(path).schema())
    DeltaTable(path).create_checkpoint()
    change = stage(path, changes([("update", 1, "x")]), expected_version=0)
    (Path(path) / "_delta_log" / f"{1:020d}.json").unlink()
    with pytest.raises(ConcurrentWriteException):
        change.commit(1, note(1))
    change.discard()


def test_columns_that_changed_since_are_a_conflict(tmp_path: Path, stage: Stage) -> None:
    path = make_table(tmp_path / "t", ROWS)
    change = stage(path, changes([("update", 1, "x")]), expected_version=0)
    wider = pa.table({"k": pa.array([], pa.int64()), "v": pa.array([], pa.string()), "w": pa.array([], pa.int64())})
    write_deltalake(path, wider, mode="append", schema_mode="merge")
    with pytest.raises(ConcurrentWriteException):
        change.commit(1, note(1))
    change.discard()


def test_another_deltalake_writer_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, rows in enumerate(([("update", 1, "x")], [("insert", 7, "g")], [])):
        path = make_table(tmp_path / f"{number}", ROWS)
        change = staged(None, path, changes(rows), expected_version=0)
        with monkeypatch.context() as patched:
            real = change._engine._write  # type: ignore[attr-defined]

            def late(*given: Any, path: str = path, real: Any = real) -> Any:
                write_deltalake(path, arrow([(8, "h")]), mode="append")
                return real(*given)

            patched.setattr(change._engine, "_write", late)
            with pytest.raises(ConcurrentWriteException):
                change.commit(1, note(1))
        assert contents(path) == sorted([*ROWS, (8, "h")], key=repr)


@pytest.mark.parametrize(
    ("rows", "key", "rule"),
    [
        ([("update", 1, "x"), ("delete", 1, None)], ("k",), ChangeRule.DUPLICATE_KEY),
        ([("insert", None, "x"), ("update", None, "y")], ("k",), ChangeRule.DUPLICATE_KEY),
        ([("remove", 1, "a")], ("k",), ChangeRule.UNKNOWN_CHANGE),
        ([("update", 1, "a")], None, ChangeRule.UNKNOWN_CHANGE),
        ([("upsert", 1, "a")], ("k",), ChangeRule.UNKNOWN_CHANGE),
        ([(None, 1, "a")], ("k",), ChangeRule.UNKNOWN_CHANGE),
    ],
)
def test_change_sets_that_contradict_themselves(
    tmp_path: Path, stage: Stage, rows: list[Any], key: tuple[str, ...] | None, rule: ChangeRule
) -> None:
    path = make_table(tmp_path / "t", ROWS)
    with pytest.raises(ChangeError) as raised:
        stage(path, changes(rows), key)
    assert raised.value.rule == rule.value
    assert DeltaTable(path).version() == 0


@pytest.mark.parametrize(
    ("kind", "one", "two"),
    [
        (pa.float64(), 0.0, -0.0),
        (pa.decimal128(9, 2), Decimal("1.5"), Decimal("1.50")),
        (pa.timestamp("us", "UTC"), 5, 5),
    ],
)
def test_keys_that_only_look_different(tmp_path: Path, stage: Stage, kind: pa.DataType, one: Any, two: Any) -> None:
    schema = pa.schema([("k", kind), ("v", pa.string())])
    path = make_table(tmp_path / "t", [(one, "a")], schema)
    with pytest.raises(ChangeError) as raised:
        stage(path, changes([("update", one, "x"), ("update", two, "y")], schema))
    assert (raised.value.rule, raised.value.columns) == (ChangeRule.DUPLICATE_KEY.value, ("k",))
    assert stage(path, changes([("update", two, "x")], schema)).commit(1, note(1)) == 1
    assert [row[1] for row in contents(path)] == ["x"]


@pytest.mark.parametrize(
    ("columns", "key", "wrong"),
    [
        ({"k": [1], "_change": ["insert"]}, ("k",), ("v",)),
        ({"k": [1], "v": ["a"], "w": [1], "_change": ["insert"]}, ("k",), ("w",)),
        ({"k": [1], "v": ["a"]}, ("k",), ("_change",)),
        ({"K": [1], "v": ["a"], "_change": ["insert"]}, ("k",), ("K", "k")),
        ({"k": [1], "v": ["a"], "_change": ["insert"]}, ("id",), ("id",)),
        ({"k": ["1"], "v": ["a"], "_change": ["insert"]}, ("k",), ("k",)),
        ({"k": [1], "v": [5], "_change": ["insert"]}, None, ("v",)),
    ],
)
def test_columns_that_are_not_the_tables(
    tmp_path: Path, stage: Stage, columns: Any, key: tuple[str, ...] | None, wrong: tuple[str, ...]
) -> None:
    path = make_table(tmp_path / "t", ROWS)
    with pytest.raises(SchemaError) as raised:
        stage(path, pa.table(columns), key)
    assert raised.value.columns == wrong


def test_null_where_the_table_allows_none(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("k", pa.int64()), pa.field("v", pa.string(), nullable=False)])
    path = make_table(tmp_path / "t", [(1, "a"), (2, "b")], schema)
    with pytest.raises(SchemaError) as raised:
        staged(None, path, changes([("update", 1, None)]))
    assert raised.value.columns == ("v",)
    assert staged(None, path, changes([("delete", 1, None)])).commit(1, note(1)) == 1
    assert contents(path) == [(2, "b")]


def test_a_table_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ChangeError) as raised:
        staged(None, str(tmp_path / "none"), changes([]))
    assert raised.value.rule == ChangeRule.NO_TABLE.value
    assert not (tmp_path / "none").exists()


def test_a_boolean_key_changes_its_own_row(tmp_path: Path, stage: Stage) -> None:
    schema = pa.schema([("k", pa.bool_()), ("w", pa.int64()), ("v", pa.string())])
    path = make_table(tmp_path / "t", [(True, 1, "a"), (False, 1, "b"), (None, 1, "c")], schema)
    stage(path, changes([("update", False, 1, "x")], schema), ("k", "w")).commit(1, note(1))
    assert contents(path) == sorted([(True, 1, "a"), (False, 1, "x"), (None, 1, "c")], key=repr)


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()])
def test_nan_is_not_replaced_by_nan_of_other_bits(tmp_path: Path, stage: Stage, kind: pa.DataType) -> None:
    schema = pa.schema([("k", pa.int64()), ("v", kind)])
    nan = float("nan")
    path = make_table(tmp_path / "t", [(1, nan), (2, nan), (3, None), (4, 0.0)], schema)
    change = stage(
        path, changes([("update", 1, -nan), ("update", 2, None), ("update", 3, -nan), ("update", 4, -0.0)], schema)
    )
    change.commit(1, note(1))
    assert change.updated == 2
    assert [(k, plain(v)) for k, v in contents(path)] == [(1, "NaN"), (2, None), (3, "NaN"), (4, 0.0)]


@pytest.mark.spark
@pytest.mark.long
@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()])
def test_nan_is_found_by_nan_of_other_bits(tmp_path: Path, spark: SparkSession, kind: pa.DataType) -> None:
    schema = pa.schema([("k", kind), ("v", pa.string())])
    nan = float("nan")
    for number, limits in enumerate((LIMITS, BY_SPARK)):
        path = make_table(tmp_path / f"{number}", [(nan, "a"), (1.0, "b")], schema)
        with pytest.raises(ChangeError):
            staged(spark, path, changes([("delete", nan, None), ("update", -nan, "x")], schema), limits=limits)
        change = staged(spark, path, changes([("update", -nan, "x")], schema), limits=limits)
        assert change.choice.committer.value == "spark"
        change.commit(1, note(1))
        assert (change.updated, [row[1] for row in contents(path)]) == (1, ["b", "x"])


def test_files_without_a_sought_key_are_left_alone(tmp_path: Path, stage: Stage) -> None:
    path = make_table(tmp_path / "t", [(number, "a") for number in range(100)])
    for start in range(100, 1000, 100):
        write_deltalake(path, arrow([(number, "a") for number in range(start, start + 100)]), mode="append")
    before = set(DeltaTable(path).file_uris())
    change = stage(path, changes([("update", 150, "x"), ("delete", 850, None), ("insert", 5000, "y")]))
    assert change.commit(1, note(1)) == 10
    assert len(before - set(DeltaTable(path).file_uris())) == 2
    assert (change.inserted, change.updated, change.deleted) == (1, 1, 1)


@pytest.mark.spark
@pytest.mark.long
def test_spark_skips_files_by_ranges_before_it_reads_them(tmp_path: Path, spark: SparkSession) -> None:
    path = make_table(tmp_path / "t", [(number, "a") for number in range(100)])
    for start in range(100, 1000, 100):
        write_deltalake(path, arrow([(number, "a") for number in range(start, start + 100)]), mode="append")
    rows = changes([("update", 150, "x"), ("update", 851, "x")])
    staged(spark, path, rows, limits=BY_SPARK).commit(1, note(1))
    metrics = DeltaTable(path).history(1)[0]["operationMetrics"]
    assert int(metrics["numTargetFilesRemoved"]) == 2
    skipped = spark.sql(f"DESCRIBE HISTORY delta.`{path}` LIMIT 1").first()
    assert skipped is not None
    scanned = {key: value for key, value in skipped["operationMetrics"].items() if "Skipping" in key}
    assert scanned == {} or int(scanned["numTargetFilesAfterSkipping"]) == 2


@pytest.mark.spark
@pytest.mark.long
def test_maps_are_values_but_no_keys(tmp_path: Path, spark: SparkSession) -> None:
    schema = pa.schema([("k", pa.int64()), ("m", pa.map_(pa.string(), pa.int64()))])
    path = make_table(tmp_path / "t", [(1, [("a", 1)]), (2, [("a", 1)])], schema)
    rows = changes([("update", 1, [("a", 1)]), ("update", 2, [("a", 2)])], schema)
    change = staged(spark, path, rows, limits=BY_SPARK)
    change.commit(1, note(1))
    assert (change.updated, contents(path)) == (1, [(1, [("a", 1)]), (2, [("a", 2)])])
    for key, one in ((("m",), ("update", 1, [("a", 1)])), (None, ("remove", 1, [("a", 1)]))):
        with pytest.raises(ChangeError) as raised:
            staged(spark, path, changes([one], schema), key)
        assert (raised.value.rule, raised.value.columns) == (ChangeRule.INCOMPARABLE.value, ("m",))


@pytest.mark.spark
@pytest.mark.long
@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ("CLUSTER BY (k)", "feature"),
        ("PARTITIONED BY (v) TBLPROPERTIES (delta.enableDeletionVectors = true)", "partition"),
        ("TBLPROPERTIES (delta.enableRowTracking = true)", "feature"),
        ("TBLPROPERTIES (delta.columnMapping.mode = 'name')", "feature"),
        ("TBLPROPERTIES (delta.enableInCommitTimestamps = true)", "feature"),
    ],
)
def test_tables_that_only_spark_writes(tmp_path: Path, spark: SparkSession, declared: str, reason: str) -> None:
    path = str(tmp_path / "t")
    spark.sql(f"CREATE TABLE delta.`{path}` (k BIGINT, v STRING) USING delta {declared}")
    spark.createDataFrame([(1, "a"), (2, "b")], "k BIGINT, v STRING").write.format("delta").mode("append").save(path)
    change = staged(spark, path, changes([("update", 1, "x"), ("delete", 2, None), ("update", 3, "c")]))
    assert (change.choice.committer.value, change.choice.reason.value) == ("spark", reason)
    version = change.commit(1, note(1))
    assert (change.inserted, change.updated, change.deleted) == (1, 1, 1)
    same = staged(spark, path, changes([("update", 1, "x")]), expected_version=version)
    assert same.commit(2, note(2)) == version + 1
    assert staged(spark, path, changes([("insert", 4, "d")])).commit(3, note(3)) == version + 2
    assert staged(spark, path, changes([("insert", 4, "d")])).commit(3, note(3)) == version + 2
    found = spark.read.format("delta").load(path).orderBy("k").collect()
    assert [tuple(row) for row in found] == [(1, "x"), (3, "c"), (4, "d")]


@pytest.mark.spark
@pytest.mark.long
def test_a_column_that_cannot_be_compared(tmp_path: Path, spark: SparkSession) -> None:
    path = str(tmp_path / "t")
    spark.sql(f"CREATE TABLE delta.`{path}` (k BIGINT, v VARIANT) USING delta")
    rows = spark.sql("SELECT 1L k, parse_json('[1]') v, 'insert' _change")
    change = staged(spark, path, rows)
    assert (change.choice.committer.value, change.choice.reason.value) == ("spark", "feature")
    change.commit(1, note(1))
    assert change.inserted == 1
    for key, word in ((("k",), "update"), (("v",), "delete"), (None, "remove")):
        with pytest.raises(ChangeError) as raised:
            staged(spark, path, spark.sql(f"SELECT 1L k, parse_json('[1]') v, '{word}' _change"), key)
        assert (raised.value.rule, raised.value.columns) == (ChangeRule.INCOMPARABLE.value, ("v",))
    staged(spark, path, spark.sql("SELECT 1L k, NULL::VARIANT v, 'delete' _change")).commit(2, note(2))
    assert spark.read.format("delta").load(path).count() == 0


@pytest.mark.spark
@pytest.mark.long
def test_what_only_spark_checks_is_sparks(tmp_path: Path, spark: SparkSession) -> None:
    path = str(tmp_path / "t")
    spark.sql(f"CREATE TABLE delta.`{path}` (k BIGINT, v VARCHAR(3)) USING delta")
    change = staged(spark, path, changes([("update", 1, "long")]))
    assert change.choice.reason is CommitterReason.COLUMN
    with pytest.raises((PySparkException, Py4JJavaError)) as raised:
        change.commit(1, note(1))
    # Spark's own check, or Delta's, as the tables' session has it.
    assert describe_failure(raised.value).condition in ("EXCEED_LIMIT_LENGTH", "DELTA_EXCEED_CHAR_VARCHAR_LIMIT")
    change.discard()
    spark.sql(f"ALTER TABLE delta.`{path}` ADD CONSTRAINT positive CHECK (k > 0)")
    refused = staged(spark, path, changes([("update", -1, "x")]))
    with pytest.raises((PySparkException, Py4JJavaError)) as raised:
        refused.commit(1, note(1))
    assert describe_failure(raised.value).condition == "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES"
    refused.discard()
    assert DeltaTable(path).version() == 1


@pytest.mark.spark
@pytest.mark.long
def test_timestamp_partitions_in_another_zone(tmp_path: Path, spark: SparkSession) -> None:
    schema = pa.schema([("k", pa.int64()), ("t", pa.timestamp("us", "UTC"))])
    path = make_table(tmp_path / "t", [], schema, partition_by=["t"])
    zoned = spark.newSession()
    zoned.conf.set("spark.sql.session.timeZone", "America/New_York")
    moment = datetime.fromisoformat("2026-01-05T12:00:00+00:00")
    for number, session in enumerate((zoned, spark)):
        change = staged(session, path, changes([("insert", number, moment)], schema))
        assert change.choice.committer.value == ("spark" if session is zoned else "deltalake")
        change.commit(number, note(number))
    rows = spark.read.format("delta").load(path).selectExpr("k", "CAST(t AS BIGINT) t").orderBy("k").collect()
    assert [tuple(row) for row in rows] == [(0, int(moment.timestamp())), (1, int(moment.timestamp()))]
    assert staged(Settings("UTC"), path, changes([], schema)).choice.committer.value == "deltalake"  # type: ignore[arg-type]


@pytest.mark.spark
@pytest.mark.long
def test_frames_go_where_their_size_says(tmp_path: Path, spark: SparkSession) -> None:
    path = make_table(tmp_path / "t", ROWS)
    frame = spark.sql("SELECT 1L k, 'x' v, 'update' _change UNION ALL SELECT NULL, NULL, 'delete'")
    others = set(spark.sparkContext._jsc.getPersistentRDDs())
    for epoch, (limits, expected) in enumerate(((LIMITS, "deltalake"), (BY_SPARK, "spark"))):
        change = staged(spark, path, frame, limits=limits)
        assert (change.choice.committer.value, change.rows) == (expected, 2)
        change.commit(epoch, note(epoch))
        assert contents(path) == sorted([(1, "x"), (2, "b"), (4, "d")], key=repr)
        write_deltalake(path, arrow(ROWS), mode="overwrite")
    assert not frame.is_cached
    assert set(spark.sparkContext._jsc.getPersistentRDDs()) <= others
    with pytest.raises(SchemaError):
        staged(spark, path, frame.selectExpr("CAST(k AS INT) k", "v", "_change"), limits=BY_SPARK)
    with pytest.raises(ChangeError):
        staged(spark, path, frame.selectExpr("5L k", "v", "_change"), limits=BY_SPARK)
    assert set(spark.sparkContext._jsc.getPersistentRDDs()) <= others


@pytest.mark.spark
@pytest.mark.long
def test_many_rows_reach_spark_through_a_file(tmp_path: Path, spark: SparkSession) -> None:
    path = make_table(tmp_path / "t", [(number, "a") for number in range(30_000)])
    rows = changes([("update", number, f"é{number}") for number in range(0, 30_000, 2)])
    change = staged(spark, path, rows, limits=BY_SPARK)
    change.commit(1, note(1))
    assert change.updated == 15_000
    assert contents(path) == sorted(((n, "a" if n % 2 else f"é{n}") for n in range(30_000)), key=repr)


@pytest.mark.spark
@pytest.mark.long
def test_commits_of_one_session_side_by_side_keep_their_notes_apart(tmp_path: Path, spark: SparkSession) -> None:
    paths = [make_table(tmp_path / f"{number}", ROWS) for number in range(4)]
    ready = [staged(spark, path, changes([("update", 1, "x")]), limits=BY_SPARK) for path in paths]
    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(lambda number: ready[number].commit(number + 10, note(number + 10)), range(4)))
    assert versions == [1] * 4
    records = [read_table_facts(path).record for path in paths]
    assert [record and record.epoch for record in records] == [10, 11, 12, 13]
    assert [DeltaTable(path).transaction_version(APPLICATION) for path in paths] == [10, 11, 12, 13]
    assert spark.conf.get("spark.databricks.delta.write.txnAppId", "unset") == "unset"
    assert spark.conf.get("spark.databricks.delta.commitInfo.userMetadata", "unset") == "unset"


@pytest.mark.spark
@pytest.mark.long
def test_another_writer_during_a_merge(tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_table(tmp_path / "t", ROWS)
    change = staged(spark, path, changes([("update", 1, "x")]), expected_version=0, limits=BY_SPARK)
    real = spark_merge.SparkMerge._merge

    def meanwhile(*given: Any) -> Any:
        other = threading.Timer(0.2, lambda: write_deltalake(path, arrow([(8, "h")]), mode="append"))
        other.start()
        try:
            return real(*given)
        finally:
            other.join()

    monkeypatch.setattr(spark_merge.SparkMerge, "_merge", meanwhile)
    with pytest.raises(ConcurrentWriteException):
        change.commit(1, note(1))
    change.discard()
    assert contents(path) == sorted([*ROWS, (8, "h")], key=repr)


@pytest.mark.spark
@pytest.mark.long
@pytest.mark.parametrize("rows", [[("update", 1, "x")], [("insert", 7, "g")], []])
def test_another_writer_just_before_sparks_commit(
    tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch, rows: list[Any]
) -> None:
    path = make_table(tmp_path / "t", ROWS)
    change = staged(spark, path, changes(rows), expected_version=0, limits=BY_SPARK)
    for owner, name in (
        (spark_merge.SparkMerge, "_merge"),
        (StagedWrite, "commit"),
        (StagedWrite, "commit_next"),
    ):
        real = getattr(owner, name)

        def late(*given: Any, real: Any = real) -> Any:
            write_deltalake(path, arrow([(8, "h")]), mode="append")
            return real(*given)

        monkeypatch.setattr(owner, name, late)
    with pytest.raises(ConcurrentWriteException):
        change.commit(1, note(1))
    change.discard()
    assert contents(path) == sorted([*ROWS, (8, "h")], key=repr)
    # A commit of ours that had to be taken back is not what the next refresh may build on.
    facts = read_table_facts(path)
    assert facts.record is None or facts.foreign_change


@pytest.mark.spark
@pytest.mark.long
def test_a_row_that_stays_is_not_in_the_feed(tmp_path: Path, spark: SparkSession) -> None:
    rows = changes([("update", 1, "a"), ("update", 2, "bb"), ("update", None, "c"), ("delete", 4, None)])
    expected = {("update_preimage", (2, "b")): 1, ("update_postimage", (2, "bb")): 1, ("delete", (4, "d")): 1}
    for number, limits in enumerate((LIMITS, BY_SPARK)):
        path = make_table(tmp_path / f"{number}", ROWS, configuration=FEED)
        staged(spark, path, rows, limits=limits).commit(1, note(1))
        feed = spark_feed(spark, path, 1)
        assert feed == expected
        assert netted(feed) == {(2, "b"): -1, (2, "bb"): 1, (4, "d"): -1}


@pytest.mark.spark
@pytest.mark.parametrize("change", [("insert", 3), ("update", 1)])
def test_spark_finds_nan_where_it_looks_for_greater_numbers(
    tmp_path: Path, spark: SparkSession, change: tuple[str, int]
) -> None:
    schema = pa.schema([("k", pa.int64()), ("v", pa.float64()), ("f", pa.float32())])
    nan = float("nan")
    path = make_table(tmp_path / "t", [(1, 1.0, 1.0), (2, 2.0, 2.0)], schema)
    made = staged(spark, path, changes([(*change, nan, nan)], schema))
    assert made.choice.committer.value == "deltalake"
    made.commit(1, note(1))
    rows = spark.read.format("delta").load(path)
    conditions = ("v > 5", "f > 5", "v > double('inf')", "v = double('nan')")
    assert {text: [row.k for row in rows.where(text).collect()] for text in conditions} == {
        text: [change[1]] for text in conditions
    }
