"""Rows of a frame as batches: how many jobs they take, and what becomes of one that is too large for its limit."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from lakehouse.serving.gateway.spark_batches import arrow_batches, arrow_schema, job_group

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]


def ids(frame: DataFrame) -> list[int]:
    return [value for batch in arrow_batches(frame, arrow_schema(frame)) for value in batch.column(0).to_pylist()]


def jobs(session: SparkSession, frame: DataFrame, group: str) -> int:
    """How many jobs it takes to read a frame of the numbers from 0."""
    expected = list(range(frame.count()))
    with job_group(session, group):
        assert ids(frame) == expected
    return len(session.sparkContext.statusTracker().getJobIdsForGroup(group))


@pytest.mark.parametrize(("partitions", "expected"), [(1, 1), (2, 1), (5, 5)])
def test_a_result_of_few_partitions_is_one_job(spark: SparkSession, partitions: int, expected: int) -> None:
    assert jobs(spark, spark.range(0, 1000, 1, partitions), f"jobs{partitions}") == expected


def test_no_rows_at_all(spark: SparkSession) -> None:
    assert ids(spark.sql("SELECT 1 AS id WHERE false")) == []


def test_partitions_too_large_for_one_job_come_one_by_one(spark: SparkSession) -> None:
    context: Any = spark.sparkContext._jsc
    settings = context.sc().conf()
    frame = spark.range(0, 200_000, 1, 2)  # 800 KB each
    settings.set("spark.driver.maxResultSize", "1m")
    try:
        with job_group(spark, "large"):
            found = ids(frame)
    finally:
        settings.remove("spark.driver.maxResultSize")
    assert found == list(range(200_000))
    assert len(spark.sparkContext.statusTracker().getJobIdsForGroup("large")) == 3
