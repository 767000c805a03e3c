"""Which keys have come to have a row, and which have lost their last: all that a change of its right side means for the
rows of a left, semi or anti join that have no match.

The rows there are now are only counted, so that Spark reads no column of them but the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyspark.sql import DataFrame

from lakehouse.analysis.plan_binding import WEIGHT, column, grouped, select

_HERE, _BY, _GAINED = "__here", "__by", "__gained"


def changed_matches(
    rows: DataFrame, change: DataFrame, ids: Sequence[int], keep: Callable[[DataFrame], tuple[DataFrame, int]]
) -> tuple[DataFrame, DataFrame] | None:
    """The keys (columns `k0`, `k1`, … for the attributes `ids`) that have a row now and had none, and those that had
    one and have none; None if there are neither. `rows` are those of the keys of `change` as they are now, `change`
    has `__w`; `keep` computes rows once and counts them. Runs a job."""
    places = [f"k{place}" for place in range(len(ids))]
    keys = [f"{column(number)} AS {place}" for number, place in zip(ids, places, strict=True)]
    here = select(rows, [*keys, f"1 AS {_HERE}", f"0 AS {_BY}"])
    by = select(change, [*keys, f"0 AS {_HERE}", f"{WEIGHT} AS {_BY}"])
    counted = grouped(here.unionAll(by), places, [f"sum({_HERE}) AS {_HERE}", f"sum({_BY}) AS {_BY}"])
    differing = counted.where(f"({_HERE} > 0) <> ({_HERE} - {_BY} > 0)")
    found, count = keep(select(differing, [*places, f"{_HERE} > 0 AS {_GAINED}"]))
    if not count:
        return None
    gained, lost = (select(found.where(condition), places) for condition in (_GAINED, f"NOT {_GAINED}"))
    return gained, lost
