"""Which rows are asked for: those whose key columns have one of a set of values, NULL being a value like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame

from lakehouse.analysis.local_rows import distinct_rows
from lakehouse.analysis.plan_binding import column, select
from lakehouse.refresh.signed_rows import matched


@dataclass(frozen=True, slots=True, eq=False)
class Restriction:
    """The attributes `ids` have together one of the rows of `values`, whose columns are `k0`, `k1`, …; every row of it
    is there once."""

    ids: tuple[int, ...]
    values: DataFrame

    @staticmethod
    def to(frame: DataFrame, ids: Sequence[int], as_ids: Sequence[int] | None = None) -> Restriction:
        """The values that the attributes `ids` have in a frame (columns `c<id>`), as values of `as_ids`."""
        keys = [f"{column(number)} AS k{place}" for place, number in enumerate(ids)]
        return Restriction(tuple(ids if as_ids is None else as_ids), _distinct(select(frame, keys)))

    def through(self, origins: Mapping[int, int], allowed: frozenset[int] | None = None) -> Restriction | None:
        """What it demands of a child's columns: `origins` maps an attribute to the child's. None if nothing."""
        places = [
            place
            for place, number in enumerate(self.ids)
            if number in origins and (allowed is None or origins[number] in allowed)
        ]
        if not places:
            return None
        below = tuple(origins[self.ids[place]] for place in places)
        if len(places) == len(self.ids):
            return Restriction(below, self.values)
        kept = [f"k{place} AS k{new}" for new, place in enumerate(places)]
        return Restriction(below, _distinct(select(self.values, kept)))

    def covers(self, other: Restriction | None) -> bool:
        """Whether the other demands as many columns, so that nothing is left to ask."""
        return other is not None and len(other.ids) == len(self.ids)

    def applied(self, frame: DataFrame) -> DataFrame:
        """The rows of a frame that are asked for."""
        pairs = [(column(number), f"k{place}") for place, number in enumerate(self.ids)]
        return matched(frame, self.values, pairs, "left_semi")


def _distinct(values: DataFrame) -> DataFrame:
    here = distinct_rows(values)
    return values.distinct() if here is None else here
