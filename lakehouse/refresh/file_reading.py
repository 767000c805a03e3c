"""Source files as one frame: every column of every file under its name, `_source_file`, and marks on doubtful rows.

A row is marked, never dropped or silently emptied: MALFORMED where its record is not well-formed, MISFIT where a
value does not fit the column's type, SUSPECT where its text may come from another encoding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType, VariantType

from lakehouse.definition.dataset import FileSource, SchemaEvolution
from lakehouse.plan.load_plan import SourceFile
from lakehouse.refresh.bad_files import BadFile, BadFileKind
from lakehouse.refresh.file_reading_columns import RESCUED, RESERVED, SOURCE_FILE, Target, plan_columns
from lakehouse.refresh.file_reading_options import CORRUPT, reader_options
from lakehouse.refresh.file_reading_records import record_marks
from lakehouse.refresh.file_reading_shapes import FileGroup, read_shapes
from lakehouse.refresh.type_fitting import convert, does_not_fit, extend_type
from lakehouse.errors import SchemaError

MALFORMED, MISFIT, SUSPECT = "__malformed", "__misfit", "__suspect"
MARKS = (MALFORMED, MISFIT, SUSPECT)
_TEXT_FORMATS = frozenset({"csv", "json", "xml"})
_UNDEFINED_PARTITION = "__HIVE_DEFAULT_PARTITION__"
# Everything else in a path reaches Spark's metadata percent-encoded.
_PLAIN_URI = re.compile(r"[\w\-./=,:@&+$!~'();]*")
_PATTERN_CHARACTERS = frozenset("*?[]{}\\")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRead:
    """The rows of `files`: the target's columns, `_source_file`, with rescue `_rescued`, and the marks."""

    frame: DataFrame
    files: tuple[SourceFile, ...]
    target: Target


def read_files(
    session: SparkSession,
    source: FileSource,
    files: Sequence[SourceFile],
    known: StructType | None,
    declared: StructType | None,
) -> tuple[FilesRead | None, list[BadFile]]:
    """The files as a frame, and those that cannot be in it; no frame if none can.

    `known` are the columns that exist with their types (None: whatever the files have), `declared` those of the
    source's own schema. Raises SchemaError for columns that may not come in, and what Spark raises for a file it
    cannot read while inferring a schema.
    """
    shapes = read_shapes(session, source, files, declared)
    bad = list(shapes.bad)
    groups = [group for group in shapes.groups if group.files]
    schemas = [_with_partitions(group) for group in groups]
    _check_reserved(schemas, source)
    target = plan_columns(schemas, known or StructType([]), None if known is None else source.schema_evolution)
    if source.schema_evolution is SchemaEvolution.FAIL and target.added:
        _refuse(target.added, groups, source)
    frames: list[DataFrame] = []
    read: list[SourceFile] = []
    for group in groups:
        misfit = _impossible(group, target)
        if misfit is not None:
            bad += [BadFile(file=file, kind=BadFileKind.SHAPE, detail=misfit) for file in group.files]
            continue
        frames += _frames(session, source, group, target)
        read += group.files
    if not frames:
        return None, bad
    # Every frame has the same columns in the same order.
    return FilesRead(frame=reduce(DataFrame.unionAll, frames), files=tuple(read), target=target), bad


def quoted(name: str) -> Column:
    """The column of exactly this name."""
    return F.col("`" + name.replace("`", "``") + "`")
