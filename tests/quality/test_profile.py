"""Profiles that Spark takes: exact where they say so, near where they estimate, in one pass, mergeable."""

from __future__ import annotations

import statistics
from dataclasses import replace
from datetime import date, datetime, timezone
from itertools import pairwise
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from lakehouse.quality.column_profile import TableProfile, compare, profile_rows, stored_profile
from lakehouse.quality.profile import merge_profiles, profile_columns, read_profile
from lakehouse.storage.system_tables import SystemTable

pytestmark = pytest.mark.spark

ROWS = 20_000


def profiled(frame: DataFrame) -> TableProfile:
    [row] = frame.agg(*profile_columns(frame.schema)).collect()
    return read_profile(row)


def readings(spark: SparkSession, start: int = 0, stop: int = ROWS, shift: int = 0) -> DataFrame:
    """Numbers, times and categories that follow from a counter."""
    row = F.col("id")
    return spark.range(start, stop, numPartitions=3).select(
        F.when(row % 10 != 0, row + shift).alias("whole number"),
        (row % 1000 / 7.0).alias("real"),
        (row % 100).cast("decimal(10,2)").alias("amount"),
        F.concat(F.lit("k"), F.pmod(row, F.lit(7)).cast("string")).alias("kind"),
        (row % 4 == 0).alias("flag"),
        F.timestamp_micros(row * 1_000_000).alias("at"),
        F.timestamp_micros(row * 1_000_000).cast("timestamp_ntz").alias("local"),
        F.date_add(F.lit("2020-01-01"), (row % 365).cast("int")).alias("day"),
        F.array(row).alias("items"),
    )


def test_what_is_counted_is_exact(spark: SparkSession) -> None:
    found = profiled(readings(spark))
    assert found.rows == ROWS
    whole = found.column("whole number")
    assert whole is not None
    values = [n for n in range(ROWS) if n % 10]
    assert (whole.type, whole.nulls, whole.measured) == ("bigint", ROWS // 10, len(values))
    assert (whole.low, whole.high) == ("1", str(ROWS - 1))
    assert whole.mean == pytest.approx(statistics.fmean(values))
    assert whole.deviation == pytest.approx(statistics.stdev(values))
    kind, flag, items = (found.column(name) for name in ("kind", "flag", "items"))
    assert kind is not None
    assert flag is not None
    assert items is not None
    assert dict(kind.top) == {f"k{n}": len(range(n, ROWS, 7)) for n in range(7)}
    assert dict(flag.top) == {"false": ROWS * 3 // 4, "true": ROWS // 4}
    assert (kind.low, kind.high, kind.distinct, flag.distinct) == (None, None, 7, 2)
    assert (items.nulls, items.distinct, items.quantile_sketch) == (0, None, None)


def test_what_is_estimated_is_near(spark: SparkSession) -> None:
    found = {column.name: column for column in profiled(readings(spark)).columns}
    assert found["whole number"].distinct == pytest.approx(ROWS * 0.9, rel=0.06)
    assert found["real"].distinct == pytest.approx(1000, rel=0.06)
    assert found["day"].distinct == pytest.approx(365, rel=0.06)
    quantiles = found["whole number"].quantiles
    assert len(quantiles) == 101
    assert quantiles[0] == 1.0
    assert quantiles[-1] == ROWS - 1
    assert quantiles[50] == pytest.approx(ROWS / 2, abs=ROWS * 0.03)


def test_times_are_seconds_whatever_the_zone(spark: SparkSession) -> None:
    zone = spark.conf.get("spark.sql.session.timeZone")
    try:
        spark.conf.set("spark.sql.session.timeZone", "Asia/Kolkata")
        found = {column.name: column for column in profiled(readings(spark, stop=1000)).columns}
    finally:
        spark.conf.set("spark.sql.session.timeZone", zone)
    assert (found["at"].quantiles[0], found["at"].quantiles[-1]) == (0.0, 999.0)
    assert found["local"].quantiles[-1] - found["local"].quantiles[0] == 999.0
    assert found["local"].low == "1970-01-01 05:30:00"
    assert found["day"].quantiles[0] == datetime(2020, 1, 1, tzinfo=timezone.utc).timestamp()
    assert (found["day"].low, found["day"].high) == ("2020-01-01", str(date(2020, 12, 30)))


def test_values_that_are_no_numbers_are_left_out(spark: SparkSession) -> None:
    texts = ["1.0", "2.0", "NaN", "Infinity", "-Infinity", None]
    frame = spark.createDataFrame([(text,) for text in texts], "x STRING").select(F.col("x").cast("double"))
    [column] = profiled(frame).columns
    assert (column.rows, column.nulls, column.measured, column.mean) == (6, 1, 2, 1.5)
    assert (column.low, column.high) == ("-Infinity", "NaN")
    assert (column.quantiles[0], column.quantiles[-1]) == (1.0, 2.0)


def test_long_texts_are_no_categories(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("ä" * 100,), ("ä" * 101,), (None,)], "x STRING")
    [column] = profiled(frame).columns
    assert (column.nulls, column.measured, column.distinct) == (1, 2, 2)
    assert column.top == (("ä" * 100, 1),)


def test_an_empty_table_and_columns_of_nulls(spark: SparkSession) -> None:
    for frame, rows in (
        (readings(spark, stop=0), 0),
        (spark.sql("SELECT CAST(NULL AS INT) n, CAST(NULL AS STRING) t"), 1),
    ):
        found = profiled(frame)
        assert found.rows == rows
        for column in found.columns:
            assert (column.nulls, column.measured, column.mean, column.low) == (rows, 0, None, None)
            assert (column.quantiles, column.top) == ((), ())
            assert column.distinct in (0, None)


@pytest.mark.parametrize("name", ["a.b", "a`b", "profile_rows", "a b", "ä"])
def test_any_name_of_a_column(spark: SparkSession, name: str) -> None:
    found = profiled(spark.range(3).toDF(name))
    assert [(column.name, column.measured) for column in found.columns] == [(name, 3)]


def test_taken_while_writing_it_is_the_same_in_one_pass(spark: SparkSession, tmp_path: Path) -> None:
    frame = readings(spark)
    observation = Observation("profile")
    observed = frame.observe(observation, F.count(F.lit(1)).alias("other"), *profile_columns(frame.schema))
    observed.write.parquet(str(tmp_path / "out"))
    found = read_profile(observation.get)
    apart = profiled(spark.read.parquet(str(tmp_path / "out")).select(*frame.columns))
    for one, other in zip(found.columns, apart.columns, strict=True):
        assert (one.name, one.rows, one.nulls, one.measured) == (other.name, other.rows, other.nulls, other.measured)
        assert (one.low, one.high, one.distinct, dict(one.top)) == (
            other.low,
            other.high,
            other.distinct,
            dict(other.top),
        )


def test_no_shuffle_but_the_one_row_a_task(spark: SparkSession) -> None:
    frame = readings(spark)
    plan = frame.agg(*profile_columns(frame.schema))._jdf.queryExecution().executedPlan().toString()
    assert plan.count("Range (") == 1
    assert "hashpartitioning" not in plan
    assert "rangepartitioning" not in plan


def test_merged_loads_are_as_the_whole(spark: SparkSession) -> None:
    bounds = [0, 4000, 4001, 15_000, ROWS]
    loads = [profiled(readings(spark, *pair)) for pair in pairwise(bounds)]
    merged, whole = merge_profiles(spark, loads), profiled(readings(spark))
    assert merged.rows == whole.rows
    for one, other in zip(merged.columns, whole.columns, strict=True):
        assert (one.name, one.nulls, one.measured, one.low, one.high) == (
            other.name,
            other.nulls,
            other.measured,
            other.low,
            other.high,
        )
        assert (one.mean, one.deviation) == (pytest.approx(other.mean), pytest.approx(other.deviation))
        assert dict(one.top) == dict(other.top)
        assert (
            one.distinct == pytest.approx(other.distinct, rel=0.05)
            if other.distinct
            else one.distinct == other.distinct
        )
    for result in compare(whole, merged):
        assert result.kolmogorov_smirnov is None or result.kolmogorov_smirnov < 0.04
        # Spark's quantile sketches are randomised: ten bins of a tenth, each wrong by 0.02, give 0.04.
        assert result.population_stability_index is None or result.population_stability_index < 0.04
    again = merge_profiles(spark, [merged, profiled(readings(spark, ROWS, ROWS + 10))])
    assert again.rows == ROWS + 10, "a merged profile merges on"


def test_a_column_that_came_later_was_null_before(spark: SparkSession) -> None:
    first, second = profiled(spark.range(5).toDF("a")), profiled(spark.range(3).select(F.col("id").alias("b")))
    merged = merge_profiles(spark, [first, second])
    [column] = merged.columns
    assert (merged.rows, column.name, column.rows, column.nulls, column.measured) == (8, "b", 8, 5, 3)
    assert column.quantiles[-1] == 2.0


def test_what_is_stored_merges_on(spark: SparkSession, tmp_path: Path) -> None:
    facts = {
        "project": "p",
        "dataset": "d",
        "epoch": 1,
        "is_increment": True,
        "recorded_at": datetime.now(timezone.utc),
    }
    table = SystemTable(str(tmp_path), "profiles")
    taken = [profiled(readings(spark, 0, 700)), profiled(readings(spark, 700, 1000))]
    for version, profile in enumerate(taken):
        table.append(profile_rows(profile, {**facts, "version": version, "run": f"r{version}"}))
    stored = [stored_profile(table.rows(filters=[("version", "=", version)])) for version in (0, 1)]
    assert stored == taken
    merged, expected = (
        [replace(column, quantiles=(), quantile_sketch=None) for column in merge_profiles(spark, profiles).columns]
        for profiles in (stored, taken)
    )
    assert merged == expected, "all but the sketches of quantiles, which toss coins"


def test_drift_by_sketches_is_as_the_rows_tell(spark: SparkSession) -> None:
    from scipy import stats

    before = spark.range(50_000).select(F.randn(7).alias("x"))
    now = spark.range(50_000).select((F.randn(8) * 1.1 + 0.15).alias("x"))
    [found] = compare(profiled(before), profiled(now))
    first, second = ([row.x for row in frame.collect()] for frame in (before, now))
    assert found.kolmogorov_smirnov == pytest.approx(stats.ks_2samp(first, second).statistic, abs=0.025)
    assert found.wasserstein == pytest.approx(
        stats.wasserstein_distance(first, second) / statistics.stdev(first), abs=0.03
    )
    assert found.population_stability_index == pytest.approx(0.0312, abs=0.015)
    assert found.jensen_shannon == pytest.approx(0.0748, abs=0.02)
