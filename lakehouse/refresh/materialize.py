"""Full refresh of a materialized view: its query's rows, staged to replace the table's."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructType

from lakehouse.definition.dataset import Layout
from lakehouse.errors import SchemaError, SourceLocation, nearest, suggestion
from lakehouse.refresh.content import ContentDigest
from lakehouse.storage.staged_write import StagedWrite, TableWrite, stage_write


@dataclass(frozen=True, slots=True)
class StagedQuery:
    """A query's rows as data files that no reader sees yet; `content` digests them, where it can."""

    write: StagedWrite
    rows: int
    content: str | None


def stage_query(frame: DataFrame, write: TableWrite) -> StagedQuery:
    """Computes the frame and stages its rows. Raises what the query or the table raises."""
    watched = ContentDigest(frame)
    staged = stage_write(watched.frame, write)
    return StagedQuery(staged, watched.rows, watched.digest)


def shape(frame: DataFrame, layout: Layout, where: SourceLocation) -> DataFrame:
    """The frame with the declared columns: types are cast where declared, comments attached, other metadata dropped.

    Raises SchemaError for a declared column, partition or clustering column that the query does not return.
    """
    returned = {name.lower(): name for name in frame.columns}
    declared = {column.name.lower(): column for column in layout.columns}
    _require(
        [*(column.name for column in layout.columns), *layout.partition_by, *layout.cluster_by, *layout.primary_key],
        returned,
        where,
    )
    if declared and all(column.type for column in layout.columns):
        extra = [name for key, name in returned.items() if key not in declared]
        if extra:
            raise SchemaError(
                f"the query returns columns that are not declared: {', '.join(extra)}.",
                columns=tuple(extra),
                where=where,
                hint="Declare them, or leave them out of the query.",
            )
        names = [column.name for column in layout.columns]
    else:
        names = list(frame.columns)
    fields = {field.name: field for field in frame.schema.fields}
    columns = []
    is_shaped = names == frame.columns and len(returned) == len(names)  # of two names that are one, Spark tells below
    for name in names:
        column, field = declared.get(name.lower()), fields[returned[name.lower()]]
        value = F.col("`" + field.name.replace("`", "``") + "`")
        comment = column.comment if column and column.comment else field.metadata.get("comment")
        target = column.type if column else None
        metadata = {"comment": comment} if comment else {}
        is_shaped = is_shaped and field.metadata == metadata
        if target and _type(target) != field.dataType:
            value = value.cast(target)
            is_shaped = False
        columns.append((value, name, metadata))
    if is_shaped:
        return frame  # analysing one more projection takes as long as a small query
    return frame.select(*(value.alias(name, metadata=metadata) for value, name, metadata in columns))


def described_as(described: DataFrame, frame: DataFrame) -> DataFrame:
    """The frame with the comments of the other one's columns, which are the same columns."""
    columns = [
        F.col("`" + field.name.replace("`", "``") + "`").alias(field.name, metadata=field.metadata)
        for field in described.schema.fields
    ]
    return frame.select(*columns)


def _require(names: list[str], returned: dict[str, str], where: SourceLocation) -> None:
    missing = tuple(dict.fromkeys(name for name in names if name.lower() not in returned))
    if missing:
        near = nearest(missing[0], returned)
        raise SchemaError(
            f"the query does not return the declared column '{missing[0]}'.",
            columns=missing,
            where=where,
            hint=suggestion(near, sorted(returned.values()), what="columns"),
        )


def _type(ddl: str) -> DataType:
    parsed = StructType.fromDDL(f"c {ddl}")
    assert isinstance(parsed, StructType)
    return parsed.fields[0].dataType
