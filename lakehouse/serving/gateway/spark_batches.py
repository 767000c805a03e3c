"""A frame's rows as Arrow batches, partition by partition, in order: what `DataFrame.toArrow` collects at once.

Spark hands a partition over when it is asked for, and computes the next one meanwhile: memory is bounded by two
partitions, whatever the size of the result, and a reader who stops asking stops the work. A result of no more
partitions than run at once is one job: what a job costs, tens of ms, is what a small query takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.serializers import NoOpSerializer
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.util import _load_from_socket, _local_iterator_from_socket

from lakehouse.analysis.failure import describe_failure
from lakehouse.errors import GateError, QueryError
from lakehouse.serving.gateway.query_service import EngineFailed

STREAM_SETTINGS = {
    # A partition of a scan is what memory is bounded by.
    "spark.sql.files.maxPartitionBytes": "32m",
    "spark.sql.execution.arrow.useLargeVarTypes": "false",
}
_MOST_AT_ONCE = 2  # partitions: as many as there are while the next one is computed
_TOO_LARGE = "spark.driver.maxResultSize"  # the limit of one job: partition by partition the same rows may pass


def arrow_schema(frame: DataFrame) -> Any:
    """The pyarrow.Schema of a frame's batches. Raises EngineFailed for a type that Arrow has not."""
    try:
        return to_arrow_schema(frame.schema, error_on_duplicated_field_names_in_struct=True)
    except PySparkException as error:
        raise EngineFailed(condition=error.getCondition(), sql_state=error.getSqlState()) from None


def arrow_batches(frame: DataFrame, schema: Any) -> Iterator[Any]:
    """The frame's rows as pyarrow.RecordBatch of `schema`. Nothing runs before the first is asked for."""
    rows: Any = frame._jdf.toArrowBatchRdd()
    for message in _messages(frame.sparkSession, rows):
        yield pa.ipc.read_record_batch(pa.py_buffer(message), schema)


def _messages(session: SparkSession, rows: Any) -> Iterator[bytes]:
    """What the partitions of an RDD of byte arrays hold."""
    jvm: Any = session._jvm
    context: Any = session.sparkContext._jsc
    served = jvm.PythonRDD
    count = rows.getNumPartitions()
    if count <= max(_MOST_AT_ONCE, context.defaultParallelism()):
        partitions = jvm.java.util.ArrayList()
        for number in range(count):
            partitions.add(number)
        try:
            found = served.runJob(context.sc(), rows.toJavaRDD(), partitions)
        except (PySparkException, Py4JError) as error:
            if _TOO_LARGE not in str(error):
                raise
        else:
            yield from _load_from_socket(found, NoOpSerializer())
            return
    yield from _local_iterator_from_socket(served.toLocalIteratorAndServe(rows, True), NoOpSerializer())


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
    except GateError as error:
        raise EngineFailed(condition=error.condition, sql_state=error.sql_state) from None
    except QueryError as error:
        raise EngineFailed(condition=error.condition, sql_state=None) from None
