"""Population plot, numbers of observations and errors: known differences are found in size."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from toys import population

from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.generative.evaluate.fan import fan_scores
from sntorch.generative.evaluate.lengths import chi_squared, error_scores, length_scores


def constant(n, seed, middle=20.0, scatter=0.5, depth=1.0):
    """Light curves of one magnitude each, with errors limited by the sky."""
    rng = np.random.default_rng(seed)
    curves = []
    for i, mag in enumerate(rng.normal(middle, scatter, n)):
        flux = np.full(8, 10 ** (0.4 * (27.5 - mag)))
        when = np.arange(-10.0, 30.0, 5.0)
        error = depth * np.exp(rng.normal(0, 0.1, 8))
        curves.append(
            LightCurve.from_arrays(f"sn{i}", when, flux, error, ["desg"] * 8, peak_mjd=0.0)
        )
    return LightCurveBatch.from_light_curves(curves)


def test_fan_finds_shift_and_width():
    real = constant(3000, 0)
    same = fan_scores(constant(3000, 1), real)["mean"]
    assert same["median"] < 0.08
    assert same["width"] < 0.08
    shifted = fan_scores(constant(3000, 1, middle=20.25), real)
    assert shifted["mean"]["median"] == pytest.approx(0.5, abs=0.08)
    assert shifted["desg"] == shifted["mean"]
    wide = fan_scores(constant(3000, 1, scatter=1.0), real)["mean"]
    assert wide["width"] == pytest.approx(np.log(2), abs=0.08)


def test_fan_without_common_bins_is_nan():
    few = fan_scores(constant(5, 0), constant(3000, 1))
    assert all(np.isnan(value) for value in few["mean"].values())


def test_chi_squared_is_that_of_a_table():
    rng = np.random.default_rng(0)
    x, y = rng.integers(3, 6, 200), rng.integers(3, 6, 300)
    table = [[np.sum(v == k) for k in (3, 4, 5)] for v in (x, y)]
    expected = stats.chi2_contingency(np.array(table))
    assert chi_squared(x, y)["chi2"] == pytest.approx(expected.statistic / 2)
    assert chi_squared(x, y)["p_value"] == pytest.approx(expected.pvalue)


def test_chi_squared_is_one_for_one_population():
    rng = np.random.default_rng(1)
    scores = [chi_squared(rng.poisson(8, 300), rng.poisson(8, 500)) for _ in range(100)]
    assert np.mean([s["chi2"] for s in scores]) == pytest.approx(1, abs=0.15)
    assert np.mean([s["p_value"] for s in scores]) == pytest.approx(0.5, abs=0.1)


def test_sparse_numbers_share_a_bin_and_one_bin_compares_nothing():
    assert np.isnan(chi_squared(np.full(50, 7), np.full(50, 7))["chi2"])
    assert np.isnan(chi_squared(np.array([1, 2]), np.array([3, 4]))["chi2"])
    lonely = chi_squared(np.array([5] * 30 + [6] * 30 + [99]), np.array([5] * 30 + [6] * 30))
    assert lonely["chi2"] < 0.1


def test_lengths_find_another_number_of_observations():
    real, same, fewer = population(300, 0), population(300, 1), population(300, 2)
    fewer.mask[:, :5] = False
    assert length_scores(same, real)["mean"]["chi2"] < 3
    scores = length_scores(fewer, real)
    assert max(scores[band]["chi2"] for band in real.bands) > 10


def test_upper_limits_are_no_observations():
    real, limited = population(300, 0), population(300, 0)
    limited.upper_limit[:, 3] = True
    assert length_scores(real, real)["mean"]["chi2"] == 0
    assert length_scores(limited, real)["mean"]["chi2"] > 1


def test_errors_do_not_depend_on_magnitude_but_on_depth():
    real = constant(500, 0)
    assert error_scores(constant(500, 1, middle=21.0), real)["mean"] < 0.05
    # 0.1 in ln σ is one standard deviation of the depths.
    deep = error_scores(constant(500, 1, depth=np.exp(-0.1)), real)["desg"]
    assert deep == pytest.approx(2 * stats.norm.cdf(0.5) - 1, abs=0.04)
