"""Whether a table's rows are those that its query gives: both computed, and compared as bags. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, MapType, StructType, VariantType

from lakehouse.analysis.algebra import read_algebra
from lakehouse.analysis.reads import query_reads
from lakehouse.plan.exactness import exactness
from lakehouse.refresh.signed_rows import named

_TABLE, _QUERY = "__table", "__query"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`compared` rows of the table were looked at, of `rows` that it has. `missing` rows of the query are not in it,
    `surplus` rows of it are not in the query; duplicates count. `left_out` are columns whose values the inputs do not
    decide to the last bit, or that cannot be compared. With a `problem`, nothing could be compared."""

    rows: int = 0
    compared: int = 0
    missing: int = 0
    surplus: int = 0
    left_out: tuple[str, ...] = ()
    problem: str | None = None


def compare_with_query(
    query: DataFrame, table: DataFrame, optimiser: SparkSession, *, at_most: int | None, seed: int
) -> Comparison:
    """Compares the rows of `table` with those of `query`, an analysed frame over the same versions with the same
    columns; `optimiser` is an `optimising_session`.

    With `at_most`, about so many rows are compared: those whose hash falls in one of as many buckets as there must
    be, on both sides; `seed` chooses the bucket. Raises what Spark raises.
    """
    reads = query_reads(query)
    if reads.unstable:
        return Comparison(problem=f"{', '.join(reads.unstable)} may give other values each time")
    if reads.undeclared:
        return Comparison(problem=f"it reads what is not declared: {', '.join(map(str, reads.undeclared))}")
    algebra = read_algebra(query, optimiser)
    known = exactness(algebra.root)
    if known.problem is not None:
        return Comparison(problem=known.problem)
    inexact = {name for number, name in zip(algebra.root.ids, algebra.columns, strict=True) if number in known.inexact}
    fields = {field.name: field.dataType for field in query.schema.fields}
    kept = {name: kind for name, kind in fields.items() if name not in inexact and _is_comparable(kind)}
    rows = table.count()
    if not kept:
        return Comparison(rows=rows, left_out=tuple(fields), problem="none of its columns can be compared")
    buckets = max(1, rows // at_most) if at_most else 1
    sides = [_side(frame, kept, buckets, seed, is_table=frame is table) for frame in (query, table)]
    compared, missing, surplus = _differences(sides, len(kept))
    left_out = tuple(name for name in fields if name not in kept)
    return Comparison(rows=rows, compared=compared, missing=missing, surplus=surplus, left_out=left_out)


def _side(frame: DataFrame, kept: dict[str, DataType], buckets: int, seed: int, *, is_table: bool) -> DataFrame:
    """One side's rows in the chosen bucket, as columns `v0`, `v1`, … and a 1 for the side that has them."""
    columns = [_comparable(named(name), kind).alias(f"v{place}") for place, (name, kind) in enumerate(kept.items())]
    rows = frame.select(*columns)
    if buckets > 1:
        rows = rows.where(F.pmod(F.xxhash64(*rows.columns), F.lit(buckets)) == seed % buckets)
    return rows.withColumn(_TABLE, F.lit(int(is_table))).withColumn(_QUERY, F.lit(int(not is_table)))


def _differences(sides: list[DataFrame], columns: int) -> tuple[int, int, int]:
    counted = (
        reduce(DataFrame.unionAll, sides)
        .groupBy(*[f"v{place}" for place in range(columns)])
        .agg(F.sum(_TABLE).alias(_TABLE), F.sum(_QUERY).alias(_QUERY))
    )
    surplus = F.col(_TABLE) - F.col(_QUERY)
    [found] = counted.agg(
        F.sum(_TABLE), F.sum(F.greatest(-surplus, F.lit(0))), F.sum(F.greatest(surplus, F.lit(0)))
    ).collect()
    return int(found[0] or 0), int(found[1] or 0), int(found[2] or 0)


def _comparable(column: Column, kind: DataType) -> Column:
    # The entries of a map have no order; maps themselves cannot be grouped by.
    return F.array_sort(F.map_entries(column)) if isinstance(kind, MapType) else column


def _is_comparable(kind: DataType, *, nested: bool = False) -> bool:
    match kind:
        case VariantType():
            return False
        case MapType():
            return not nested and all(_is_comparable(part, nested=True) for part in (kind.keyType, kind.valueType))
        case ArrayType():
            return _is_comparable(kind.elementType, nested=True)
        case StructType():
            return all(_is_comparable(field.dataType, nested=True) for field in kind.fields)
        case _:
            return True
