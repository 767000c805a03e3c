"""A frame's rows as Arrow batches, in order, of which no more than a few are in memory at any time.

Whatever the executors hand to the driver as the result of a task is a whole partition, and a partition of a scan is as
large as a row group. So the tasks keep their rows on disk, as Spark keeps an RDD that is persisted there, and the
driver reads them from there as a stream: on one machine from the file, on a cluster from the executor that has it.
A few partitions are computed ahead of the one that is read, and wait on disk; who reads slowly holds no core and no
memory, and who stops reading ends the rest. The files lie in Spark's own folder, which only its user may enter.

The work is done by spooled_rows.java, in one call.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyspark.sql import DataFrame
from pyspark.util import local_connect_and_auth

from lakehouse.analysis.java_source import compiled

_END, _FAILED, _TOO_LARGE = 0, -1, -2
_BROKEN = "Spark ended in the middle of a result"


class SpoolTooLarge(Exception):
    """More bytes than allowed would wait on disk."""


def spooled_batches(frame: DataFrame, most_waiting: int) -> Iterator[bytes]:
    """The frame's rows as Arrow record batches without their schema. Nothing runs before the first is asked for.

    `most_waiting` are the bytes of rows that may wait on this machine's disk; more raise SpoolTooLarge. (On a cluster
    the executors' disks bound it.) Raises what Spark raises, EOFError where it ends. Closing the iterator stops the
    work.
    """
    jvm: Any = frame.sparkSession._jvm
    spool = compiled(jvm, ("spooled_rows.java", "SpooledRows"))
    port, secret, server = spool.serve(frame._jdf, most_waiting)
    stream, socket = local_connect_and_auth(port, secret)
    try:
        socket.settimeout(None)
        while (length := _length(stream)) > _END:
            batch = stream.read(length)
            if len(batch) < length:
                raise EOFError(_BROKEN)
            yield batch
        if length == _TOO_LARGE:
            raise SpoolTooLarge
        if length == _FAILED:
            server.getResult()
    finally:
        stream.close()
        socket.close()


def _length(stream: Any) -> int:
    found = stream.read(4)
    if len(found) < 4:  # not the end: that is told
        raise EOFError(_BROKEN)
    return int.from_bytes(found, "big", signed=True)
