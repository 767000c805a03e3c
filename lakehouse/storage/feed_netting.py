"""Insertions and deletions of equal rows cancelled out: one row a distinct value, with its weight.

Rows are equal if no query can tell them apart: NULL is equal to NULL and NaN to NaN, but 0.0 differs from -0.0, a
string from one that its collation calls equal, and a map from one with its entries in another order. Spark's GROUP BY
is coarser, and would give back 0.0 where the table holds -0.0; so columns where that matters are grouped by a
representation that keeps the difference. VARIANT has none that SQL can see, and is refused.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import ChangeFeedError

WEIGHT = "__w"  # the column with the number of insertions minus deletions, never 0
_EXACT = (
    T.ByteType, T.ShortType, T.IntegerType, T.LongType, T.DecimalType, T.BooleanType, T.BinaryType, T.DateType,
    T.TimestampType, T.TimestampNTZType,
)  # fmt: skip
_TEXT = "UTF8_BINARY"


def check_comparable(schema: T.StructType, location: str) -> None:
    """Raises ChangeFeedError if rows of these columns cannot be compared, or one has the weight's name."""
    for field in schema.fields:
        if field.name.lower() == WEIGHT:
            raise ChangeFeedError(f"the table at {location} has a column '{field.name}' itself.", location=location)
        if found := _unknown(field.dataType):
            raise ChangeFeedError(
                f"changes of column '{field.name}' at {location} cannot be told: {found} has no equality.",
                location=location,
            )


def is_flat(schema: T.StructType) -> bool:
    """Whether no column is a struct, an array or a map: `net_arrow` takes only such."""
    return not any(isinstance(field.dataType, T.StructType | T.ArrayType | T.MapType) for field in schema.fields)


def net_arrow(rows: pa.Table) -> pa.Table:
    """The netted rows of a table of flat columns and the weight, in no particular order."""
    names = rows.column_names
    columns = [_one_nan(column) for column in rows.columns]
    keys = [str(number) for number in range(len(names))]
    weight = keys[names.index(WEIGHT)]
    table = pa.table(dict(zip(keys, columns, strict=True)))
    keys.remove(weight)
    summed = table.group_by(keys, use_threads=False).aggregate([(weight, "sum")])
    kept = summed.filter(pc.not_equal(summed[f"{weight}_sum"], 0))
    columns = [kept[f"{weight}_sum" if name == WEIGHT else str(number)] for number, name in enumerate(names)]
    return pa.table(columns, names=names).cast(rows.schema)


def net_frame(rows: DataFrame) -> DataFrame:
    """The netted rows of a frame with the weight as its last column."""
    fields = [field for field in rows.schema.fields if field.name != WEIGHT]
    # Positions stand for names, which may be any.
    exact = {number: _is_exact(field.dataType) for number, field in enumerate(fields)}
    values = [F.col(quoted(field.name)).alias(f"v{number}") for number, field in enumerate(fields)]
    telling = [
        _telling(F.col(quoted(field.name)), field.dataType).alias(f"k{number}")
        for number, field in enumerate(fields)
        if not exact[number]
    ]
    grouped = (
        rows.select(*values, *telling, F.col(WEIGHT))
        .groupBy(*(f"v{number}" if exact[number] else f"k{number}" for number in exact))
        .agg(F.sum(WEIGHT).alias(WEIGHT), *(F.any_value(f"v{n}").alias(f"v{n}") for n in exact if not exact[n]))
    )
    return grouped.where(F.col(WEIGHT) != 0).select(
        *(F.col(f"v{number}").alias(field.name) for number, field in enumerate(fields)),
        F.col(WEIGHT).cast("int").alias(WEIGHT),
    )


def quoted(name: str) -> str:
    """A column's name as Spark SQL text."""
    return "`" + name.replace("`", "``") + "`"


def _one_nan(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """NaN comes in many bit patterns; Arrow groups by bits."""
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(float("nan"), column.type), column)


def _unknown(kind: T.DataType) -> str | None:
    """The first type inside this one whose values cannot be compared."""
    match kind:
        case T.StructType():
            return next((found for field in kind.fields if (found := _unknown(field.dataType))), None)
        case T.ArrayType():
            return _unknown(kind.elementType)
        case T.MapType():
            return _unknown(kind.keyType) or _unknown(kind.valueType)
        case T.StringType() | T.FloatType() | T.DoubleType():
            return None
        case _:
            return None if isinstance(kind, _EXACT) else kind.simpleString().upper()


def _is_exact(kind: T.DataType) -> bool:
    """Whether GROUP BY tells all values of a type apart."""
    match kind:
        case T.StructType():
            return all(_is_exact(field.dataType) for field in kind.fields)
        case T.ArrayType():
            return _is_exact(kind.elementType)
        case T.StringType():
            return bool(kind.collation == _TEXT)
        case _:
            return isinstance(kind, _EXACT)


def _telling(value: Column, kind: T.DataType) -> Column:
    """A value in a form whose GROUP BY tells all values of its type apart."""
    match kind:
        case _ if _is_exact(kind):
            return value
        case T.FloatType() | T.DoubleType():
            return value.cast("string")  # the shortest text that reads back as the same number
        case T.StringType():
            return value.cast("binary")
        case T.StructType():
            parts = [_telling(value.getField(field.name), field.dataType) for field in kind.fields]
            return F.when(value.isNotNull(), F.struct(*(part.alias(f"f{i}") for i, part in enumerate(parts))))
        case T.ArrayType():
            element = kind.elementType
            return F.transform(value, lambda item: _telling(item, element))
        case T.MapType():
            key, content = kind.keyType, kind.valueType
            return F.transform(
                F.map_entries(value),
                lambda entry: F.struct(
                    _telling(entry.getField("key"), key).alias("key"),
                    _telling(entry.getField("value"), content).alias("value"),
                ),
            )
        case _:
            raise AssertionError(kind)
