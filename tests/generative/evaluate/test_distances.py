"""Distances against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sntorch.generative.evaluate.distances import (
    bootstrap_intervals,
    ks_distance,
    wasserstein_distance,
)

numbers = st.lists(st.integers(-20, 20).map(float), min_size=3, max_size=40).map(np.array)


@settings(max_examples=60, deadline=None)
@given(numbers, numbers)
def test_equal_to_scipy_also_with_ties(x, y):
    assert ks_distance(x, y) == pytest.approx(stats.ks_2samp(x, y, method="asymp")[0])
    assert wasserstein_distance(x, y) == pytest.approx(stats.wasserstein_distance(x, y))


def test_nan_is_left_out_and_empty_is_nan():
    assert ks_distance(np.array([1.0, np.nan]), np.array([1.0])) == 0
    assert np.isnan(ks_distance(np.array([np.nan]), np.array([1.0])))
    assert np.isnan(wasserstein_distance(np.array([]), np.array([1.0])))


def test_interval_covers_the_truth():
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, 400), rng.normal(0.5, 1, 400)
    intervals = bootstrap_intervals(x, y, seed=1)
    assert intervals["w1"][0] < 0.5 < intervals["w1"][1]
    assert (
        intervals["ks"][0]
        < stats.norm.cdf(0.25) - stats.norm.cdf(-0.25) + 0.02
        < intervals["ks"][1]
    )
    assert intervals == bootstrap_intervals(x, y, seed=1)


def test_interval_is_the_usual_bootstrap_mirrored_at_the_distance():
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, 300), rng.normal(1, 1, 300)
    usual = [ks_distance(rng.choice(x, 300), rng.choice(y, 300)) for _ in range(300)]
    low, high = bootstrap_intervals(x, y, seed=1, n_resamples=300)["ks"]
    twice = 2 * ks_distance(x, y)
    assert low == pytest.approx(twice - np.quantile(usual, 0.975), abs=0.02)
    assert high == pytest.approx(twice - np.quantile(usual, 0.025), abs=0.02)


@pytest.mark.parametrize("shift", [0.0, 0.125, 0.3])
def test_intervals_of_large_samples_contain_known_distances(shift):
    """By percentiles none of 10 intervals would contain a distance of zero."""
    truth = {"ks": 2 * stats.norm.cdf(shift / 2) - 1, "w1": shift}
    inside = {"ks": 0, "w1": 0}
    for seed in range(10):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(0, 1, 1000), rng.normal(shift, 1, 1500)
        for name, (low, high) in bootstrap_intervals(x, y, seed).items():
            inside[name] += low <= truth[name] <= high
    assert min(inside.values()) >= 7


def test_ends_are_possible_distances():
    x = np.arange(50.0)
    same, apart = bootstrap_intervals(x, x, 0), bootstrap_intervals(x, x + 100, 0)
    assert same == {"ks": (0.0, 0.0), "w1": (0.0, 0.0)}
    assert apart["ks"] == pytest.approx((1.0, 1.0))
    assert max(apart["ks"]) <= 1
    assert apart["w1"][0] < 100 < apart["w1"][1]
