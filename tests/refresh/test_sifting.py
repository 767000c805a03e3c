"""Rows counted while they are written: where Spark's observations fail, the counts are right all the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from lakehouse.analysis.observation import observed
from lakehouse.plan.sieve import DROPPED, QUARANTINED, ROWS, RejectReason, Sieve
from lakehouse.quality.profile import ProfileWatch, profile_of
from lakehouse.refresh.content import ContentDigest
from lakehouse.refresh.sifting import Sifted, count
from lakehouse.storage.staged_write import TableWrite, WriteMode, stage_write

pytestmark = pytest.mark.spark

T = TypeVar("T")
ODD = Sieve(predicates=("id % 2 = 1",), counters={"odd": 0}, dropped=frozenset({0}))
EXPECTED = {"odd": 500, ROWS: 1000, DROPPED: 500, QUARANTINED: 0}


@pytest.fixture
def rows(spark: SparkSession) -> DataFrame:
    return spark.range(1000, numPartitions=4).toDF("id")


def write(frame: DataFrame, path: Path) -> int:
    return stage_write(frame, TableWrite(path=str(path), application="test", mode=WriteMode.APPEND)).rows


def answered(ask: Callable[[], T]) -> T:
    """What is asked, from a thread of its own: a test that waits for ever says nothing."""
    found: list[T] = []
    thread = threading.Thread(target=lambda: found.append(ask()), daemon=True)
    thread.start()
    thread.join(60)
    assert found, "it waits for what never comes"
    return found[0]


def test_a_node_that_the_optimiser_removes_is_not_waited_for(rows: DataFrame, tmp_path: Path) -> None:
    nothing = Observation()
    rows.observe(nothing, F.count(F.lit(1)).alias("n")).where("false").collect()
    assert answered(lambda: observed(nothing, patience=1)) is None, "Spark mended SPARK-54620: the patience may go"
    none_stays = Sieve(predicates=("true",), counters={"all": 0}, dropped=frozenset({0}))
    sifted = Sifted(rows, none_stays)
    written = write(sifted.kept, tmp_path / "none")
    counts = answered(lambda: sifted.counts(written))
    assert (written, counts) == (0, {"all": 1000, ROWS: 1000, DROPPED: 1000, QUARANTINED: 0})


def test_a_digest_and_a_profile_of_no_rows_are_those_of_no_rows(rows: DataFrame, tmp_path: Path) -> None:
    digest, watch = ContentDigest(rows.where("id < 0 AND false")), ProfileWatch()
    assert write(watch.watched(digest.frame), tmp_path / "none") == 0
    assert answered(lambda: digest.rows) == 0
    profile = answered(lambda: watch.profile(0))
    assert profile is None or profile == profile_of(rows.where("false"))


def test_what_is_counted_twice_below_a_range_shuffle_is_counted_again(rows: DataFrame, tmp_path: Path) -> None:
    sifted, watch = Sifted(rows, ODD), ProfileWatch()
    written = write(watch.watched(sifted.kept).repartitionByRange(3, "id"), tmp_path / "sorted")
    twice = observed(sifted._observation)
    assert twice is not None
    assert twice[ROWS] == 2000, "Spark mended SPARK-37487: counting again may go"
    assert sifted.counts(written) == EXPECTED
    assert watch.profile(written) is None


def test_what_was_counted_until_a_failure_is_not_believed(rows: DataFrame, tmp_path: Path) -> None:
    sifted = Sifted(rows.select("id", F.expr("if(id = 990, raise_error('late'), 1)").alias("one")), ODD)
    with pytest.raises(Py4JJavaError, match="late"):
        write(sifted.kept, tmp_path / "failed")
    partial = observed(sifted._observation)
    assert partial is None or partial[ROWS] < 1000
    fine = Sifted(rows, ODD)
    written = write(fine.kept, tmp_path / "fine")
    assert (written, fine.counts(written)) == (500, EXPECTED)


def test_counts_are_those_of_an_aggregate_and_more_than_one_mask_is_used(rows: DataFrame, tmp_path: Path) -> None:
    many = tuple(f"id % {number + 2} = 0" for number in range(130))
    sieve = Sieve(
        predicates=many,
        counters={f"n{place}": place for place in range(130)},
        dropped=frozenset({129, 64}),
        quarantined=frozenset({0, 70}),
    )
    sifted = Sifted(rows, sieve)
    written = write(sifted.kept, tmp_path / "many")
    counts = sifted.counts(written)
    assert counts == count(rows, sieve)
    assert counts["n70"] == len([number for number in range(1000) if number % 72 == 0])
    assert counts[ROWS] == written + counts[DROPPED] + counts[QUARANTINED]


def test_rows_are_set_aside_with_all_reasons_and_no_other_predicate_is_asked(rows: DataFrame) -> None:
    sieve = Sieve(
        predicates=("id % 2 = 0", "raise_error('asked') IS NULL", "id > 995", "id < 2"),
        counters={"n": 1},
        dropped=frozenset({0}),
        quarantined=frozenset({3, 2}),
        reasons=(RejectReason(3, "low", "f3"), RejectReason(2, "high", "f2")),
    )
    found = Sifted(rows, sieve).rejected().orderBy("id").collect()
    assert [tuple(row) for row in found] == [
        *((key, ["low"], ["f3"]) for key in (0, 1)),
        *((key, ["high"], ["f2"]) for key in (996, 997, 998, 999)),
    ]
    assert Sifted(rows, replace(sieve, quarantined=frozenset(), reasons=())).rejected().collect() == []
