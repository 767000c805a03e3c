"""Which keys have come to have a row, and which have lost their last: all that a change of its right side means for the
rows of a left, semi or anti join that have no match.

The rows there are now are only counted, so that no column of them is read but the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyspark.sql import DataFrame

from lakehouse.analysis.plan_binding import WEIGHT, column, grouped, select
from lakehouse.refresh.signed_rows import together

HERE = "__here"
_BY, _GAINED = "__by", "__gained"


def changed_matches(
    here: DataFrame, change: DataFrame, ids: Sequence[int], keep: Callable[[DataFrame], tuple[DataFrame, int]]
) -> tuple[DataFrame, DataFrame] | None:
    """The keys (columns `k0`, `k1`, … for the attributes `ids`) that have a row now and had none, and those that had
    one and have none; None if there are neither. `here` are the keys of `change` (columns `c<id>`) that have rows now,
    and perhaps others, and in `HERE` (bigint) how many, in one row or several; `change` has `__w`; `keep` computes rows
    once and counts them. Runs a job."""
    places = [f"k{place}" for place in range(len(ids))]
    keys = [f"{column(number)} AS {place}" for number, place in zip(ids, places, strict=True)]
    now = select(here, [*keys, HERE, f"0 AS {_BY}"])
    by = select(change, [*keys, f"0L AS {HERE}", f"{WEIGHT} AS {_BY}"])
    counted = grouped(together([now, by]), places, [f"sum({HERE}) AS {HERE}", f"sum({_BY}) AS {_BY}"])
    differing = counted.where(f"({HERE} > 0) <> ({HERE} - {_BY} > 0)")
    found, count = keep(select(differing, [*places, f"{HERE} > 0 AS {_GAINED}"]))
    if not count:
        return None
    gained, lost = (select(found.where(condition), places) for condition in (_GAINED, f"NOT {_GAINED}"))
    return gained, lost
