"""Columns that say something of the file a row was read from, given to the rows by the reader itself.

Asked for as expressions (`input_file_name()` and literals), such columns make Spark copy every row once more, which
costs a load of text files a sixth of its time. As the values of partitions, with each file a partition of its own,
they come with the one copy that reading makes anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame

from lakehouse.analysis.java_source import compiled


def with_file_columns(
    frame: DataFrame, column: str, values: Mapping[str, str], constants: Mapping[str, tuple[str, int]]
) -> DataFrame | None:
    """The frame of a plain read of files, followed by `column`, which holds each file's text of `values` (by URI), and
    by the constant columns: name to SQL type and the number that Spark keeps for the value inside.

    None where the frame is not just a read of exactly these files, so that the columns must be asked for otherwise.
    """
    session = frame.sparkSession
    jvm: Any = session._jvm
    columns = ", ".join(f"`{name}` {kind}" for name, kind in _types(column, constants).items())
    files = "\0".join(part for pair in values.items() for part in pair)
    numbers = ",".join(str(number) for _, number in constants.values())
    reader = compiled(jvm, ("stamped_files.java", "StampedFiles"))
    stamped = reader.stamped(frame._jdf, files, columns, numbers)
    return DataFrame(stamped, session) if stamped is not None else None


def _types(column: str, constants: Mapping[str, tuple[str, int]]) -> dict[str, str]:
    return {column: "STRING", **{name: kind for name, (kind, _) in constants.items()}}
