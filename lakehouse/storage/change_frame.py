"""Change sets as Spark frames: counted once and kept, checked by the same rules as those in the driver's memory."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, MapType, StringType, StructField, StructType, VariantType

from lakehouse.errors import ChangeError, SchemaError
from lakehouse.plan.change_set import CHANGE, Change
from lakehouse.storage.arrow_frame import arrow_frame
from lakehouse.storage.change_rows import ChangeRows, ChangeRule, check_frame_unique, column, unknown_change
from lakehouse.storage.session_profile import is_local

_SENT_ROWS = 10_000  # from here a file is several times quicker than rows sent through the Java gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFrame:
    """A frame whose rows Spark keeps until the staging's resources are closed, and what was counted in it."""

    frame: DataFrame
    rows: int
    bytes: int
    inserts: int
    updates: int


def keep(change: ChangeRows, frame: DataFrame, resources: ExitStack) -> KeptFrame:
    """Computes the frame once and counts it. Raises ChangeError for an unknown `_change`, and what the query raises."""
    if not (frame.storageLevel.useMemory or frame.storageLevel.useDisk):
        resources.callback(frame.persist(StorageLevel.MEMORY_AND_DISK).unpersist)
    said = column(CHANGE)
    words = [word.value for word in change.words]
    counted = frame.agg(
        F.count(F.lit(1)).alias("rows"),
        F.count_if(said == Change.INSERT.value).alias("inserts"),
        F.count_if(said == Change.UPDATE.value).alias("updates"),
        F.count_if(F.coalesce(said.isin(words), F.lit(False))).alias("known"),
    ).collect()[0]
    if counted["known"] < counted["rows"]:
        strange = frame.where(said.isNull() | ~said.isin(words)).select(said.alias("word")).take(1)
        raise unknown_change(strange[0]["word"], change.words)
    size = frame.select("*")._jdf.queryExecution().optimizedPlan().stats().sizeInBytes()
    return KeptFrame(
        frame=frame,
        rows=counted["rows"],
        bytes=int(str(size)),
        inserts=counted["inserts"],
        updates=counted["updates"],
    )


def frame_of(session: SparkSession, rows: pa.Table, table: StructType, resources: ExitStack) -> DataFrame:
    """Rows in the driver's memory as a frame with the types of `table` and `_change`."""
    schema = StructType([*table.fields, StructField(CHANGE, StringType())])
    rows = rows.select(schema.names)
    if rows.num_rows <= _SENT_ROWS or not is_local(str(session.sparkContext.master)):
        return arrow_frame(session, rows, schema)
    folder = Path(tempfile.mkdtemp(prefix="lakehouse-change-"))
    resources.callback(shutil.rmtree, folder, ignore_errors=True)
    parquet.write_table(rows, folder / "rows.parquet")
    return session.read.schema(schema).parquet(str(folder))


def checked_frame(kept: KeptFrame, change: ChangeRows, table: StructType) -> DataFrame:
    """The kept rows with the table's columns in its order, and `_change`, each removal once.

    Raises SchemaError for a column of another type, ChangeError for a key that is there twice and for columns that
    have to be compared and cannot be.
    """
    frame = kept.frame.select(*(column(name) for name in [*table.names, CHANGE]))
    found = {field.name: field.dataType for field in frame.schema.fields}
    wrong = tuple(field.name for field in table.fields if not _is_same(found[field.name], field.dataType))
    if wrong:
        types = ", ".join(f"{name} is {found[name].simpleString()}" for name in wrong)
        raise SchemaError(f"columns of the change set are not of the table's types: {types}.", columns=wrong)
    _require_comparable(kept, change, table)
    if change.key is not None:
        check_frame_unique(frame, change.key)
        return frame
    is_insert = column(CHANGE) == Change.INSERT.value
    return frame.where(~is_insert).dropDuplicates().unionByName(frame.where(is_insert))


def _require_comparable(kept: KeptFrame, change: ChangeRows, table: StructType) -> None:
    if kept.rows == kept.inserts and change.key is None:
        return
    match = table.names if change.key is None else change.key
    values = [name for name in table.names if name not in match] if kept.updates else []
    types = {field.name: field.dataType for field in table.fields}
    wrong = [name for name in match if not _is_comparable(types[name])]
    for name in values:
        kind = types[name]
        # Maps as values are compared by their entries.
        parts = [kind.keyType, kind.valueType] if isinstance(kind, MapType) else [kind]
        wrong += [name] if not all(map(_is_comparable, parts)) else []
    if wrong:
        raise ChangeError(
            f"rows cannot be compared by column '{wrong[0]}' of type {types[wrong[0]].simpleString()}.",
            rule=ChangeRule.INCOMPARABLE.value,
            columns=tuple(wrong),
        )


def _is_comparable(kind: DataType) -> bool:
    match kind:
        case StructType():
            return all(_is_comparable(field.dataType) for field in kind.fields)
        case ArrayType():
            return _is_comparable(kind.elementType)
        case _:
            return not isinstance(kind, MapType | VariantType)


def _is_same(found: DataType, wanted: DataType) -> bool:
    """Equal but for what may be NULL, which the table decides."""
    return found.simpleString() == wanted.simpleString()


def collected(frame: DataFrame) -> pa.Table:
    """The rows of a frame in this process's memory, in buffers of its own.

    The arrays that come from the JVM have no offsets where a nested text has no values, which Arrow's format allows;
    `deltalake` reads the first offset all the same.
    """
    rows = frame.toArrow()
    return rows.take(pa.array(range(rows.num_rows), pa.int64()))
