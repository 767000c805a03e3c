"""A frame's rows judged as they go by: every predicate of a sieve becomes one bit of a hidden column, computed once,
by which rows are counted, kept, set aside and dropped.

The counts are observed while the kept rows are written (`CollectMetrics` of Spark). Spark loses or repeats an
observation in some plans: where the optimiser proves that no row is kept it removes the node, and reading the metrics
then blocks for ever; below a range shuffle it counts the sample, too. So a count is only believed when it is there and
the rows add up; else it is made again by an aggregate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from lakehouse.analysis.observation import observed
from lakehouse.analysis.plan_binding import WEIGHT
from lakehouse.plan.sieve import DROPPED, FAILED_EXPECTATIONS, FINGERPRINTS, QUARANTINED, ROWS, Sieve

_MASK = "__mask"
_BITS = 60  # of a 64-bit integer


def masks(sieve: Sieve) -> list[str]:
    """The names of the hidden columns that `marked` adds."""
    return [f"{_MASK}{number}" for number in range(-(-len(sieve.predicates) // _BITS))]


def marked(frame: DataFrame, sieve: Sieve) -> DataFrame:
    """The frame with the hidden columns: bit i of them is predicate i of the row."""
    columns = []
    for number, name in enumerate(masks(sieve)):
        group = sieve.predicates[number * _BITS : (number + 1) * _BITS]
        bits = [F.when(F.expr(text), 1 << place).otherwise(0).cast("bigint") for place, text in enumerate(group)]
        columns.append(reduce(Column.bitwiseOR, bits).alias(name))
    return frame.select("*", *columns) if columns else frame


def unmarked(frame: DataFrame, sieve: Sieve) -> DataFrame:
    """The frame without them."""
    return frame.drop(*masks(sieve))


def kept(frame: DataFrame, sieve: Sieve) -> DataFrame:
    """The rows of a frame that stay in the table."""
    return unmarked(marked(frame, sieve).where(is_kept(sieve)), sieve) if sieve.rejects else frame


def is_kept(sieve: Sieve, prefix: str = "") -> Column:
    """Whether a marked row stays in the table; `prefix` stands before the hidden columns' names."""
    return ~_any(sieve.dropped | sieve.quarantined, prefix)


def is_quarantined(sieve: Sieve, prefix: str = "") -> Column:
    """Whether a marked row is set aside."""
    return _any(sieve.quarantined, prefix)


def is_dropped(sieve: Sieve, prefix: str = "") -> Column:
    """Whether a marked row is left out for good."""
    return _any(sieve.dropped, prefix) & ~_any(sieve.quarantined, prefix)


def rejected(rows: DataFrame, sieve: Sieve) -> DataFrame:
    """The marked rows that are set aside: their own columns, `_failed_expectations` and `_fingerprints` (both
    `array<string>`, of the rules that set them aside, in the order of their declaration)."""
    found = rows.where(is_quarantined(sieve))
    for name, value in ((FAILED_EXPECTATIONS, "name"), (FINGERPRINTS, "fingerprint")):
        texts = [F.when(_any({reason.place}), F.lit(getattr(reason, value))) for reason in sieve.reasons]
        # Where no rule sets rows aside any more, there is no text to take the type from.
        found = found.withColumn(name, F.array_compact(F.array(*texts).cast("array<string>")))
    return unmarked(found, sieve)


def signed_counts(signed: DataFrame, sieve: Sieve) -> dict[str, int]:
    """By what every count changes with rows that come and go (marked, with `__w`). Runs a job."""
    measures = [
        F.coalesce(F.sum(F.when(condition, F.col(WEIGHT))), F.lit(0)).alias(name)
        for name, condition in _conditions(sieve).items()
    ]
    return {name: int(value) for name, value in signed.agg(*measures).first().asDict().items()}  # type: ignore[union-attr]


class Sifted:
    """A frame whose rows are judged while those that are kept are written: `kept` are those, with the frame's columns.

    `counts` are known once that is done. They are never below a shuffle of ours, but a query may end in a sort. `watch`
    adds what else is to be observed of the rows that are kept.
    """

    def __init__(
        self, frame: DataFrame, sieve: Sieve, watch: Callable[[DataFrame], DataFrame] = lambda rows: rows
    ) -> None:
        self._frame = frame
        self._sieve = sieve
        self._observation = Observation()
        self._counts: dict[str, int] | None = None
        if not sieve.predicates:
            self.kept, self.undropped = watch(frame), frame
            return
        watched = marked(frame, sieve).observe(
            self._observation, *[F.count_if(each).alias(name) for name, each in _conditions(sieve).items()]
        )
        self.kept = watch(unmarked(watched.where(is_kept(sieve)) if sieve.rejects else watched, sieve))
        self.undropped = unmarked(watched.where(~is_dropped(sieve)) if sieve.dropped else watched, sieve)

    def counts(self, written: int | None = None) -> Mapping[str, int]:
        """How many rows there are, met each predicate that is counted, were dropped and set aside. `written` is how
        many rows were written of those that are kept: where it does not agree, everything is counted again."""
        if self._counts is None:
            found = _observed(self._observation)
            if found is None or (written is not None and kept_rows(found) != written):
                found = count(self._frame, self._sieve)
            self._counts = found
        return self._counts

    def rejected(self) -> DataFrame:
        """The rows that are set aside, with the reasons. Computes the frame again, of the predicates only theirs."""
        aside = self._sieve.only_aside()
        return rejected(marked(self._frame, aside), aside)


def kept_rows(counts: Mapping[str, int]) -> int:
    """How many rows stay in the table."""
    return counts[ROWS] - counts[DROPPED] - counts[QUARANTINED]


def count(frame: DataFrame, sieve: Sieve) -> dict[str, int]:
    """The counts of a frame's rows, by an aggregate."""
    measures = [F.count_if(each).alias(name) for name, each in _conditions(sieve).items()]
    row = marked(frame, sieve).agg(*measures).first()
    assert row is not None
    return {name: int(value) for name, value in row.asDict().items()}


def _conditions(sieve: Sieve) -> dict[str, Column]:
    """Every count's name and the condition of the marked rows that it counts."""
    counted = {name: _any({place}) for name, place in sieve.counters.items()}
    return {
        **counted,
        ROWS: F.lit(True),
        DROPPED: is_dropped(sieve) if sieve.dropped else F.lit(False),
        QUARANTINED: is_quarantined(sieve) if sieve.quarantined else F.lit(False),
    }


def _observed(observation: Observation) -> dict[str, int] | None:
    """What was observed; None if Spark does not say."""
    found = observed(observation)
    return None if found is None or ROWS not in found else {name: int(value) for name, value in found.items()}


def _any(places: Iterable[int], prefix: str = "") -> Column:
    """Whether one of the bits is set."""
    by_mask: dict[int, int] = {}
    for place in places:
        by_mask[place // _BITS] = by_mask.get(place // _BITS, 0) | 1 << place % _BITS
    tests = [F.col(f"{prefix}{_MASK}{n}").bitwiseAND(F.lit(bits)) != 0 for n, bits in sorted(by_mask.items())]
    return reduce(Column.__or__, tests, F.lit(False))
