"""The embedding keeps apart what is apart, and is the same for the same seed."""

from __future__ import annotations

import numpy as np

from sntorch.generative.evaluate.embedding import embed


def features(n, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    return {k: rng.normal(shift, 1, n) for k in "abc"}


def test_far_samples_stay_apart_and_the_seed_decides():
    parts = features(60, 0), features(50, 1, shift=8.0)
    plane = embed(*parts, seed=1)
    assert plane is not None
    first, second = plane
    assert (first.shape, second.shape) == ((60, 2), (50, 2))
    between = np.linalg.norm(first.mean(0) - second.mean(0))
    assert between > first.std(0).max() + second.std(0).max()
    again = embed(*parts, seed=1)
    assert again is not None
    assert np.array_equal(first, again[0])


def test_at_most_so_many_and_at_least_ten():
    plane = embed(features(60, 0), features(50, 1), most=20)
    assert plane is not None
    assert [len(p) for p in plane] == [20, 20]
    assert embed(features(4, 0), features(5, 1)) is None
