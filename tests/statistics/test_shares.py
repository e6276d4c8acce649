"""Shares with their intervals, and what is kept in bins of two quantities."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from sntorch.errors import ConfigError
from sntorch.statistics.shares import bin_edges, binned_shares, share, wilson


@pytest.mark.parametrize(("count", "n"), [(0, 7), (3, 7), (7, 7), (180, 1000)])
def test_intervals_are_scipys(count, n):
    interval = binomtest(count, n).proportion_ci(0.95, "wilson")
    found = share(count, n)
    assert (found.value, found.low) == pytest.approx((count / n, interval.low), abs=1e-12)
    assert found.high == pytest.approx(interval.high, abs=1e-12)


def test_nothing_is_known_of_none():
    low, high = wilson([0, 1], [0, 2])
    assert np.isnan([low[0], high[0]]).all()
    assert 0 < low[1] < 0.5 < high[1] < 1


def probit_injections(m=60_000):
    """Kept with probability Φ((limit(x) - y) / 0.3), limit(x) = 22 + x."""
    rng = np.random.default_rng(4)
    x, y = rng.random(m), rng.uniform(21, 24, m)
    probability = norm.cdf((22 + x - y) / 0.3)
    return x, y, probability, rng.random(m) < probability


def test_counts_are_binomial_about_a_known_efficiency():
    x, y, probability, kept = probit_injections()
    edges = np.linspace(0, 1, 9), np.linspace(21, 24, 13)
    counted = binned_shares(x, y, kept, *edges)
    expected = binned_shares(x, y, probability, *edges)
    assert counted.share.shape == (8, 12)
    assert counted.n.sum() == len(x)
    assert counted.kept.sum() == kept.sum()
    off = (counted.share - expected.share) / counted.error
    assert np.abs(off).max() < 4
    uncertain = np.abs(expected.share - 0.5) < 0.4
    assert 0.7 < np.sqrt(np.mean(off[uncertain] ** 2)) < 1.3
    # Bright ones are kept, in the first column of y, and faint ones are not.
    assert counted.share[:, 0].min() > 0.98
    assert counted.share[:, -1].max() < 0.02


def test_empty_bins_are_no_number_and_outliers_are_left_out():
    found = binned_shares([0.5, 0.5, 9.0], [0.5, 0.6, 0.5], [1, 0, 1], [0, 1, 2], [0, 1])
    assert found.n.tolist() == [[2], [0]]
    assert found.share[0, 0] == 0.5
    assert np.isnan(found.share[1, 0])
    assert np.isnan(found.error[1, 0])


def test_a_function_on_a_grid_is_its_own_share():
    x, y = np.meshgrid([0.5, 1.5], [0.5, 1.5, 2.5], indexing="ij")
    found = binned_shares(x.ravel(), y.ravel(), (x * y / 4).ravel(), [0, 1, 2], [0, 1, 2, 3])
    np.testing.assert_allclose(found.share, x * y / 4)


def test_edges_hold_all_but_the_outermost():
    values = np.append(np.arange(1000.0), [np.nan, np.inf])
    edges = bin_edges(values, 5)
    assert len(edges) == 6
    assert edges[[0, -1]] == pytest.approx([5, 994], abs=0.1)
    assert bin_edges([2.0, 2.0], 5).tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("kept", "message"),
    [([1.0], r"found \(2,\), \(2,\) and \(1,\)"), ([0.5, 1.5], "probabilities in")],
)
def test_what_cannot_be_counted_is_refused(kept, message):
    with pytest.raises(ConfigError, match=message):
        binned_shares([0, 1], [0, 1], kept, [0, 1], [0, 1])


@pytest.mark.parametrize("value", [0.0, 0.05, -19.3, 59_000.0, 3e12])
def test_values_that_are_all_the_same_lie_in_the_middle_of_one_bin(value):
    edges = bin_edges([value, np.nan, value, np.inf], 5)
    assert edges.shape == (2,)
    assert edges[0] < value < edges[1]
    found = binned_shares([value] * 4, [0.0, 1.0, 0.0, 1.0], [1, 0, 1, 1], edges, [0, 0.5, 1])
    assert found.n.sum() == 4


def test_values_that_differ_by_rounding_only_are_the_same():
    edges = bin_edges(59_000 + np.array([0.0, 1e-11, 2e-11]), 20)
    assert edges.tolist() == pytest.approx([58_999.5, 59_000.5])


def test_there_are_no_bins_of_nothing():
    with pytest.raises(ConfigError, match="none of 2 values is a finite number"):
        bin_edges([np.nan, np.inf], 3)
