"""Measures of drift against scipy on random samples, and what they do at the edges."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from lakehouse.quality import drift

RANKS = 100
SEEDS = range(8)


def quantiles(values: np.ndarray) -> list[float]:
    """A sample at evenly spaced ranks, each one of its own values."""
    return [float(value) for value in np.quantile(values, np.linspace(0, 1, RANKS + 1), method="inverted_cdf")]


def samples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    print(f"seed {seed}")
    shift, scale = generator.uniform(-0.6, 0.6), generator.uniform(0.7, 1.5)
    return generator.normal(3, 2, 40_000), generator.normal(3 + shift, 2 * scale, 30_000)


def shares(seed: int) -> tuple[list[int], list[int]]:
    choose = random.Random(seed)
    print(f"seed {seed}")
    bins = choose.randint(2, 12)
    return [choose.randint(1, 500) for _ in range(bins)], [choose.randint(1, 500) for _ in range(bins)]


@pytest.mark.parametrize("seed", SEEDS)
def test_of_counts_as_scipy(seed: int) -> None:
    before, now = shares(seed)
    p, q = [n / sum(before) for n in before], [n / sum(now) for n in now]
    assert drift.jensen_shannon(p, q) == pytest.approx(distance.jensenshannon(p, q, base=2), abs=1e-12)
    expected = stats.chi2_contingency([before, now], correction=False).statistic
    assert drift.chi_square(before, now) == pytest.approx(expected)
    assert drift.total_variation(p, q) == pytest.approx(distance.cityblock(p, q) / 2)
    assert drift.l_infinity(p, q) == pytest.approx(distance.chebyshev(p, q))
    symmetric = stats.entropy(p, q) + stats.entropy(q, p)  # the index is Jeffreys' divergence where no bin is empty
    assert drift.population_stability_index(p, q) == pytest.approx(symmetric)


@pytest.mark.parametrize("seed", SEEDS)
def test_of_quantiles_as_scipy_on_the_samples(seed: int) -> None:
    before, now = samples(seed)
    found = drift.numeric_drift(
        "x", quantiles(before), quantiles(now), sizes=(len(before), len(now)), deviation=float(before.std())
    )
    assert found.kolmogorov_smirnov == pytest.approx(stats.ks_2samp(before, now).statistic, abs=0.005)
    moved = stats.wasserstein_distance(before, now) / before.std()
    # The outermost quantiles are single values, so the tails weigh a little more than they should.
    assert found.wasserstein == pytest.approx(moved, abs=0.015)
    edges = np.quantile(before, np.arange(1, 10) / 10)
    p, q = (np.bincount(np.searchsorted(edges, values), minlength=10) / len(values) for values in (before, now))
    assert found.edges == pytest.approx(edges, abs=1e-3)
    assert found.current == pytest.approx(q, abs=0.004)
    assert found.population_stability_index == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), abs=0.01)
    assert found.jensen_shannon == pytest.approx(distance.jensenshannon(p, q, base=2), abs=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_of_whole_numbers_that_repeat(seed: int) -> None:
    generator = np.random.default_rng(seed)
    print(f"seed {seed}")
    before, now = generator.poisson(1.5, 20_000).astype(float), generator.poisson(2.5, 20_000).astype(float)
    found = drift.numeric_drift(
        "x", quantiles(before), quantiles(now), sizes=(20_000, 20_000), deviation=float(before.std())
    )
    assert found.kolmogorov_smirnov == pytest.approx(stats.ks_2samp(before, now).statistic, abs=0.011)
    assert len(found.edges) < 10
    assert math.fsum(found.baseline) == pytest.approx(1)
    assert math.fsum(found.current) == pytest.approx(1)


def test_a_sample_has_not_drifted_from_itself() -> None:
    values = quantiles(samples(1)[0])
    found = drift.numeric_drift("x", values, values, sizes=(100, 100), deviation=2.0)
    measures = (
        found.population_stability_index,
        found.kolmogorov_smirnov,
        found.jensen_shannon,
        found.wasserstein,
        found.chi_square,
        found.total_variation,
        found.l_infinity,
    )
    assert measures == pytest.approx((0.0,) * 7, abs=1e-12)
    assert found.band == "stable"


@pytest.mark.parametrize("new", [3.0, 7.0])
def test_a_constant_that_became_another(new: float) -> None:
    found = drift.numeric_drift("x", [5.0] * 101, [new] * 101, sizes=(10, 10), deviation=0.0)
    assert (found.kolmogorov_smirnov, found.total_variation, found.jensen_shannon) == (1.0, 1.0, 1.0)
    assert found.wasserstein is None, "there is no deviation to measure by"
    assert found.band == "large"


def test_a_constant_that_stayed() -> None:
    found = drift.numeric_drift("x", [5.0] * 101, [5.0] * 101, sizes=(10, 10), deviation=0.0)
    assert (found.kolmogorov_smirnov, found.wasserstein, found.population_stability_index) == (0.0, 0.0, 0.0)


def test_an_empty_sample_has_no_drift() -> None:
    for before, now in (([], [1.0]), ([1.0], [])):
        found = drift.numeric_drift("x", before, now, sizes=(0, 1), deviation=None)
        assert (found.kolmogorov_smirnov, found.band) == (None, "unknown")
    assert drift.category_drift("x", {}, {"a": 1}, sizes=(0, 1)).total_variation is None


def test_categories_that_appear_and_vanish() -> None:
    found = drift.category_drift("x", {"a": 60, "b": 40}, {"a": 50, "c": 50}, sizes=(100, 100))
    assert (found.appeared, found.vanished) == (("c",), ("b",))
    assert found.labels == ("a", "b", "c")
    assert (found.total_variation, found.l_infinity) == pytest.approx((0.5, 0.5))
    assert found.population_stability_index is not None
    assert found.population_stability_index > 0.25
    assert found.kolmogorov_smirnov is None


def test_rare_categories_are_one() -> None:
    found = drift.category_drift("x", {"a": 60}, {"b": 90}, sizes=(100, 100))
    assert found.baseline == pytest.approx((0.6, 0.4))
    assert found.current == pytest.approx((0.0, 1.0)), "a is not among the frequent ones any more"
    assert (found.appeared, found.vanished) == ((), ()), "b may have been there before, among the rare ones"


def test_the_cumulative_function_at_a_step() -> None:
    values = [0.0, 0.0, 0.0, 1.0, 1.0]
    assert drift.share_below(values, 0.0) == 0.0
    assert drift.share_up_to(values, 0.0) == 0.5
    assert drift.share_below(values, 1.0) == 0.75
    assert drift.share_up_to(values, 1.0) == 1.0
    assert [drift.share_up_to(values, value) for value in (-1.0, 2.0)] == [0.0, 1.0]


def test_bins_stay_those_of_the_baseline() -> None:
    before = [float(n) for n in range(101)]
    for now in ([n * 2 for n in before], [n - 50 for n in before]):
        found = drift.numeric_drift("x", before, now, sizes=(1000, 1000), deviation=29.0)
        assert found.edges == tuple(float(n) for n in range(10, 100, 10))
        assert found.baseline == pytest.approx((0.1,) * 10)
