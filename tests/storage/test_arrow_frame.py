"""Rows of this process reach Spark, however they are cut into chunks."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import LongType, StructField, StructType

from lakehouse.storage.arrow_frame import arrow_frame

pytestmark = pytest.mark.spark

SCHEMA = StructType([StructField("n", LongType())])


@pytest.mark.parametrize(
    "chunks", [[], [[]], [[], []], [[], [], [1, 2]], [[1], [], [], [], [2]], [[1, 2], [], []], [[None], [3]]]
)
def test_every_row_is_there(spark: SparkSession, chunks: list[list[int | None]]) -> None:
    rows = pa.table({"n": pa.chunked_array([pa.array(chunk, pa.int64()) for chunk in chunks], pa.int64())})
    frame = arrow_frame(spark, rows, SCHEMA)
    assert frame.schema == SCHEMA
    assert [row.n for row in frame.collect()] == [value for chunk in chunks for value in chunk]
