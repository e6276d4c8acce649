"""Precision, recall, density and coverage against their definitions, object by object."""

from __future__ import annotations

import numpy as np
import pytest

from sntorch.generative.evaluate.prdc import prdc, prdc_scores


def by_definition(x, y, k):
    """Every ball and every object in a loop of its own; x generated, y real."""

    def distance(a, b):
        return float(np.sqrt(((a - b) ** 2).sum()))

    def radius(points, i):
        others = [distance(points[i], p) for j, p in enumerate(points) if j != i]
        return sorted(others)[k - 1]

    real, ours = ([radius(points, i) for i in range(len(points))] for points in (y, x))
    inside = [[distance(a, b) <= r for b, r in zip(y, real, strict=True)] for a in x]
    reached = [[distance(a, b) <= r for a, r in zip(x, ours, strict=True)] for b in y]
    return {
        "precision": np.mean([any(row) for row in inside]),
        "density": np.sum(inside) / (k * len(x)),
        "recall": np.mean([any(row) for row in reached]),
        "coverage": np.mean([any(row[i] for row in inside) for i in range(len(y))]),
    }


def gaussian(n, seed, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (n, 3))


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_equal_to_the_definition(k, shift):
    x, y = gaussian(40, 0, shift), gaussian(30, 1)
    found = {name: values.mean() for name, values in vars(prdc(x, y, k)).items()}
    assert found == pytest.approx(by_definition(x, y, k))


def test_identical_samples():
    x = gaussian(60, 0)
    scores = prdc_scores(x, x, 0, 50)
    assert scores["precision"] == scores["recall"] == scores["coverage"] == 1
    # Each ball holds its centre and k neighbours.
    assert scores["density"] == pytest.approx(6 / 5)


def test_disjoint_samples():
    scores = prdc_scores(gaussian(60, 0), gaussian(60, 1, shift=1e3), 0, 50)
    assert [scores[k] for k in ("precision", "recall", "density", "coverage")] == [0, 0, 0, 0]


def test_two_real_samples_have_the_expected_coverage_and_density():
    scores = prdc_scores(gaussian(1500, 0), gaussian(1500, 1), 0, 50)
    assert scores["coverage"] == pytest.approx(1 - 2**-5, abs=0.015)
    assert scores["density"] == pytest.approx(1, abs=0.06)


def test_a_narrow_sample_is_precise_and_covers_little():
    scores = prdc_scores(0.1 * gaussian(300, 0), gaussian(300, 1), 0, 50)
    assert scores["precision"] > 0.95
    assert scores["recall"] < 0.1
    assert scores["coverage"] < 0.4


def test_intervals_hold_the_score_and_have_the_width_of_a_share():
    scores = prdc_scores(gaussian(400, 0, 0.7), gaussian(400, 1), 0, 400)
    share = scores["precision"]
    low, high = scores["precision_interval"]
    assert low < share < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(share * (1 - share) / 400), rel=0.25)


def test_recall_of_a_small_real_sample_is_high_if_it_is_not_repeated():
    small, real = gaussian(100, 0), gaussian(600, 1)
    assert prdc(small, real).recall.mean() > 0.8
    assert prdc(np.repeat(small, 6, axis=0), real).recall.mean() < 0.1


@pytest.mark.parametrize("n", [2, 3, 5, 6])
def test_fewer_objects_than_neighbours_have_scores(n):
    scores = prdc_scores(gaussian(n, 0), gaussian(200, 1), 0, 20)
    assert all(np.isfinite(value).all() for value in scores.values())


def test_samples_of_two_objects_have_scores():
    assert all(np.isfinite(v.mean()) for v in vars(prdc(gaussian(2, 0), gaussian(2, 1))).values())
