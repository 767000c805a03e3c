"""Rows that come and go, as one frame: a column `__w` holds +1 for a row that comes and -1 for one that goes.

The same row may occur on both sides or several times; only the sum of its signs means something. (Signed multisets:
"Z-sets" in Budiu et al., "DBSP", VLDB 2023.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.analysis.plan_binding import WEIGHT

OLD_COUNT, NEW_COUNT = "__old", "__new"


def coming(frame: DataFrame) -> DataFrame:
    """All rows of a frame, as rows that come."""
    return frame.withColumn(WEIGHT, F.lit(1))


def going(frame: DataFrame) -> DataFrame:
    """All rows of a frame, as rows that go."""
    return frame.withColumn(WEIGHT, F.lit(-1))


def reversed_signs(signed: DataFrame) -> DataFrame:
    """What undoes a change."""
    return signed.withColumn(WEIGHT, -F.col(WEIGHT))


def together(frames: Sequence[DataFrame]) -> DataFrame:
    """Several changes of the same columns as one."""
    first = frames[0].columns
    return reduce(DataFrame.unionAll, [frame.select(*map(named, first)) for frame in frames])


def net(signed: DataFrame) -> DataFrame:
    """Every distinct row once, with the sum of its signs in `__w`, never 0."""
    rows = [name for name in signed.columns if name != WEIGHT]
    summed = signed.groupBy(*map(named, rows)).agg(F.sum(WEIGHT).cast("int").alias(WEIGHT))
    return summed.where(F.col(WEIGHT) != 0)


def unit(netted: DataFrame) -> DataFrame:
    """The same change with every sign +1 or -1: rows are repeated."""
    rows = [named(name) for name in netted.columns if name != WEIGHT]
    signs = F.explode(F.array_repeat(F.signum(F.col(WEIGHT)).cast("int"), F.abs(F.col(WEIGHT))))
    return netted.select(*rows, signs.alias(WEIGHT))


def remaining(signed: DataFrame) -> DataFrame:
    """The rows themselves, where it is known that no row goes that has not come."""
    return unit(net(signed)).where(F.col(WEIGHT) > 0).drop(WEIGHT)


def null_safe(left: Sequence[str], right: Sequence[str]) -> Column:
    """The condition that the columns are pairwise equal, NULL being equal to NULL."""
    pairs = [named(one).eqNullSafe(named(other)) for one, other in zip(left, right, strict=True)]
    return reduce(Column.__and__, pairs, F.lit(True))


def named(name: str) -> Column:
    """The column of exactly this name."""
    return F.col("`" + name.replace("`", "``") + "`")
