"""The digest of a table's rows tells tables apart that differ in where NULL stands, and not by order."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import SparkSession

from lakehouse.refresh.content import ContentDigest

pytestmark = pytest.mark.spark


def digest(spark: SparkSession, rows: list[tuple[Any, ...]], columns: str) -> str | None:
    watched = ContentDigest(spark.createDataFrame(rows, columns))
    watched.frame.write.format("noop").mode("overwrite").save()
    return watched.digest


@pytest.mark.parametrize(
    ("columns", "one", "other"),
    [
        ("a int, b int", (1, None), (None, 1)),
        (", ".join(f"c{place} int" for place in range(62)), (1, *[None] * 61), (*[None] * 61, 1)),
        (", ".join(f"c{place} int" for place in range(62)), (*[None] * 60, 1, 1), (1, 1, *[None] * 60)),
        ("a int, b array<int>", (None, []), (None, None)),
        ("a array<int>", ([1, None],), ([None, 1],)),
        ("a struct<x: int, y: int>", ((1, None),), ((None, 1),)),
        ("a array<int>", (None,), ([],)),
        ("a string", ("",), (None,)),
    ],
)
def test_rows_that_differ_in_where_null_stands_differ(
    spark: SparkSession, columns: str, one: tuple[Any, ...], other: tuple[Any, ...]
) -> None:
    assert digest(spark, [one], columns) != digest(spark, [other], columns)
    assert digest(spark, [one, other], columns) == digest(spark, [other, one], columns)
    assert digest(spark, [one, one], columns) != digest(spark, [one], columns)
