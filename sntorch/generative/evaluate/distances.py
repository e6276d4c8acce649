"""Distances between two samples of one number, and how sure they are.

Entries that are NaN are left out of either sample; a distance to an empty sample is NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def ks_distance(x: Array, y: Array) -> float:
    """Kolmogorov-Smirnov distance: the largest difference of the two distribution functions."""
    x, y = _finite(x), _finite(y)
    if not (len(x) and len(y)):
        return float("nan")
    everything = np.concatenate([x, y])
    below_x = np.searchsorted(x, everything, side="right") / len(x)
    below_y = np.searchsorted(y, everything, side="right") / len(y)
    return float(np.abs(below_x - below_y).max())


def wasserstein_distance(x: Array, y: Array) -> float:
    """First Wasserstein distance: area between the distribution functions, in units of x."""
    x, y = _finite(x), _finite(y)
    if not (len(x) and len(y)):
        return float("nan")
    everything = np.sort(np.concatenate([x, y]))
    below_x = np.searchsorted(x, everything[:-1], side="right") / len(x)
    below_y = np.searchsorted(y, everything[:-1], side="right") / len(y)
    return float((np.abs(below_x - below_y) * np.diff(everything)).sum())


def bootstrap_intervals(
    x: Array, y: Array, seed: int, n_resamples: int = 200, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of both distances when the objects of both samples are drawn again.

    A distance is never negative, so resampling moves it upwards; the interval says how it
    scatters. Every object is drawn a Poisson number of times (mean one), which equals the usual
    bootstrap for large samples (Hanley & MacGibbon 2006) and needs no sorting.

    Returns:
        ``ks`` and ``w1``, each with its lower and upper end; NaN for empty samples.
    """
    x, y = _finite(x), _finite(y)
    if not (len(x) and len(y)):
        unknown = (float("nan"), float("nan"))
        return {"ks": unknown, "w1": unknown}
    everything = np.concatenate([x, y])
    order = np.argsort(everything, kind="stable")
    gaps = np.diff(everything[order])
    rng = np.random.default_rng(seed)
    ks, w1 = np.empty(n_resamples), np.empty(n_resamples)
    for i in range(n_resamples):
        steps = np.concatenate([_shares(rng, len(x)), -_shares(rng, len(y))])
        apart = np.abs(steps[order].cumsum()[:-1])
        # Between equal values the distribution functions have not both stepped yet.
        ks[i], w1[i] = (apart[gaps > 0].max(initial=0.0), (apart * gaps).sum())
    ends = [(1 - level) / 2, (1 + level) / 2]
    return {name: _pair(np.quantile(v, ends)) for name, v in (("ks", ks), ("w1", w1))}


def mean_interval(
    values: Array, seed: int, n_resamples: int = 200, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of a mean when the N objects of ``values`` (N,) are drawn again."""
    n = len(values)
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), n_resamples)
    return _pair(np.quantile(times @ values / n, [(1 - level) / 2, (1 + level) / 2]))


def _pair(ends: Array) -> tuple[float, float]:
    return float(ends[0]), float(ends[1])


def _shares(rng: np.random.Generator, n: int) -> Array:
    """Weight of each of n objects in a resample; they add up to one."""
    times = rng.poisson(1.0, n)
    while not times.any():
        times = rng.poisson(1.0, n)
    return times / times.sum()


def _finite(values: Array) -> Array:
    values = np.asarray(values, dtype=np.float64)
    return np.sort(values[np.isfinite(values)])
