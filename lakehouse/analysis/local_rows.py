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
from lakehouse.plan.change_set import CHANGE

MOST_ROWS = 20_000
"""More rows than these are Spark's."""


def literal_rows(frame: DataFrame) -> tuple[DataFrame, int] | None:
    """The frame as rows of the plan, and how many, if the optimiser can tell them without a job."""
    rows = _rows(frame)
    found = rows.literal(_session(frame), frame._jdf, MOST_ROWS)
    return None if found is None else (_frame(found, frame), int(rows.count(found)))


def collected_rows(frame: DataFrame) -> tuple[DataFrame, int] | None:
    """The frame's rows as rows of the plan, and how many; None if there are more than MOST_ROWS. Runs a job."""
    rows = _rows(frame)
    found = rows.collected(_session(frame), frame._jdf, MOST_ROWS)
    return None if found is None else (_frame(found, frame), int(rows.count(found)))


def appended_rows(frames: Sequence[DataFrame]) -> DataFrame | None:
    """The rows of frames that have the same columns, after each other."""
    first = frames[0]
    found = _rows(first).appended(_session(first), _java_list(first, [frame._jdf for frame in frames]), MOST_ROWS)
    return None if found is None else _frame(found, first)


def distinct_rows(frame: DataFrame) -> DataFrame | None:
    """Every row once."""
    found = _rows(frame).distinct(_session(frame), frame._jdf, MOST_ROWS)
    return None if found is None else _frame(found, frame)


def netted_rows(signed: DataFrame, *, unit: bool = False) -> DataFrame | None:
    """Every row once, with the sum of its signs in the last column, `__w` (int), if that is not 0; as a `unit` change
    a row is there as often as that says, with +1 or -1."""
    found = _rows(signed).netted(_session(signed), signed._jdf, unit, MOST_ROWS)
    return None if found is None else _frame(found, signed)


def joined_rows(
    left: DataFrame,
    right: DataFrame,
    pairs: Sequence[tuple[str, str]],
    how: Literal["left", "left_semi", "left_anti"],
) -> DataFrame | None:
    """A join by columns of equal values, NULL being equal to NULL: `pairs` name the left and the right one. Has the
    left frame's columns and, for `left`, the right frame's after them."""
    names = _java_list(left, [name for pair in pairs for name in pair])
    found = _rows(left).joined(_session(left), left._jdf, right._jdf, names, how, MOST_ROWS)
    return None if found is None else _frame(found, left)


def paired_rows(netted: DataFrame, key: Sequence[str], hidden: Sequence[str], was: str) -> DataFrame | None:
    """A netted change (its last column is `__w`) in which a key occurs in one row that comes and one that goes at most,
    as a change set: every row that comes, an update where one of its key goes, and the others that go.

    Columns: the rows', without the sign; the columns `hidden` of the row that goes, under `was` and their names;
    `_change` (see `plan.change_set`)."""
    keys, kept = _java_list(netted, key), _java_list(netted, hidden)
    found = _rows(netted).paired(_session(netted), netted._jdf, keys, kept, was, CHANGE, MOST_ROWS)
    return None if found is None else _frame(found, netted)


def arrow_rows(frame: DataFrame) -> pa.Table:
    """The frame's rows in this process's memory, as `toArrow` gives them; of rows of the plan without a job."""
    found = _rows(frame).arrow(_session(frame), frame._jdf, MOST_ROWS)
    if found is None:
        return frame.toArrow()
    schema = to_arrow_schema(frame.schema, error_on_duplicated_field_names_in_struct=True)
    rows = pa.ipc.open_stream(found).read_all().cast(schema)
    # In buffers of its own: those of the JVM lack the offsets of a nested text without values, as Arrow's format
    # allows, and not every reader does.
    return rows.take(pa.array(range(rows.num_rows), pa.int64()))


def _rows(frame: DataFrame) -> Any:
    return compiled(frame.sparkSession._jvm, "local_rows.java", "LocalRows")


def _session(frame: DataFrame) -> Any:
    return frame.sparkSession._jsparkSession


def _frame(found: Any, like: DataFrame) -> DataFrame:
    return DataFrame(found, like.sparkSession)


def _java_list(frame: DataFrame, items: Sequence[Any]) -> Any:
    jvm: Any = frame.sparkSession._jvm
    found = jvm.java.util.ArrayList()
    for item in items:
        found.add(item)
    return found
