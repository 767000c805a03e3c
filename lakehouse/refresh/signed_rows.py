"""Rows that come and go, as one frame: a column `__w` holds +1 for a row that comes and -1 for one that goes.

The same row may occur on both sides or several times; only the sum of its signs means something. (Signed multisets:
"Z-sets" in Budiu et al., "DBSP", VLDB 2023.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.analysis.local_changes import netted_rows
from lakehouse.analysis.local_rows import appended_rows, joined_rows
from lakehouse.analysis.plan_binding import WEIGHT, grouped, select

OLD_COUNT, NEW_COUNT = "__old", "__new"


def coming(frame: DataFrame) -> DataFrame:
    """All rows of a frame, as rows that come."""
    return select(frame, ["*", f"1 AS {WEIGHT}"])


def going(frame: DataFrame) -> DataFrame:
    """All rows of a frame, as rows that go."""
    return select(frame, ["*", f"-1 AS {WEIGHT}"])


def reversed_signs(signed: DataFrame) -> DataFrame:
    """What undoes a change."""
    return select(signed, [*_values(signed), f"-{WEIGHT} AS {WEIGHT}"])


def together(frames: Sequence[DataFrame]) -> DataFrame:
    """Several changes of the same columns as one."""
    if len(frames) == 1:
        return frames[0]
    if (here := appended_rows(frames)) is not None:
        return here
    first = frames[0].columns
    alike = (frame if frame.columns == first else select(frame, list(map(quoted, first))) for frame in frames)
    return reduce(DataFrame.unionAll, alike)


def net(signed: DataFrame) -> DataFrame:
    """Every distinct row once, with the sum of its signs in `__w`, never 0."""
    if (here := netted_rows(signed)) is not None:
        return here
    summed = grouped(signed, _values(signed), [f"CAST(sum({WEIGHT}) AS INT) AS {WEIGHT}"])
    return summed.where(f"{WEIGHT} <> 0")


def unit(netted: DataFrame) -> DataFrame:
    """The same change with every sign +1 or -1: rows are repeated."""
    signs = f"explode(array_repeat(CAST(signum({WEIGHT}) AS INT), abs({WEIGHT}))) AS {WEIGHT}"
    return select(netted, [*_values(netted), signs])


def unit_if_here(signed: DataFrame) -> DataFrame:
    """A change with what cancels left out, if its rows are part of the plan: an update of columns that a projection
    leaves out is no change any more, and need not be looked for in what it would join."""
    here = netted_rows(signed, "unit")
    return signed if here is None else here


def remaining(signed: DataFrame) -> DataFrame:
    """The rows themselves, where it is known that no row goes that has not come."""
    if (here := netted_rows(signed, "unit")) is not None:
        return here.where(f"{WEIGHT} > 0").drop(WEIGHT)
    return unit(net(signed)).where(f"{WEIGHT} > 0").drop(WEIGHT)


def matched(
    left: DataFrame, right: DataFrame, pairs: Sequence[tuple[str, str]], how: Literal["left", "left_semi", "left_anti"]
) -> DataFrame:
    """The left rows with those of the right whose columns are pairwise equal, NULL being equal to NULL; of the right
    there are so few that they are sent around. No two columns of the frames may have one name."""
    if (here := joined_rows(left, right, pairs, how)) is not None:
        return here
    lefts, rights = [one for one, _ in pairs], [other for _, other in pairs]
    return left.join(F.broadcast(right), null_safe(lefts, rights), how)


def null_safe(left: Sequence[str], right: Sequence[str]) -> Column:
    """The condition that the columns are pairwise equal, NULL being equal to NULL."""
    pairs = [f"{quoted(one)} <=> {quoted(other)}" for one, other in zip(left, right, strict=True)]
    return F.expr(" AND ".join(pairs) or "true")


def named(name: str) -> Column:
    """The column of exactly this name."""
    return F.col(quoted(name))


def quoted(name: str) -> str:
    """The column of exactly this name, as SQL text: one text costs less than one object of PySpark a column."""
    return "`" + name.replace("`", "``") + "`"


def _values(signed: DataFrame) -> list[str]:
    return [quoted(name) for name in signed.columns if name != WEIGHT]
