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
    """Basic intervals of both distances when the objects of both samples are drawn again.

    A distance is never negative, so the finite sample moves it upwards, and resampling moves it
    upwards once more. The basic (reverse percentile) interval, from 2 d - q_high to 2 d - q_low
    with the quantiles q of the resampled distances, takes that shift back; its ends are kept
    within what a distance can be. For small true distances even d itself may lie above it.

    It is still too short. Measured for normal numbers, 2,000 against 3,000 objects, 150 trials,
    nominal 95 %: a true KS of 0.05 is covered in 89 % (by percentiles in 75 %), one of 0 in 75 %
    (in none), the W1 of the first in 87 % (95 %), of the second in 87 % (in none); 300 against
    300: KS of 0.05 in 89 % (6 %), of 0 in 75 % (none), W1 in 81 % (89 %) and 88 % (none).

    Every object is drawn a Poisson number of times (mean one), which equals the usual bootstrap
    for large samples (Hanley & MacGibbon 2006) and needs no sorting.

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
    return {
        "ks": _basic(ks_distance(x, y), ks, level, largest=1.0),
        "w1": _basic(wasserstein_distance(x, y), w1, level),
    }


def mean_interval(
    values: Array, seed: int, n_resamples: int = 200, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of a mean when the N objects of ``values`` (N,) are drawn again."""
    n = len(values)
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), n_resamples)
    return _pair(np.quantile(times @ values / n, [(1 - level) / 2, (1 + level) / 2]))


def _basic(
    estimate: float, resampled: Array, level: float, largest: float = np.inf
) -> tuple[float, float]:
    """Resampled values mirrored at the estimate, within 0 and the largest possible value."""
    high, low = np.quantile(resampled, [(1 + level) / 2, (1 - level) / 2])
    return _pair(np.clip([2 * estimate - high, 2 * estimate - low], 0.0, largest))


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
