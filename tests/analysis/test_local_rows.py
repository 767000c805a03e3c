"""Rows of the plan, worked on in the driver, against the same done by Spark's own operators."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.analysis import local_rows
from lakehouse.analysis.local_changes import netted_rows, repeated_rows
from lakehouse.analysis.local_rows import (
    appended_rows,
    arrow_rows,
    collected_rows,
    distinct_rows,
    joined_rows,
    literal_rows,
)
from lakehouse.refresh.view_change import difference, keyed_change

pytestmark = pytest.mark.spark

TYPES = "a int, b string, c decimal(20,3), d date, e timestamp, f boolean, g binary"
POOLS: tuple[Sequence[Any], ...] = (
    (None, 0, 1, -1, 2**31 - 1),
    (None, "", "a", "A", "a ", "é"),
    (None, Decimal("0"), Decimal("1.5"), Decimal("-1.500"), Decimal("99999999999999999.999")),
    (None, dt.date(2026, 1, 1), dt.date(1, 1, 1)),
    (None, dt.datetime(2026, 1, 1, 12), dt.datetime(1999, 12, 31, 23, 59, 59, 999999)),
    (None, True, False),
    (None, b"", b"\x00", b"a"),
)
NAMES = [part.split(" ")[0] for part in TYPES.split(", ")]


def rows(chance: random.Random, count: int) -> list[tuple[Any, ...]]:
    return [tuple(chance.choice(pool) for pool in POOLS) for _ in range(count)]


def here(session: SparkSession, found: list[tuple[Any, ...]], types: str) -> DataFrame:
    """The rows as rows of the plan."""
    local = collected_rows(session.createDataFrame(found, types))
    assert local is not None
    return local[0]


def bag(frame: DataFrame) -> Counter[str]:
    return Counter(map(repr, frame.collect()))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("null_safe", [True, False])
@pytest.mark.parametrize("how", ["inner", "left", "left_semi", "left_anti"])
def test_joins_are_those_of_spark(
    spark: SparkSession, seed: int, how: Literal["inner", "left", "left_semi", "left_anti"], null_safe: bool
) -> None:
    chance = random.Random(seed)
    keys = chance.sample(NAMES, chance.choice([0, 1, 1, 2, 3]))
    left, right = (here(spark, rows(chance, 25), TYPES) for _ in range(2))
    right = right.toDF(*(f"r_{name}" for name in NAMES))
    condition = F.lit(True)
    for name in keys:
        one, other = F.col(name), F.col(f"r_{name}")
        condition = condition & (one.eqNullSafe(other) if null_safe else one == other)
    found = joined_rows(left, right, [(name, f"r_{name}") for name in keys], how, null_safe=null_safe)
    assert found is not None, f"seed {seed}"
    assert found.columns == left.join(right, condition, how).columns
    assert bag(found) == bag(left.join(right, condition, how)), f"seed {seed}, keys {keys}"


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_told_apart_as_spark_does(spark: SparkSession, seed: int) -> None:
    chance = random.Random(seed)
    some = [chance.choice(rows(chance, 3)) for _ in range(30)]
    signed = [(*row, chance.choice([-2, -1, 1, 1])) for row in some]
    frame = here(spark, some, TYPES)
    found = distinct_rows(frame)
    assert found is not None
    assert bag(found) == bag(frame.distinct()), f"seed {seed}"
    change = here(spark, signed, f"{TYPES}, __w int")
    summed = change.groupBy(*NAMES).agg(F.sum("__w").cast("int").alias("__w")).where("__w <> 0")
    netted, units = netted_rows(change), netted_rows(change, "unit")
    assert netted is not None
    assert units is not None
    assert bag(netted) == bag(summed), f"seed {seed}"
    repeated = summed.selectExpr(*NAMES, "explode(array_repeat(CAST(signum(__w) AS INT), abs(__w))) AS __w")
    assert bag(units) == bag(repeated), f"seed {seed}"


def test_rows_are_appended_where_columns_agree(spark: SparkSession) -> None:
    one, other = here(spark, [(1, "a")], "k int, v string"), here(spark, [(None, None)], "k int, v string")
    found = appended_rows([one, other, one])
    assert found is not None
    assert [tuple(row) for row in found.collect()] == [(1, "a"), (None, None), (1, "a")]
    assert all(field.nullable for field in found.schema)
    assert appended_rows([one, here(spark, [("1", "a")], "k string, v string")]) is None
    assert appended_rows([one, other.toDF("v", "k")]) is None


def test_projections_and_filters_of_rows_of_the_plan_need_no_job(spark: SparkSession) -> None:
    frame = here(spark, [(1,), (2,), (3,)], "k int").selectExpr("k * 2 AS k").where("k > 2")
    before = len(spark.sparkContext.statusTracker().getJobIdsForGroup(None))
    found = literal_rows(frame)
    assert found is not None
    assert found[1] == 2
    assert len(spark.sparkContext.statusTracker().getJobIdsForGroup(None)) == before


@pytest.mark.parametrize("types", ["double", "float", "array<int>", "struct<a:int>", "string collate UTF8_LCASE"])
def test_what_bytes_do_not_tell_apart_is_left_to_spark(spark: SparkSession, types: str) -> None:
    frame = spark.sql(f"SELECT * FROM VALUES (CAST(NULL AS {types.replace('collate', 'COLLATE')}), 1) AS t(k, __w)")
    frame = frame.unionAll(frame)
    local = collected_rows(frame)
    assert local is not None
    assert distinct_rows(local[0]) is None
    assert netted_rows(local[0]) is None
    assert joined_rows(local[0], local[0].toDF("r", "w"), [("k", "r")], "left_semi") is None


def test_keys_of_other_types_are_left_to_spark(spark: SparkSession) -> None:
    left, right = here(spark, [(1,)], "k int"), here(spark, [(1,)], "r bigint")
    assert joined_rows(left, right, [("k", "r")], "left_semi") is None


def test_many_rows_stay_with_spark(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_rows, "MOST_ROWS", 5)
    assert collected_rows(spark.range(6).toDF("k")) is None
    few = collected_rows(spark.range(5).toDF("k"))
    assert few is not None
    assert few[1] == 5
    assert joined_rows(few[0], few[0].toDF("r"), [], "left") is None, "25 rows are too many"
    assert appended_rows([few[0], few[0]]) is None


def test_a_frame_that_reads_files_is_not_of_the_plan(spark: SparkSession, tmp_path: Any) -> None:
    spark.range(3).write.parquet(str(tmp_path / "t"))
    frame = spark.read.parquet(str(tmp_path / "t"))
    assert literal_rows(frame) is None
    assert distinct_rows(frame) is None


@pytest.mark.parametrize("seed", range(4))
def test_rows_that_come_and_go_are_paired_by_key_as_spark_does(
    spark: SparkSession, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    keys = {row[:2]: row for row in rows(chance, 25)}
    signed = []
    for row in keys.values():
        comes, goes = chance.choice([(True, False), (False, True), (True, True)])
        signed += [(*row, chance.choice([None, 1, 2]), 1)] if comes else []
        signed += [(*row[:-1], b"before", 7, -1)] if goes else []
    frame = here(spark, signed, f"{TYPES}, mask int, __w int")
    columns = [*NAMES, "mask"]
    local = keyed_change(frame, columns, ("a", "b"), ["mask"])
    monkeypatch.setattr(local_rows, "MOST_ROWS", 0)
    plain = keyed_change(frame, columns, ("a", "b"), ["mask"])
    assert local.rows.columns == plain.rows.columns
    assert local.key == plain.key == ("a", "b")
    assert bag(local.rows.drop("wasmask")) == bag(plain.rows.drop("wasmask")), f"seed {seed}"
    replaced = "_change <> 'insert'"  # what goes before an inserted row is not asked for
    assert bag(local.rows.where(replaced)) == bag(plain.rows.where(replaced)), f"seed {seed}"


def test_rows_become_arrow_tables_as_spark_makes_them(spark: SparkSession) -> None:
    types = f"{TYPES}, h double, i array<struct<x: int, y: string>>, j map<string, int>, k timestamp_ntz"
    found = [
        (*row, chance, None if number % 2 else [(1, None)], {"a": None}, dt.datetime(2026, 1, 1))
        for number, (row, chance) in enumerate(
            zip(rows(random.Random(1), 9), [0.5, float("nan"), None] * 3, strict=True)
        )
    ]
    for some in (found, []):
        frame = here(spark, some, types)
        table = arrow_rows(frame)
        plain = frame.toArrow()
        assert table.schema == plain.schema
        assert repr(table.to_pylist()) == repr(plain.to_pylist())


@pytest.mark.parametrize("seed", range(4))
def test_bags_are_changed_as_spark_does(spark: SparkSession, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    few = rows(chance, 4)
    new, old = ([chance.choice(few) for _ in range(12)] for _ in range(2))
    local = difference(here(spark, new, TYPES), here(spark, old, TYPES), None)
    assert literal_rows(local.rows) is not None
    assert repeated_rows(here(spark, [(1, 2, 2)], "k int, __old int, __new int")) is not None
    monkeypatch.setattr(local_rows, "MOST_ROWS", 0)
    plain = difference(spark.createDataFrame(new, TYPES), spark.createDataFrame(old, TYPES), None)
    assert local.rows.columns == plain.rows.columns
    assert bag(local.rows) == bag(plain.rows), f"seed {seed}"
