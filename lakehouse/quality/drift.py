"""How far a column's values have moved between two samples: measures of distance over quantiles or counts. Pure.

The measures are those of Databricks' drift metrics table. They are effect sizes: with as many rows as tables have,
every significance test rejects, so none is made.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

FLOOR = 1e-4  # an empty bin's share in the stability index, which is infinite without
MODERATE, LARGE = 0.1, 0.25  # the stability index's customary bands
_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftResult:
    """One column, `current` against `baseline`; a measure is None where the column's type has none.

    `edges` are the upper, inclusive ends of the numeric bins (the last bin is open), `labels` name the bins of
    categories; `baseline` and `current` are the shares of the values that are not NULL in each bin. `missing` is the
    share of NULLs now less the share then, `distinct` the same for estimated distinct values per value. `wasserstein`
    is in units of the baseline's standard deviation, `jensen_shannon` a distance to base 2 (0 to 1). Categories that
    `appeared` or `vanished` are named only where both samples list all of theirs.
    """

    column: str
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    baseline: tuple[float, ...] = ()
    current: tuple[float, ...] = ()
    missing: float | None = None
    distinct: float | None = None
    population_stability_index: float | None = None
    kolmogorov_smirnov: float | None = None
    jensen_shannon: float | None = None
    wasserstein: float | None = None
    chi_square: float | None = None
    total_variation: float | None = None
    l_infinity: float | None = None
    appeared: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()

    @property
    def band(self) -> str:
        """stable, moderate or large, by the stability index; unknown where there is none."""
        index = self.population_stability_index
        if index is None:
            return "unknown"
        return "large" if index >= LARGE else "moderate" if index >= MODERATE else "stable"


def numeric_drift(
    column: str,
    baseline: Sequence[float],
    current: Sequence[float],
    *,
    sizes: tuple[int, int],
    deviation: float | None,
) -> DriftResult:
    """Drift of numbers given as quantiles at equally many evenly spaced ranks from 0 to 1; no measures where one
    sample has none. `sizes` are the numbers of values behind them, `deviation` the baseline's standard deviation."""
    if not baseline or not current:
        return DriftResult(column=column)
    edges = decile_edges(baseline)
    before, now = bin_shares(baseline, edges), bin_shares(current, edges)
    moved = wasserstein(baseline, current)
    return DriftResult(
        column=column,
        edges=edges,
        baseline=before,
        current=now,
        population_stability_index=population_stability_index(before, now),
        kolmogorov_smirnov=kolmogorov_smirnov(baseline, current),
        jensen_shannon=jensen_shannon(before, now),
        wasserstein=0.0 if moved == 0 else moved / deviation if deviation else None,
        chi_square=chi_square([share * sizes[0] for share in before], [share * sizes[1] for share in now]),
        total_variation=total_variation(before, now),
        l_infinity=l_infinity(before, now),
    )


def category_drift(
    column: str, baseline: Mapping[str, int], current: Mapping[str, int], *, sizes: tuple[int, int]
) -> DriftResult:
    """Drift of categories given as counts of the most frequent ones; `sizes` are the numbers of all values, and what
    the counts do not cover is one category more. No measures where one sample is empty."""
    if not sizes[0] or not sizes[1]:
        return DriftResult(column=column)
    complete = all(sum(counts.values()) >= size for counts, size in zip((baseline, current), sizes, strict=True))
    # Where a sample lists its most frequent categories only, one that it does not list may still be there.
    labels = tuple(dict.fromkeys([*baseline, *current])) if complete else tuple(baseline)
    before = [baseline.get(label, 0) for label in labels]
    now = [current.get(label, 0) for label in labels]
    if not complete:
        before.append(max(sizes[0] - sum(before), 0))
        now.append(max(sizes[1] - sum(now), 0))
    p, q = _shares(before), _shares(now)
    return DriftResult(
        column=column,
        labels=labels,
        baseline=p,
        current=q,
        population_stability_index=population_stability_index(p, q),
        jensen_shannon=jensen_shannon(p, q),
        chi_square=chi_square(before, now),
        total_variation=total_variation(p, q),
        l_infinity=l_infinity(p, q),
        appeared=tuple(label for label in current if label not in baseline) if complete else (),
        vanished=tuple(label for label in baseline if label not in current) if complete else (),
    )


def decile_edges(quantiles: Sequence[float]) -> tuple[float, ...]:
    """The distinct inner deciles of a sample. Where values repeat so often that deciles coincide, a bin for what lies
    below the first is added: without it a fall of a nearly constant column would stay in its own bin."""
    inner = [quantile_at(quantiles, rank / _BINS) for rank in range(1, _BINS)]
    edges = tuple(sorted(set(inner)))
    return edges if len(edges) == len(inner) else (math.nextafter(edges[0], -math.inf), *edges)


def quantile_at(quantiles: Sequence[float], rank: float) -> float:
    """The value at `rank` (0 to 1), between the two nearest quantiles."""
    place = rank * (len(quantiles) - 1)
    low = min(int(place), len(quantiles) - 1)
    high = min(low + 1, len(quantiles) - 1)
    return quantiles[low] + (quantiles[high] - quantiles[low]) * (place - low)


def share_up_to(quantiles: Sequence[float], value: float) -> float:
    """The cumulative distribution function that the quantiles stand for: the share of values <= `value`."""
    after = bisect_right(quantiles, value)
    steps = len(quantiles) - 1
    if after == 0:
        return 0.0
    if after > steps:
        return 1.0
    low, high = quantiles[after - 1], quantiles[after]
    return (after - 1 + (value - low) / (high - low)) / steps


def share_below(quantiles: Sequence[float], value: float) -> float:
    """The share of values < `value`: the limit of `share_up_to` from the left."""
    before = bisect_left(quantiles, value)
    if before == 0:
        return 0.0
    if before == len(quantiles):
        return 1.0
    low, high = quantiles[before - 1], quantiles[before]
    return (before - 1 + (value - low) / (high - low)) / (len(quantiles) - 1)


def bin_shares(quantiles: Sequence[float], edges: Sequence[float]) -> tuple[float, ...]:
    """The shares of values up to the first edge, between edges, and above the last; they add up to 1."""
    reached = [0.0, *(share_up_to(quantiles, edge) for edge in edges), 1.0]
    return tuple(high - low for low, high in pairwise(reached))


def population_stability_index(p: Sequence[float], q: Sequence[float]) -> float:
    """Sum of (q - p) ln(q / p) over the bins, no share taken as less than `FLOOR`."""
    pairs = ((max(a, FLOOR), max(b, FLOOR)) for a, b in zip(p, q, strict=True))
    return math.fsum((b - a) * math.log(b / a) for a, b in pairs)


def jensen_shannon(p: Sequence[float], q: Sequence[float]) -> float:
    """The Jensen-Shannon distance, the square root of the divergence, to base 2: 0 for equal shares, 1 for disjoint
    ones (Endres and Schindelin, 2003)."""

    def divergence(shares: Sequence[float]) -> float:
        return math.fsum(
            share * math.log2(2 * share / (a + b)) for share, a, b in zip(shares, p, q, strict=True) if share > 0
        )

    return math.sqrt(min(max((divergence(p) + divergence(q)) / 2, 0.0), 1.0))


def total_variation(p: Sequence[float], q: Sequence[float]) -> float:
    """Half the sum of |p - q|."""
    return math.fsum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2


def l_infinity(p: Sequence[float], q: Sequence[float]) -> float:
    """The largest |p - q|."""
    return max((abs(a - b) for a, b in zip(p, q, strict=True)), default=0.0)


def chi_square(baseline: Sequence[float], current: Sequence[float]) -> float:
    """Pearson's statistic of the table of two samples' counts, for the hypothesis that both have the same shares.
    It grows with the samples; compare it between samples of the same size only."""
    total = math.fsum(baseline) + math.fsum(current)
    statistic = 0.0
    for counts in (baseline, current):
        size = math.fsum(counts)
        for count, a, b in zip(counts, baseline, current, strict=True):
            expected = size * (a + b) / total if total else 0.0
            statistic += (count - expected) ** 2 / expected if expected else 0.0
    return statistic


def kolmogorov_smirnov(baseline: Sequence[float], current: Sequence[float]) -> float:
    """The largest distance between the two cumulative distribution functions, on both sides of every step."""
    points = {*baseline, *current}
    return max(
        max(abs(share(baseline, point) - share(current, point)) for point in points)
        for share in (share_up_to, share_below)
    )


def wasserstein(baseline: Sequence[float], current: Sequence[float]) -> float:
    """The mean of |Qp - Qq| over all ranks, in the column's unit: how far a value moved on average."""
    apart = [abs(a - b) for a, b in zip(baseline, current, strict=True)]
    if len(apart) < 2:
        return math.fsum(apart)
    return math.fsum((a + b) / 2 for a, b in pairwise(apart)) / (len(apart) - 1)


def _shares(counts: Sequence[float]) -> tuple[float, ...]:
    total = math.fsum(counts)
    return tuple(count / total if total else 0.0 for count in counts)
