"""What the gateway asks of Spark for a query: its rows as Arrow batches, an end to its jobs, errors without words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from lakehouse.analysis.failure import describe_failure
from lakehouse.analysis.spooled_rows import SpoolTooLarge, spooled_batches
from lakehouse.errors import GateError, QueryError
from lakehouse.serving.gateway.query_service import EngineFailed, LimitExceeded

STREAM_SETTINGS = {
    # Partitions are computed one after the other; the first rows are there when the first partition is.
    "spark.sql.files.maxPartitionBytes": "32m",
    "spark.sql.execution.arrow.useLargeVarTypes": "false",
}


def arrow_schema(frame: DataFrame) -> Any:
    """The pyarrow.Schema of a frame's batches. Raises EngineFailed for a type that Arrow has not."""
    try:
        return to_arrow_schema(frame.schema, error_on_duplicated_field_names_in_struct=True)
    except PySparkException as error:
        raise EngineFailed(condition=error.getCondition(), sql_state=error.getSqlState()) from None


def arrow_batches(frame: DataFrame, schema: Any, most_waiting: int = 16 << 30) -> Iterator[Any]:
    """The frame's rows as pyarrow.RecordBatch of `schema`. Nothing runs before the first is asked for.

    Raises LimitExceeded where more than `most_waiting` bytes would wait on disk for who takes them.
    """
    try:
        for message in spooled_batches(frame, most_waiting):
            yield pa.ipc.read_record_batch(pa.py_buffer(message), schema)
    except SpoolTooLarge:
        raise LimitExceeded(f"more than {most_waiting} bytes of the result wait to be read.", limit="bytes") from None


@contextmanager
def job_group(session: SparkSession, name: str) -> Iterator[None]:
    """What the calling thread asks of Spark in its body belongs to this group, and is stopped with it."""
    session.sparkContext.setJobGroup(name, "gateway", interruptOnCancel=True)
    try:
        yield
    finally:
        session.sparkContext._jsc.clearJobGroup()


def cancel_group(session: SparkSession, name: str) -> None:
    """Stops the jobs of a group, those to come included."""
    context: Any = session.sparkContext._jsc
    context.sc().cancelJobGroupAndFutureJobs(name)


@contextmanager
def engine_failures() -> Iterator[None]:
    """Turns Spark's errors into their class and SQLSTATE, and no more of them."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        found = describe_failure(error)
        raise EngineFailed(condition=found.condition, sql_state=found.sql_state) from None
    except EOFError:
        raise EngineFailed(condition=None, sql_state=None) from None
    except GateError as error:
        raise EngineFailed(condition=error.condition, sql_state=error.sql_state) from None
    except QueryError as error:
        raise EngineFailed(condition=error.condition, sql_state=None) from None
