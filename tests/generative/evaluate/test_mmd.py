"""Maximum mean discrepancy against its closed form, signatures against those of lines."""

from __future__ import annotations

import numpy as np
import pytest
from toys import population

from sntorch.generative.evaluate.mmd import median_distance, mmd, radial_kernel
from sntorch.generative.evaluate.signatures import LightCurveSignatures, signature


def between(x, y, seed=0, width=1.0, n_permutations=200):
    both = np.concatenate([x, y])
    return mmd(radial_kernel(both, both, width), len(x), seed, n_permutations)


def closed_form(shift: float, width: float, d: int) -> float:
    """MMD² of N(0, 1) and N(shift, 1) in d dimensions, shifted in each."""
    same = (width**2 / (width**2 + 2)) ** (d / 2)
    return 2 * same * (1 - np.exp(-(shift**2) * d / (2 * (width**2 + 2))))


@pytest.mark.parametrize(("shift", "width"), [(1.0, 1.0), (0.5, 2.0)])
def test_gaussians(shift, width):
    rng = np.random.default_rng(0)
    values = [
        between(rng.normal(size=(200, 2)), rng.normal(shift, 1, (150, 2)), 0, width, 1)["mmd2"]
        for _ in range(40)
    ]
    error = np.std(values) / np.sqrt(40)
    assert np.mean(values) == pytest.approx(closed_form(shift, width, 2), abs=3 * error)


def test_no_bias_and_honest_p_values_under_the_null_hypothesis():
    rng = np.random.default_rng(1)
    scores = [between(rng.normal(size=(30, 2)), rng.normal(size=(40, 2)), k) for k in range(100)]
    values, p = (np.array([s[name] for s in scores]) for name in ("mmd2", "p_value"))
    assert abs(values.mean()) < 3 * values.std() / 10
    assert np.mean(p < 0.1) == pytest.approx(0.1, abs=0.09)
    assert p.mean() == pytest.approx(0.5, abs=0.1)


def test_equal_to_the_double_sum():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(5, 2)), rng.normal(size=(7, 2))
    k = radial_kernel
    xx, yy = (k(z, z, 1.0).sum() - len(z) for z in (x, y))
    expected = xx / (5 * 4) + yy / (7 * 6) - 2 * k(x, y, 1.0).mean()
    assert between(x, y)["mmd2"] == pytest.approx(expected)


def test_a_difference_has_the_smallest_p_value():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(60, 2)), rng.normal(1, 1, (60, 2))
    assert between(x, y)["p_value"] == pytest.approx(1 / 201)


def test_median_distance():
    assert median_distance(np.array([[0.0], [1.0], [3.0]])) == 2
    assert median_distance(np.zeros((3, 2))) == 1


def test_signature_of_a_line_in_pieces():
    step = np.array([2.0, -1.0])
    path = np.array([0.0, 0.3, 0.3, 0.9, 1.0])[:, None] * step
    one, two, three = (level[0] for level in signature(path[None]))
    assert one == pytest.approx(step)
    assert two == pytest.approx(np.outer(step, step).ravel() / 2)
    assert three == pytest.approx(np.einsum("i,j,k", step, step, step).ravel() / 6)


def test_signature_of_a_corner():
    """First along x, then along y: S(xy) = 1, S(yx) = 0, S(xxy) = 1/2, S(xyy) = 1/2."""
    _, two, three = signature(np.array([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]]))
    assert two.reshape(2, 2) == pytest.approx(np.array([[0.5, 1.0], [0.0, 0.5]]))
    words = three.reshape(2, 2, 2)
    assert (words[0, 0, 1], words[0, 1, 1], words[1, 0, 0]) == pytest.approx((0.5, 0.5, 0.0))


def test_shuffle_identity_of_a_light_curve():
    """Products of level 1 are sums of level 2, for every path."""
    path = np.random.default_rng(0).normal(size=(6, 9, 2)).cumsum(1)
    one, two, _ = signature(path)
    square = two.reshape(6, 2, 2)
    assert one[:, :, None] * one[:, None] == pytest.approx(square + square.transpose(0, 2, 1))


def test_signatures_of_light_curves_know_brightness_time_and_missing_bands():
    batch = population(40, 0, missing=True)
    signatures = LightCurveSignatures(batch)
    before = signatures(batch)
    assert before.shape == (40, 3 * (1 + 2 + 4 + 8))
    assert not before[0, 30:].any()
    brighter = population(40, 0, missing=True)
    brighter.flux, brighter.flux_err = 2 * brighter.flux, 2 * brighter.flux_err
    later = population(40, 0, missing=True)
    later.time = later.time + 5
    for changed in (brighter, later):
        assert np.abs(signatures(changed) - before)[1].max() > 0.05


def test_signature_kernel_separates_populations():
    real, other, bright = population(80, 1), population(80, 2), population(80, 3)
    bright.flux, bright.flux_err = 2 * bright.flux, 2 * bright.flux_err
    signatures = LightCurveSignatures(population(60, 4))
    scores = []
    for ours in (other, bright):
        x = np.concatenate([signatures(ours), signatures(real)])
        scores.append(mmd(x @ x.T, 80, 0, 200))
    assert scores[0]["p_value"] > 0.02
    assert scores[1]["p_value"] == pytest.approx(1 / 201)
