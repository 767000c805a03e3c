"""What Delta's log says of a new file's columns, taken from the file's own footer.

Spark and Delta both find the least and the greatest value of every column while a file is written: Spark for the
Parquet footer, Delta for its log, row by row, which takes two fifths of the time of writing a wide table. Where the
footer tells all that Delta would have found, Delta is told not to look. (Delta protocol: "Per-file Statistics".)
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    ByteType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    StructType,
    TimestampNTZType,
    TimestampType,
)

_NO_ROWS = '{"numRecords":0,'
_PREFIX = 32  # characters of a text that Delta keeps
_COLUMNS, MOST_COLUMNS = "delta.dataSkippingNumIndexedCols", 32
_WITHOUT = (BooleanType, BinaryType)  # of these Delta keeps no least and greatest value
_KNOWN = (
    *_WITHOUT,
    ByteType,
    ShortType,
    IntegerType,
    LongType,
    FloatType,
    DoubleType,
    DecimalType,
    StringType,
    DateType,
    TimestampType,
    TimestampNTZType,
)
_TIMESTAMPS = "spark.sql.parquet.outputTimestampType"
_REBASE = "spark.sql.parquet.datetimeRebaseModeInWrite"
_ENCRYPTION = "parquet.crypto.factory.class"
_OTHERWISE = (  # properties of tables whose statistics are of another form
    "delta.columnMapping.mode",
    "delta.dataSkippingStatsColumns",
    "delta.enableDeletionVectors",
)

SETTINGS: Mapping[str, str] = {"spark.databricks.delta.stats.collect": "false"}
"""How Spark writes files whose statistics `with_statistics` adds."""


def are_in_footers(session: SparkSession, transaction: Any, schema: StructType, properties: Mapping[str, str]) -> bool:
    """Whether the footers of files with these columns tell what Delta would: flat columns of plain types, in local
    files of a table that is written as most are. `properties` are those of a table that the write creates."""
    if str(transaction.deltaLog().dataPath().toUri().getScheme()) != "file":
        return False  # read from here, a footer in a remote store costs more than Spark's looking
    if not all(isinstance(field.dataType, _KNOWN) for field in schema.fields):
        return False
    if any(isinstance(field.dataType, StringType) and field.dataType != StringType() for field in schema.fields):
        return False  # another collation: a footer compares bytes
    metadata = _metadata(transaction)
    if any(name in {**metadata["configuration"], **properties} for name in _OTHERWISE) or metadata["partitionColumns"]:
        return False
    # The old form of timestamps, INT96, has no statistics in a footer.
    if not str(session.conf.get(_TIMESTAMPS)).startswith("TIMESTAMP_") and _has(schema, TimestampType):
        return False
    if session.conf.get(_REBASE) == "LEGACY":
        return False
    return session._jsparkSession.sessionState().newHadoopConf().get(_ENCRYPTION) is None


def with_statistics(session: SparkSession, transaction: Any, actions: Any) -> Any:
    """The actions of a write, its new files with their statistics, without those that hold no row; a Scala Seq, as the
    actions are."""
    jvm: Any = session._jvm
    metadata = _metadata(transaction)
    most = int(metadata["configuration"].get(_COLUMNS, MOST_COLUMNS))
    fields = StructType.fromJson(json.loads(metadata["schemaString"])).fields
    columns = {field.name: field.dataType for field in (fields if most < 0 else fields[:most])}
    folder = str(transaction.deltaLog().dataPath().toUri().getPath())
    found = jvm.java.util.ArrayList()
    for place in range(actions.size()):
        action = actions.apply(place)
        told = json.loads(action.json())
        if "add" in told:
            told["add"]["stats"] = file_statistics(f"{folder}/{unquote(told['add']['path'])}", columns)
            if told["add"]["stats"].startswith(_NO_ROWS):
                continue  # as Delta leaves it out
            action = jvm.org.apache.spark.sql.delta.actions.Action.fromJson(json.dumps(told))
        found.add(action)
    return jvm.PythonUtils.toSeq(found)


def file_statistics(path: str, columns: Mapping[str, DataType]) -> str:
    """The statistics of one Parquet file as Delta's JSON: rows, and of these columns, as far as the footer tells, the
    least and the greatest value and the number of NULLs. What is missing makes no reader skip the file."""
    import pyarrow.parquet as pq  # not at the start: it takes a tenth of a second

    footer = pq.read_metadata(path)
    least: dict[str, str] = {}
    greatest: dict[str, str] = {}
    nulls: dict[str, str] = {}
    for place in range(footer.num_columns):
        name = footer.schema.column(place).name
        if name not in columns:
            continue
        groups = [footer.row_group(group).column(place).statistics for group in range(footer.num_row_groups)]
        if all(group is not None and group.has_null_count for group in groups):
            nulls[name] = str(sum(group.null_count for group in groups))
            if not isinstance(columns[name], _WITHOUT):
                low, high = _bounds(groups, footer.num_rows)
                least |= {name: _text(low)} if low is not None else {}
                greatest |= {name: _text(high)} if high is not None else {}
    parts = {"minValues": least, "maxValues": greatest, "nullCount": nulls}
    return _object({"numRecords": str(footer.num_rows), **{name: _object(part) for name, part in parts.items()}})


def _bounds(groups: Sequence[Any], rows: int) -> tuple[Any, Any]:
    """The least and the greatest value, as they may be written; None where one is not known."""
    filled = [group for group in groups if group.num_values]  # values that are not NULL
    if not rows or not filled or not all(group.has_min_max for group in filled):
        return None, None
    try:
        low, high = min(group.min for group in filled), max(group.max for group in filled)
    except (pa.ArrowException, OverflowError, ValueError):  # a date that Python does not have, a text that is none
        return None, None
    if isinstance(low, float) and not (math.isfinite(low) and math.isfinite(high)):
        return None, None
    if isinstance(low, str):
        return low[:_PREFIX], _not_less(high)
    return low, high


def _not_less(text: str) -> str | None:
    """A text of few characters that is not less than this one: its beginning, and a character after it that is greater
    than the one that follows there."""
    if len(text) <= _PREFIX:
        return text
    following = text[_PREFIX]
    greater = "\x7f" if following < "\x7f" else "\U0010ffff"
    return text[:_PREFIX] + greater if following < greater else None


def _text(value: Any) -> str:
    """The value as JSON. Instants are cut to milliseconds: whoever reads the greatest allows for one more."""
    match value:
        case Decimal():
            return f"{value:f}"
        case datetime():
            text = value.replace(tzinfo=None).isoformat(timespec="milliseconds")
            return json.dumps(text + "Z" if value.tzinfo is not None else text)
        case date():
            return json.dumps(value.isoformat())
        case _:
            return json.dumps(value, ensure_ascii=False)


def _object(entries: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{text}" for name, text in entries.items()) + "}"


def _metadata(transaction: Any) -> dict[str, Any]:
    """The table's metadata as the transaction will have it. (Delta protocol: "Change Metadata".)"""
    return dict(json.loads(transaction.metadata().json())["metaData"])


def _has(schema: StructType, kind: type[DataType]) -> bool:
    return any(isinstance(field.dataType, kind) for field in schema.fields)
