"""A number with its 95 % interval, from draws of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
LEVELS = (0.025, 0.975)


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def interval(value: float, draws: ArrayLike) -> Estimate:
    """The number with the percentiles of its draws; NaN where no draw is a number.

    Args:
        value: What the whole sample gives.
        draws: What resamples give, shape (R,); NaN for those that do not define it.
    """
    known = np.asarray(draws, dtype=np.float64)
    known = known[np.isfinite(known)]
    low, high = np.quantile(known, LEVELS) if len(known) else (np.nan, np.nan)
    return Estimate(value, float(low), float(high))


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], Array], n_objects: int, n: int, seed: int = 0
) -> list[Estimate]:
    """Several numbers of a sample with bootstrap intervals (Efron & Tibshirani 1993, chapter 13).

    Args:
        statistic: The numbers, shape (K,), of the objects with these indices.
        n_objects: Size of the sample.
        n: Number of resamples.
        seed: Seed of the resamples.
    """
    rng = np.random.default_rng(seed)
    values = np.asarray(statistic(np.arange(n_objects)))
    draws = np.array([statistic(rng.integers(n_objects, size=n_objects)) for _ in range(n)])
    columns = draws.reshape(n, len(values)).T
    return [interval(float(v), column) for v, column in zip(values, columns, strict=True)]
