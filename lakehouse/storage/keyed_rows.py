"""Some rows of a Delta table at one version, chosen by key values, without Spark where that is right and quicker.

The first read of a new version costs Spark over a second, whatever its rows, to build the table's state from its log.
A refresh reads the tables it has just written, so that would be most of what a small one takes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import LongType, StructType

from lakehouse.storage.arrow_frame import arrow_frame
from lakehouse.storage.feed_netting import is_flat
from lakehouse.storage.key_lookup import (
    COUNT,
    INSTANT_UNIT,
    count_rows,
    every_row,
    expected_rows,
    find_rows,
    lookup_column,
)
from lakehouse.storage.table_files import VECTORS

_LARGEST_READ = 64 << 20  # bytes of files that this process reads at once
_MOST_ROWS = 20_000  # what goes into a plan as rows
_MOST_FOUND, _MOST_BYTES = 2_000_000, 128 << 20  # of a large table, whose rows cost more to find by other means
_PARQUET = pads.ParquetFileFormat(read_options=pads.ParquetReadOptions(coerce_int96_timestamp_unit=INSTANT_UNIT))
_FILTERED_TYPES = (pa.types.is_integer, pa.types.is_string, pa.types.is_date, pa.types.is_boolean)


def table_schema(location: str, version: int) -> StructType | None:
    """The columns of the table at a version, without reading it in Spark; None where only Spark can open it."""
    table = _plain_table(location, version)
    return StructType.fromJson(_json(table.schema().to_json())) if table is not None else None


def rows_of_keys(session: SparkSession, location: str, version: int, keys: pa.Table | None) -> DataFrame:
    """The table's rows at `version` whose columns, named as those of `keys`, hold values of it: at least those, and
    perhaps others. NULL is a value like any other. Without `keys` all rows."""
    frame = session.read.format("delta").option("versionAsOf", version)
    table = _plain_table(location, version)
    if table is None:
        return frame.load(location)
    schema, size = _nullable(table), _bytes(table)
    if keys is not None and size > _LARGEST_READ // 8:
        found = _looked_up(session, table, keys, schema.names)
        if found is not None:
            return found
    condition = None if keys is None else _condition(keys)
    is_searched = keys is not None and condition is None  # for what cannot be looked for here
    if size > (_LARGEST_READ // 8 if is_searched else _LARGEST_READ):
        return frame.load(location)
    rows = _all_rows(table, to_arrow_schema(schema))
    if condition is not None:
        # Not while reading: deltalake writes files whose statistics are of another string type than the column.
        rows = rows.filter(condition)
    if rows.num_rows > _MOST_ROWS:
        return frame.load(location)
    return arrow_frame(session, rows, schema)


def looked_up_rows(
    session: SparkSession, location: str, version: int, keys: pa.Table, columns: Sequence[str]
) -> DataFrame | None:
    """As `rows_of_keys`, of a large table: these of its columns, and of one key column exactly the rows of its values.
    None where Spark finds them as quickly: many rows, or keys that cannot be looked for in files."""
    table = _plain_table(location, version)
    return None if table is None else _looked_up(session, table, keys, columns)


def _looked_up(session: SparkSession, table: DeltaTable, keys: pa.Table, columns: Sequence[str]) -> DataFrame | None:
    found = _looked_into(table, keys, columns)
    if found is None:
        return None
    name, schema = found
    if expected_rows(table, keys, name) > _MOST_FOUND:
        return None
    rows = find_rows(table, keys, name, to_arrow_schema(schema), _MOST_FOUND)
    if rows is None or rows.nbytes > _MOST_BYTES:
        return None
    found_rows = arrow_frame(session, rows, schema)
    # More than are part of a plan are one part of a job, so that they need not be sent around to be grouped.
    return found_rows if rows.num_rows <= _MOST_ROWS else found_rows.coalesce(1)


def counted_rows(session: SparkSession, location: str, version: int, keys: pa.Table) -> DataFrame | None:
    """How many rows of a large table hold each of these keys, and perhaps others: the columns of `keys`, and `COUNT`
    (bigint). None where Spark counts as quickly, or keys cannot be looked for in files."""
    table = _plain_table(location, version)
    found = _looked_into(table, keys, keys.column_names) if table is not None else None
    if table is None or found is None:
        return None
    name, schema = found
    rows = count_rows(table, keys.cast(to_arrow_schema(schema)), name, _MOST_FOUND)
    return None if rows is None else arrow_frame(session, rows, schema.add(COUNT, LongType()))


def _looked_into(table: DeltaTable, keys: pa.Table, columns: Sequence[str]) -> tuple[str, StructType] | None:
    """By which column of `keys` a table's files are looked into, and the columns that are read."""
    name = lookup_column(table, keys)
    if name is None:
        return None
    fields = {field.name: field for field in _nullable(table).fields}
    schema = StructType([fields[column] for column in dict.fromkeys((*columns, *keys.column_names))])
    # The fields of a nested column may have changed since a file was written.
    return (name, schema) if is_flat(schema) else None


def _plain_table(location: str, version: int) -> DeltaTable | None:
    """The table, if `deltalake` finds its rows in its local files: without partitions and renamed columns."""
    table = DeltaTable(location, version=version)
    protocol = table.protocol()
    understood = {"timestampNtz", "appendOnly", "invariants", VECTORS}
    if protocol.min_reader_version > 1 and not set(protocol.reader_features or ("?",)) <= understood:
        return None
    return None if table.metadata().partition_columns or "://" in location else table


def _all_rows(table: DeltaTable, schema: pa.Schema) -> pa.Table:
    if VECTORS in (table.protocol().reader_features or ()):
        return every_row(table, schema)
    return pads.dataset(table.file_uris(), schema=schema, format=_PARQUET).to_table()


def _condition(values: pa.Table) -> pc.Expression | None:
    """A condition that the rows of all these keys meet, on as many of the columns as can be looked for."""
    conditions = []
    for name in values.column_names:
        column = values.column(name)
        if not any(matches(column.type) for matches in _FILTERED_TYPES):
            continue
        found = pc.field(name).isin(pc.unique(column.drop_null().combine_chunks()))
        conditions.append(found | pc.field(name).is_null() if column.null_count else found)
    return reduce(lambda one, other: one & other, conditions) if conditions else None


def _bytes(table: DeltaTable) -> int:
    sizes = pa.table(table.get_add_actions(flatten=True)).column("size_bytes")
    return int(pc.sum(sizes).as_py() or 0)


def _nullable(table: DeltaTable) -> StructType:
    fields = _json(table.schema().to_json())["fields"]
    return StructType.fromJson(
        {"type": "struct", "fields": [{**field, "nullable": True, "metadata": {}} for field in fields]}
    )


def _json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found
