"""Rows of this process as a frame of Spark."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType


def arrow_frame(session: SparkSession, rows: pa.Table, schema: StructType) -> DataFrame:
    """The rows as a frame with the columns of `schema`. PySpark takes no columns without chunks, and leaves out what
    follows two chunks without rows, as a filter makes them: it is given chunks with rows only."""
    filled = [batch for batch in rows.to_batches() if batch.num_rows]
    if not filled:
        return session.createDataFrame([], schema)
    return session.createDataFrame(pa.Table.from_batches(filled), schema)
