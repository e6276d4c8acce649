"""Intervals of paired differences against what theory says of them."""

from __future__ import annotations

import numpy as np
import pytest

from sntorch.statistics.paired import difference, gap_closed, mean, of_means


def test_intervals_of_a_mean_are_those_of_the_normal_law():
    x = np.random.default_rng(0).normal(3, 2, 400)
    found = mean(x)
    half = 1.96 * x.std() / np.sqrt(len(x))
    assert found.value == pytest.approx(x.mean())
    assert found.high - found.value == pytest.approx(half, rel=0.05)
    assert found.value - found.low == pytest.approx(half, rel=0.05)


def test_what_two_arms_share_cancels():
    rng = np.random.default_rng(1)
    shared, own, other = rng.normal(0, 10, 50), rng.normal(0.5, 0.1, 50), rng.normal(0, 0.1, 50)
    found = difference(shared + own, shared + other)
    half = 1.96 * (own - other).std() / np.sqrt(50)
    assert found.value == pytest.approx((own - other).mean())
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.05)


def test_intervals_cover_the_truth_as_often_as_theory_says():
    """For ten numbers the percentiles of a bootstrap are 1.22 times too narrow: 90 % in place of 95 %."""
    rng = np.random.default_rng(2)
    inside = 0
    for seed in range(400):
        found = of_means(lambda a: a, rng.normal(size=10), seed=seed, n=500)
        inside += found.low <= 0 <= found.high
    # P(|t| < 1.96 sqrt(10 / 9)^-1) of a t distribution with 9 degrees of freedom is 0.906.
    assert inside / 400 == pytest.approx(0.906, abs=0.05)


def test_the_gap_is_closed_by_its_share():
    rng = np.random.default_rng(3)
    none, oracle = rng.normal(0.6, 0.1, 10), rng.normal(0.9, 0.1, 10)
    found = gap_closed(none + 0.4 * (oracle - none), none, oracle)
    assert (found.value, found.low, found.high) == pytest.approx((0.4, 0.4, 0.4))
    assert gap_closed(oracle, none, oracle).value == 1
    assert gap_closed(none, none, oracle).value == 0


def test_a_seed_gives_the_same_interval():
    x = np.random.default_rng(4).normal(size=10)
    assert of_means(lambda a: a, x, seed=1) == of_means(lambda a: a, x, seed=1)
    assert of_means(lambda a: a, x, seed=1) != of_means(lambda a: a, x, seed=2)
    assert str(mean([0.5, 0.5])) == "0.500 [0.500, 0.500]"
