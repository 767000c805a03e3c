"""What is known of a table's columns without their rows: counts, moments, sketches; two profiles compared. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from lakehouse.quality.drift import DriftResult, category_drift, numeric_drift

QUANTILES = 100  # the steps between the ranks at which quantiles are kept: percentiles
TOP = 100  # the most frequent values that are kept


class ColumnShape(Enum):
    """What a column's values allow to be measured."""

    NUMBER = "number"
    TIME = "time"  # measured in seconds since 1970
    CATEGORY = "category"
    OPAQUE = "opaque"  # only NULLs are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """One column of one version, or of the rows that one load added.

    `measured` values are neither NULL nor NaN nor infinite; `mean`, sample standard `deviation` and `quantiles` (at
    `QUANTILES` + 1 even ranks from minimum to maximum) describe them, times in seconds since 1970. `low` and `high`
    are the least and greatest number or time as text. `top` are the most frequent categories with their counts, long
    texts left out. `distinct` is an estimate (2 %). `distinct_sketch` (HyperLogLog) and `quantile_sketch` (KLL of
    doubles) are Apache DataSketches' portable bytes, which profiles are merged by.
    """

    name: str
    type: str
    rows: int
    nulls: int
    measured: int = 0
    low: str | None = None
    high: str | None = None
    mean: float | None = None
    deviation: float | None = None
    distinct: int | None = None
    quantiles: tuple[float, ...] = ()
    top: tuple[tuple[str, int], ...] = ()
    distinct_sketch: bytes | None = None
    quantile_sketch: bytes | None = None

    @property
    def shape(self) -> ColumnShape:
        """By its type."""
        return column_shape(self.type)

    @property
    def values(self) -> int:
        """How many are not NULL."""
        return self.rows - self.nulls

    @property
    def null_share(self) -> float:
        """0 to 1; 0 of an empty table."""
        return self.nulls / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TableProfile:
    """The profile of a table, or of the rows that one load added to it."""

    rows: int
    columns: tuple[ColumnProfile, ...]

    def column(self, name: str) -> ColumnProfile | None:
        """The column of that name, as it is spelled."""
        return next((column for column in self.columns if column.name == name), None)


def column_shape(type_text: str) -> ColumnShape:
    """By a type as Spark writes it (`simpleString`).

    >>> [column_shape(text).value for text in ("decimal(10,2)", "timestamp_ntz", "varchar(3)", "array<int>")]
    ['number', 'time', 'category', 'opaque']
    """
    bare = type_text.partition("(")[0].partition(" ")[0].lower()
    if bare in {"tinyint", "smallint", "int", "bigint", "float", "double", "decimal"}:
        return ColumnShape.NUMBER
    if bare in {"date", "timestamp", "timestamp_ntz"}:
        return ColumnShape.TIME
    if bare in {"string", "char", "varchar", "boolean"}:
        return ColumnShape.CATEGORY
    return ColumnShape.OPAQUE


def compare_columns(baseline: ColumnProfile, current: ColumnProfile) -> DriftResult:
    """How the column drifted. A column whose type now allows other measures has only its NULLs compared."""
    sizes = baseline.measured, current.measured
    if baseline.shape is not current.shape or baseline.shape is ColumnShape.OPAQUE:
        found = DriftResult(column=current.name)
    elif baseline.shape is ColumnShape.CATEGORY:
        found = category_drift(current.name, dict(baseline.top), dict(current.top), sizes=sizes)
    else:
        found = numeric_drift(
            current.name, baseline.quantiles, current.quantiles, sizes=sizes, deviation=baseline.deviation
        )
    return replace(
        found,
        missing=current.null_share - baseline.null_share if baseline.rows and current.rows else None,
        distinct=_distinct_share(current, baseline),
    )


def compare(baseline: TableProfile, current: TableProfile) -> tuple[DriftResult, ...]:
    """The drift of every column that both have, in the current order. Columns are the same if their names are."""
    pairs = ((baseline.column(column.name), column) for column in current.columns)
    return tuple(compare_columns(before, now) for before, now in pairs if before is not None)


def merge_columns(first: ColumnProfile, second: ColumnProfile) -> ColumnProfile:
    """Two loads' profiles of a column as one, without what only their sketches tell: `distinct`, `quantiles` and the
    sketches themselves are empty. The counts of `top` are too low by what a load kept out of its own `TOP`.

    Mean and deviation are those of Chan, Golub and LeVeque (1979), which do not cancel as sums of squares do.
    """
    number = first.measured + second.measured
    mean, deviation = _moments(first, second, number)
    counts: dict[str, int] = dict(first.top)
    for value, count in second.top:
        counts[value] = counts.get(value, 0) + count
    return ColumnProfile(
        name=second.name,
        type=second.type,
        rows=first.rows + second.rows,
        nulls=first.nulls + second.nulls,
        measured=number,
        low=_extreme(first.low, second.low, second.shape, greatest=False),
        high=_extreme(first.high, second.high, second.shape, greatest=True),
        mean=mean,
        deviation=deviation,
        top=tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TOP]),
    )


def profile_rows(profile: TableProfile, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of `system/profiles`; `facts` are the columns of that table that a profile does not know: project,
    dataset, version, epoch, run, is_increment, recorded_at."""
    return [
        {
            **facts,
            "column_name": column.name,
            "column_type": column.type,
            "rows": column.rows,
            "nulls": column.nulls,
            "measured": column.measured,
            "low": column.low,
            "high": column.high,
            "mean": column.mean,
            "deviation": column.deviation,
            "distinct": column.distinct,
            "quantiles": json.dumps(column.quantiles) if column.quantiles else None,
            "top": json.dumps(column.top, ensure_ascii=False) if column.top else None,
            "distinct_sketch": column.distinct_sketch,
            "quantile_sketch": column.quantile_sketch,
        }
        for column in profile.columns
    ]


def stored_profile(rows: Iterable[Mapping[str, Any]]) -> TableProfile:
    """The inverse of `profile_rows`; the sketches may have been left out of the rows."""
    columns = tuple(_stored_column(row) for row in rows)
    return TableProfile(rows=max((column.rows for column in columns), default=0), columns=columns)


def _stored_column(row: Mapping[str, Any]) -> ColumnProfile:
    return ColumnProfile(
        name=row["column_name"],
        type=row["column_type"],
        rows=row["rows"],
        nulls=row["nulls"],
        measured=row["measured"],
        low=row["low"],
        high=row["high"],
        mean=row["mean"],
        deviation=row["deviation"],
        distinct=row["distinct"],
        quantiles=tuple(json.loads(row["quantiles"])) if row["quantiles"] else (),
        top=tuple((value, count) for value, count in json.loads(row["top"])) if row["top"] else (),
        distinct_sketch=row.get("distinct_sketch"),
        quantile_sketch=row.get("quantile_sketch"),
    )


def _distinct_share(current: ColumnProfile, baseline: ColumnProfile) -> float | None:
    if current.distinct is None or baseline.distinct is None or not current.values or not baseline.values:
        return None
    return current.distinct / current.values - baseline.distinct / baseline.values


def _moments(first: ColumnProfile, second: ColumnProfile, number: int) -> tuple[float | None, float | None]:
    if first.mean is None or second.mean is None:
        known = second if first.mean is None else first
        return known.mean, known.deviation
    apart = second.mean - first.mean
    mean = first.mean + apart * second.measured / number
    squares = _squares(first) + _squares(second) + apart * apart * first.measured * second.measured / number
    return mean, math.sqrt(squares / (number - 1))


def _squares(column: ColumnProfile) -> float:
    """The sum of squared distances from the mean."""
    return (column.deviation or 0.0) ** 2 * (column.measured - 1)


def _extreme(first: str | None, second: str | None, shape: ColumnShape, *, greatest: bool) -> str | None:
    found: Sequence[str] = [text for text in (first, second) if text is not None]
    if not found:
        return None
    choose = max if greatest else min
    if shape is not ColumnShape.NUMBER:
        return choose(found)  # ISO dates and times sort as their texts do
    # NaN is the greatest number, as Spark sorts.
    return choose(found, key=lambda text: (math.isnan(float(text)), 0.0 if math.isnan(float(text)) else float(text)))
