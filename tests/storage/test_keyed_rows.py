"""Rows of some keys, read with and without Spark."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from lakehouse.storage.key_lookup import COUNT
from lakehouse.storage.keyed_rows import counted_rows, looked_up_rows, rows_of_keys, table_schema

pytestmark = pytest.mark.spark

COLUMNS = "shop string, number bigint, day date, at timestamp, price decimal(10,2), tags array<string>"
NOON = dt.datetime(2026, 1, 1, 12)
ROWS = [
    ("a", 1, dt.date(2026, 1, 1), NOON, Decimal("1.50"), ["x"]),
    ("b", 2, None, NOON, None, []),
    (None, 3, dt.date(2026, 1, 2), None, Decimal("2.00"), None),
    ("a", None, dt.date(2026, 1, 1), NOON, Decimal("3.25"), ["y"]),
]


@pytest.mark.parametrize("partitioned", [False, True])
@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (["shop"], [("a",), ("zz",)]),
        (["shop"], [(None,), ("b",)]),
        (["number", "day"], [(1, dt.date(2026, 1, 1)), (None, dt.date(2026, 1, 1))]),
        (["price"], [(Decimal("1.50"),)]),
    ],
)
def test_all_rows_of_the_keys_come_as_spark_reads_them(
    spark: SparkSession, tmp_path: Path, names: list[str], keys: list[tuple[object, ...]], partitioned: bool
) -> None:
    location = str(tmp_path / "table")
    writer = spark.createDataFrame(ROWS, COLUMNS).repartition(2).write.format("delta")
    (writer.partitionBy("shop") if partitioned else writer).save(location)
    kinds = ", ".join(part for part in COLUMNS.split(", ") if part.split(" ")[0] in names)
    wanted = spark.createDataFrame(keys, kinds)
    found = rows_of_keys(spark, location, 0, wanted.toArrow())
    plain = spark.read.format("delta").load(location)
    assert [(f.name, f.dataType) for f in found.schema] == [(f.name, f.dataType) for f in plain.schema]
    expected = Counter(repr(row) for row in plain.collect() if tuple(row[name] for name in names) in keys)
    chosen = Counter(repr(row) for row in found.collect() if tuple(row[name] for name in names) in keys)
    assert expected
    assert chosen == expected


def test_without_keys_all_rows_of_the_version_come(spark: SparkSession, tmp_path: Path) -> None:
    location = str(tmp_path / "table")
    frame = spark.createDataFrame(ROWS, COLUMNS)
    frame.write.format("delta").save(location)
    frame.write.format("delta").mode("append").save(location)
    assert rows_of_keys(spark, location, 0, None).count() == len(ROWS)
    assert rows_of_keys(spark, location, 1, None).count() == 2 * len(ROWS)


def test_a_version_without_rows_has_its_columns(spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "t")
    write_deltalake(path, pa.table({"number": [1, 2], "shop": ["a", "b"]}))
    DeltaTable(path).delete()
    found = rows_of_keys(spark, path, 1, None)
    assert (found.columns, found.collect()) == (["number", "shop"], [])


def test_files_that_deltalake_wrote_are_read_by_text_keys(spark: SparkSession, tmp_path: Path) -> None:
    location = str(tmp_path / "table")
    write_deltalake(location, pa.table({"shop": ["a", "b", None], "n": [1, 2, 3]}))
    changed = pa.table({"shop": ["b", "c"], "n": [20, 30]})
    merge = DeltaTable(location).merge(changed, "t.shop = s.shop", source_alias="s", target_alias="t")
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
    found = rows_of_keys(spark, location, 1, pa.table({"shop": ["b", "c"]}))
    assert sorted(tuple(row) for row in found.collect()) == [("b", 20), ("c", 30)]


def test_the_schema_is_sparks(spark: SparkSession, tmp_path: Path) -> None:
    location = str(tmp_path / "table")
    spark.createDataFrame(ROWS, COLUMNS).write.format("delta").save(location)
    assert table_schema(location, 0) == spark.read.format("delta").load(location).schema


def test_far_instants_in_sparks_old_format_are_read_as_they_are(spark: SparkSession, tmp_path: Path) -> None:
    location = str(tmp_path / "table")
    kind = "spark.sql.parquet.outputTimestampType"
    first = "SELECT 1 AS k, TIMESTAMP_MICROS(-62135596800000000) AS at"
    written = spark.sql(f"{first} UNION ALL SELECT 2, TIMESTAMP'9999-12-30'")
    before = str(spark.conf.get(kind))
    spark.conf.set(kind, "INT96")
    try:
        written.write.format("delta").save(location)
    finally:
        spark.conf.set(kind, before)  # not unset: that is Spark's own default, and not what the session was opened with
    expected = Counter(map(repr, written.selectExpr("k", "unix_micros(at)").collect()))
    few = looked_up_rows(spark, location, 0, pa.table({"k": pa.array([1, 2], pa.int32())}), ["at"])
    assert few is not None
    for found in (few, rows_of_keys(spark, location, 0, None)):
        assert Counter(map(repr, found.selectExpr("k", "unix_micros(at)").collect())) == expected


def test_nested_columns_are_left_to_spark(spark: SparkSession, tmp_path: Path) -> None:
    location = str(tmp_path / "table")
    spark.createDataFrame(ROWS, COLUMNS).write.format("delta").save(location)
    keys = pa.table({"number": pa.array([1], pa.int64())})
    assert looked_up_rows(spark, location, 0, keys, ["tags"]) is None
    found = looked_up_rows(spark, location, 0, keys, ["shop"])
    assert found is not None
    assert [tuple(row) for row in found.collect()] == [("a", 1)]


def test_rows_are_counted_at_the_version_asked_for(spark: SparkSession, tmp_path: Path) -> None:
    location = str(tmp_path / "table")
    for keys in ([1, 1, None, 3], [1]):
        write_deltalake(location, pa.table({"k": pa.array(keys, pa.int64()), "v": keys}), mode="append")
    wanted = pa.table({"k": pa.array([1, None, 2], pa.int64())})
    counts = []
    for version in (0, 1):
        found = counted_rows(spark, location, version, wanted)
        assert found is not None
        counts.append({row.k: row[COUNT] for row in found.collect()})
    assert counts == [{1: 2, None: 1}, {1: 3, None: 1}]


def test_rows_of_the_last_of_many_files_come(spark: SparkSession, tmp_path: Path) -> None:
    location = str(tmp_path / "table")
    for number in range(4):
        write_deltalake(location, pa.table({"k": [f"k{number}"], "n": [number]}), mode="append")
    wanted = [rows_of_keys(spark, location, 3, pa.table({"k": [f"k{number}"]})).collect() for number in range(4)]
    assert [[row.n for row in found] for found in wanted] == [[0], [1], [2], [3]]
