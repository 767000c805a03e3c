"""Profiles of tables, taken in the pass that writes or reads them: no second scan, no shuffle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, Observation, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from lakehouse.analysis.observation import observed
from lakehouse.quality.column_profile import (
    QUANTILES,
    TOP,
    ColumnProfile,
    ColumnShape,
    TableProfile,
    column_shape,
    merge_columns,
)

ROWS = "profile_rows"
_COLUMN = "profile_column_"
_LONGEST = 200  # bytes of a text that may be a category
_TRACKED = 1000  # values that the count of the most frequent ones keeps apart
_HLL_BITS = 12  # 4 KB, 1.6 % standard error
_MERGED = "position INT, distinct_sketches ARRAY<BINARY>, quantile_sketches ARRAY<BINARY>"


def profile_columns(schema: StructType) -> tuple[Column, ...]:
    """The named aggregates that make the profile of a frame of this schema, for `observe` or `agg`: `profile_rows`,
    and a struct for every column. `read_profile` reads the row that they give."""
    measured = (_aggregate(field).alias(f"{_COLUMN}{position}") for position, field in enumerate(schema.fields))
    return (F.count(F.lit(1)).alias(ROWS), *measured)


def read_profile(row: Row | Mapping[str, Any]) -> TableProfile:
    """The profile in the row of an `agg`, or in what an observation gives; other aggregates may stand beside it."""
    fields = row.asDict() if isinstance(row, Row) else row
    rows = int(fields[ROWS])
    found = sorted((int(name.removeprefix(_COLUMN)), name) for name in fields if name.startswith(_COLUMN))
    return TableProfile(rows=rows, columns=tuple(_column(rows, fields[name].asDict()) for _, name in found))


def profile_of(frame: DataFrame) -> TableProfile:
    """The profile of a frame's rows, by one pass over them."""
    row = frame.agg(*profile_columns(frame.schema)).first()
    assert row is not None, "an aggregate without keys returns one row"
    return read_profile(row)


class ProfileWatch:
    """The profile of rows taken while they are written. The last frame that was given is the one that counts."""

    def __init__(self) -> None:
        self._observation: Observation | None = None

    def watched(self, frame: DataFrame) -> DataFrame:
        """The frame, observed."""
        self._observation = Observation()
        return frame.observe(self._observation, *profile_columns(frame.schema))

    def profile(self, rows: int) -> TableProfile | None:
        """What was observed of the `rows` that were written; None if Spark does not say, or counted others."""
        found = None if self._observation is None else observed(self._observation)
        if found is None or found.get(ROWS) != rows:
            return None
        return read_profile(found)


def merge_profiles(session: SparkSession, profiles: Sequence[TableProfile]) -> TableProfile:
    """The profiles of loads, at least one, as that of all their rows, by their sketches: one task, no table is read.

    The last profile says which columns there are. A column that an earlier load lacks, or had with another kind of
    type, counts there as NULL, which is how Delta reads its rows.
    """
    merged: list[ColumnProfile] = []
    sketches: list[tuple[int, list[bytes | None], list[bytes | None]]] = []
    for position, last in enumerate(profiles[-1].columns):
        parts = [_part(profile, last) for profile in profiles]
        merged.append(reduce(merge_columns, parts))
        distinct = [part.distinct_sketch for part in parts if part.distinct_sketch]
        quantile = [part.quantile_sketch for part in parts if part.quantile_sketch]
        sketches.append((position, list(distinct), list(quantile)))
    frame = session.createDataFrame(sketches, _MERGED).coalesce(1)
    union = F.reduce("distinct_sketches", F.lit(None).cast("binary"), _either(F.hll_union))
    joined = F.reduce("quantile_sketches", F.lit(None).cast("binary"), _either(_kll_merge))
    found = frame.select(
        "position", _distinct(union).alias("distinct"), _quantiles(joined).alias("quantiles")
    ).collect()
    told = {row["position"]: row.asDict() for row in found}
    columns = tuple(_with_sketches(column, told[position]) for position, column in enumerate(merged))
    return TableProfile(rows=sum(profile.rows for profile in profiles), columns=columns)


def _aggregate(field: StructField) -> Column:
    column, type_text = F.col(f"`{field.name.replace('`', '``')}`"), field.dataType.simpleString()
    shape = column_shape(type_text)
    parts = {"name": F.lit(field.name), "type": F.lit(type_text), "values": F.count(column)}
    if shape is ColumnShape.CATEGORY:
        # A long text is no category, and a thousand of them would fill the memory of a task.
        short = F.when(F.octet_length(column) <= _LONGEST, column) if type_text == "string" else column.cast("string")
        parts["top"] = F.call_function("approx_top_k", short, F.lit(TOP), F.lit(_TRACKED))
    elif shape is not ColumnShape.OPAQUE:
        number = _number(column, type_text)
        parts["mean"] = F.avg(number)
        parts["deviation"] = F.stddev_samp(number)
        parts["quantiles"] = _quantiles(F.call_function("kll_sketch_agg_double", number))
        parts["low"] = F.min(column).cast("string")
        parts["high"] = F.max(column).cast("string")
    if shape is not ColumnShape.OPAQUE and type_text != "boolean":
        parts["distinct"] = _distinct(F.hll_sketch_agg(_countable(column, type_text), F.lit(_HLL_BITS)))
    return F.struct(*(part.alias(name) for name, part in parts.items()))


def _countable(column: Column, type_text: str) -> Column:
    """The value in a type that HyperLogLog takes, as cheaply as can be."""
    match type_text.partition("(")[0]:
        case "tinyint" | "smallint" | "int" | "bigint" | "string":
            return column if type_text in {"int", "bigint", "string"} else column.cast("int")
        case "date":
            return F.unix_date(column)
        case "timestamp":
            return F.unix_micros(column)
        case _:
            # 64 bits of hash are as distinct as what they are made from.
            return F.when(column.isNotNull(), F.xxhash64(column))


def _number(column: Column, type_text: str) -> Column:
    """The value as a double: times in seconds since 1970, independent of the session's zone; NaN and infinity are NULL,
    as one of them would be the mean."""
    match type_text:
        case "date":
            return F.unix_date(column).cast("double") * 86400
        case "timestamp":
            return F.unix_micros(column) / 1e6
        case "timestamp_ntz":
            return F.timestamp_diff("MICROSECOND", F.lit("1970-01-01").cast("timestamp_ntz"), column) / 1e6
        case "float" | "double":
            return F.when(F.abs(column) < float("inf"), column.cast("double"))
        case _:
            return column.cast("double")


def _distinct(sketch: Column) -> Column:
    """A struct of a sketch and its estimate."""
    return _once(sketch, lambda made: F.struct(made.alias("sketch"), F.hll_sketch_estimate(made).alias("estimate")))


def _quantiles(sketch: Column) -> Column:
    """A struct of a sketch, how many values it has seen, and its quantiles, NULL where it is empty."""
    ranks = F.array(*(F.lit(step / QUANTILES) for step in range(QUANTILES + 1)))

    def both(made: Column) -> Column:
        seen = F.call_function("kll_sketch_get_n_double", made)
        values = F.when(seen > 0, F.call_function("kll_sketch_get_quantile_double", made, ranks))
        return F.struct(made.alias("sketch"), seen.alias("measured"), values.alias("values"))

    return _once(sketch, both)


def _once(value: Column, use: Any) -> Column:
    # An observation computes an aggregate as often as it is written down; the lambda's variable names it once.
    return F.element_at(F.transform(F.array(value), use), 1)


def _either(merge: Any) -> Any:
    return lambda made, sketch: F.when(made.isNull(), sketch).otherwise(merge(made, sketch))


def _kll_merge(first: Column, second: Column) -> Column:
    return F.call_function("kll_sketch_merge_double", first, second)


def _column(rows: int, found: Mapping[str, Any]) -> ColumnProfile:
    plain = {name: found[name] for name in ("name", "type", "low", "high", "mean", "deviation") if name in found}
    top = tuple((item["item"], item["count"]) for item in found.get("top") or () if item["item"] is not None)
    quantiles = found.get("quantiles")
    # What is NaN or infinite is a value, but not in the sketch.
    measured = quantiles["measured"] if quantiles else found["values"] if "top" in found else 0
    column = ColumnProfile(rows=rows, nulls=rows - found["values"], measured=measured, top=top, **plain)
    return _with_sketches(column, found)


def _with_sketches(column: ColumnProfile, found: Mapping[str, Any]) -> ColumnProfile:
    distinct, quantiles = found.get("distinct"), found.get("quantiles")
    sketch = _bytes(distinct["sketch"]) if distinct else None
    # Two truth values are counted by their names.
    by_name = len(column.top) if column.type == "boolean" else None
    return replace(
        column,
        distinct=distinct["estimate"] if distinct and sketch else by_name,
        distinct_sketch=sketch,
        quantiles=tuple(quantiles["values"] or ()) if quantiles else (),
        quantile_sketch=_bytes(quantiles["sketch"]) if quantiles else None,
    )


def _bytes(sketch: bytes | bytearray | None) -> bytes | None:
    return bytes(sketch) if sketch is not None else None


def _part(profile: TableProfile, last: ColumnProfile) -> ColumnProfile:
    found = profile.column(last.name)
    if found is not None and found.shape is last.shape:
        return found
    return ColumnProfile(name=last.name, type=last.type, rows=profile.rows, nulls=profile.rows)
