"""Frames whose rows are part of their plan (Spark's LocalRelation): worked on in the driver, without a job.

A small refresh consists of a few thousand rows that are joined, netted and compared. As Spark jobs these steps cost
tenths of a second each, for planning, generating code and scheduling; on rows that are there already they cost
milliseconds. What does not apply (rows that are not here, too many, types that are not told apart by their bytes, as
floating point numbers) is answered with None, and the caller lets Spark do it.

The work is done by local_rows.java, in one call each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema

from lakehouse.analysis.java_source import compiled

MOST_ROWS = 20_000
"""More rows than these are Spark's."""


def literal_rows(frame: DataFrame) -> tuple[DataFrame, int] | None:
    """The frame as rows of the plan, and how many, if the optimiser can tell them without a job."""
    rows = java_rows(frame)
    found = rows.literal(java_session(frame), frame._jdf, MOST_ROWS)
    return None if found is None else (DataFrame(found, frame.sparkSession), int(rows.count(found)))


def collected_rows(frame: DataFrame, most: int | None = None) -> tuple[DataFrame, int] | None:
    """The frame's rows as rows of the plan, and how many; None if there are more than `most` (MOST_ROWS, if it is not
    given). Runs a job."""
    rows = java_rows(frame)
    found = rows.collected(java_session(frame), frame._jdf, MOST_ROWS if most is None else most)
    return None if found is None else (DataFrame(found, frame.sparkSession), int(rows.count(found)))


def appended_rows(frames: Sequence[DataFrame]) -> DataFrame | None:
    """The rows of frames that have the same columns, after each other."""
    first = frames[0]
    found = java_rows(first).appended(
        java_session(first), java_list(first, [frame._jdf for frame in frames]), MOST_ROWS
    )
    return java_frame(found, first)


def distinct_rows(frame: DataFrame) -> DataFrame | None:
    """Every row once."""
    found = java_rows(frame).distinct(java_session(frame), frame._jdf, MOST_ROWS)
    return java_frame(found, frame)


def joined_rows(
    left: DataFrame,
    right: DataFrame,
    pairs: Sequence[tuple[str, str]],
    how: Literal["inner", "left", "left_semi", "left_anti"],
    *,
    null_safe: bool = True,
) -> DataFrame | None:
    """A join by columns of equal values: `pairs` name the left and the right one, and NULL is equal to NULL, or not if
    not `null_safe`. Has the left frame's columns and, for `inner` and `left`, the right frame's after them."""
    names = java_list(left, [name for pair in pairs for name in pair])
    found = java_rows(left).joined(java_session(left), left._jdf, right._jdf, names, null_safe, how, MOST_ROWS)
    return java_frame(found, left)


def arrow_rows(frame: DataFrame) -> pa.Table:
    """The frame's rows in this process's memory, as `toArrow` gives them; of rows of the plan without a job."""
    found = java_rows(frame).arrow(java_session(frame), frame._jdf, MOST_ROWS)
    if found is None:
        return frame.toArrow()
    schema = to_arrow_schema(frame.schema, error_on_duplicated_field_names_in_struct=True)
    rows = pa.ipc.open_stream(found).read_all().cast(schema)
    # In buffers of its own: those of the JVM lack the offsets of a nested text without values, as Arrow's format
    # allows, and not every reader does.
    return rows.take(pa.array(range(rows.num_rows), pa.int64()))


def java_rows(frame: DataFrame) -> Any:
    """The object in the frame's JVM that works on rows of the plan."""
    return compiled(frame.sparkSession._jvm, ("local_rows.java", "LocalRows"))


def java_session(frame: DataFrame) -> Any:
    """The frame's session in its JVM."""
    return frame.sparkSession._jsparkSession


def java_frame(found: Any, like: DataFrame) -> DataFrame | None:
    """A Java frame of the other frame's session, None for Java's null."""
    return None if found is None else DataFrame(found, like.sparkSession)


def java_list(frame: DataFrame, items: Sequence[Any]) -> Any:
    """A Java list in the frame's JVM."""
    jvm: Any = frame.sparkSession._jvm
    found = jvm.java.util.ArrayList()
    for item in items:
        found.add(item)
    return found
