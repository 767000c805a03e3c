"""Rows of a frame as batches: how much of a result is in memory or on disk at any time, and what is left of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from lakehouse.serving.gateway.query_service import EngineFailed, LimitExceeded
from lakehouse.serving.gateway.spark_batches import (
    arrow_batches,
    arrow_schema,
    cancel_group,
    engine_failures,
    job_group,
)

pytestmark = pytest.mark.spark


@pytest.fixture(autouse=True)
def nothing_is_left(spark: SparkSession) -> Iterator[None]:
    yield
    wait_for(lambda: stored(spark) == [])


def ids(frame: DataFrame) -> list[int]:
    return [value for batch in arrow_batches(frame, arrow_schema(frame)) for value in batch.column(0).to_pylist()]


def jobs(session: SparkSession, group: str) -> int:
    return len(session.sparkContext.statusTracker().getJobIdsForGroup(group))


def stored(session: SparkSession) -> list[Path]:
    """The files of rows that Spark keeps on disk."""
    environment: Any = session._jvm.org.apache.spark.SparkEnv  # type: ignore[union-attr]
    folders = environment.get().blockManager().diskBlockManager().localDirsString()
    return sorted(path for folder in folders for path in Path(folder).rglob("rdd_*"))


def wait_for(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.parametrize(("partitions", "expected"), [(1, 1), (2, 1), (5, 3)])
def test_as_many_partitions_as_run_at_once_are_one_job(spark: SparkSession, partitions: int, expected: int) -> None:
    with job_group(spark, f"jobs{partitions}"):
        assert ids(spark.range(0, 1000, 1, partitions)) == list(range(1000))
    assert jobs(spark, f"jobs{partitions}") == expected


@pytest.mark.parametrize("query", ["SELECT 1 AS id WHERE false", "SELECT id FROM range(0, 3, 1, 2) WHERE id > 5"])
def test_no_rows_at_all(spark: SparkSession, query: str) -> None:
    assert ids(spark.sql(query)) == []


def test_no_partition_is_handed_over_whole(spark: SparkSession) -> None:
    """What tasks hand to the driver must be less than 64 KiB in all: a partition here is 1.6 MB."""
    settings = spark.sparkContext._jsc.sc().conf()
    settings.set("spark.driver.maxResultSize", "64k")
    try:
        assert ids(spark.range(0, 400_000, 1, 2)) == list(range(400_000))
    finally:
        settings.remove("spark.driver.maxResultSize")


def test_who_reads_slowly_holds_neither_memory_nor_cores_nor_ever_more_disk(spark: SparkSession) -> None:
    frame = spark.range(0, 1_000_000, 1, 10).selectExpr("id", "repeat('x', 200) AS s")  # a partition is 20 MB
    with job_group(spark, "slow"), closing(arrow_batches(frame, arrow_schema(frame))) as batches:
        found = next(batches).num_rows
        tracker = spark.sparkContext.statusTracker()
        wait_for(lambda: not tracker.getActiveJobsIds())
        time.sleep(0.5)  # what would come now is too much
        assert not tracker.getActiveJobsIds()
        assert jobs(spark, "slow") <= 2
        assert len(stored(spark)) <= 4
        for batch in batches:
            found += batch.num_rows
            assert len(stored(spark)) <= 4
    assert (found, jobs(spark, "slow")) == (1_000_000, 5)


def test_what_is_lost_with_an_executor_is_computed_again(spark: SparkSession) -> None:
    frame = spark.range(0, 400_000, 1, 4).selectExpr("id", "repeat('x', 200) AS s")
    with job_group(spark, "lost"), closing(arrow_batches(frame, arrow_schema(frame))) as batches:
        found = next(batches).column(0).to_pylist()
        wait_for(lambda: not spark.sparkContext.statusTracker().getActiveJobsIds())
        jvm: Any = spark._jvm
        numbers = sorted(tuple(map(int, path.name.split("_")[1:])) for path in stored(spark))
        assert (numbers[0][1], len(numbers) > 1) == (0, True)
        for rows, partition in numbers[1:]:  # the first is being read
            block = jvm.org.apache.spark.storage.RDDBlockId(rows, partition)
            jvm.org.apache.spark.SparkEnv.get().blockManager().removeBlock(block, True)
        found += [value for batch in batches for value in batch.column(0).to_pylist()]
    assert found == list(range(400_000))
    assert jobs(spark, "lost") > 2


def test_who_stops_reading_ends_the_work(spark: SparkSession) -> None:
    frame = spark.range(0, 2_000_000, 1, 20)
    with job_group(spark, "left"), closing(arrow_batches(frame, arrow_schema(frame))) as batches:
        next(batches)
    wait_for(lambda: stored(spark) == [])
    assert jobs(spark, "left") <= 2
    assert ids(spark.range(3)) == [0, 1, 2]


def test_what_waits_on_disk_is_limited(spark: SparkSession) -> None:
    """One endless partition: nothing of it can be read before it ends, and it would fill the disk."""
    frame = spark.range(0, 10**12, 1, 1)
    with job_group(spark, "endless"), pytest.raises(LimitExceeded) as exceeded:
        list(arrow_batches(frame, arrow_schema(frame), 5 << 20))
    assert exceeded.value.limit == "bytes"
    wait_for(lambda: not spark.sparkContext.statusTracker().getActiveStageIds())


def test_a_failure_in_the_middle_is_one(spark: SparkSession) -> None:
    """Rows that came before it are no result."""
    frame = spark.sql("SELECT CAST(IF(id < 900000, '1', concat('x', id)) AS INT) AS n FROM range(0, 1000000, 1, 20)")
    found: list[int] = []
    with pytest.raises(EngineFailed) as failed:
        read_on(frame, lambda batch: found.append(batch.num_rows))
    assert (failed.value.condition, failed.value.sql_state) == ("CAST_INVALID_INPUT", "22018")
    assert 0 < sum(found) <= 900_000


def test_cancelling_ends_a_result_that_is_being_read(spark: SparkSession) -> None:
    frame = spark.range(0, 20_000_000, 1, 200)
    with job_group(spark, "cancelled"), pytest.raises(EngineFailed):
        read_on(frame, lambda _: cancel_group(spark, "cancelled"))


def read_on(frame: DataFrame, each: Callable[[Any], None]) -> None:
    with engine_failures():
        for batch in arrow_batches(frame, arrow_schema(frame)):
            each(batch)
