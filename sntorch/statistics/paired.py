"""Means over repetitions of an experiment, their differences and ratios, with intervals.

All arms of a repetition share its objects and seeds, so that what they have in common cancels in
the difference. Intervals are percentiles of a bootstrap over repetitions (Efron & Tibshirani
1993, chapter 13); for few repetitions they are a little too narrow: a mean of R normal numbers
needs a factor t(R - 1) sqrt(R / (R - 1)) / 1.96, which is 1.22 for ten.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from sntorch.statistics.estimate import Array, Estimate, interval

N_RESAMPLES = 10_000


def of_means(
    statistic: Callable[..., Array], *columns: ArrayLike, seed: int = 0, n: int = N_RESAMPLES
) -> Estimate:
    """A function of the means of columns whose rows belong together.

    Args:
        statistic: Takes the mean of each column, element by element.
        *columns: Scores, shape (R,) each, a repetition a row.
        seed: Seed of the bootstrap.
        n: Number of resamples.
    """
    values = np.stack([np.asarray(c, dtype=np.float64) for c in columns])
    repetitions = values.shape[1]
    index = np.random.default_rng(seed).integers(repetitions, size=(n, repetitions))
    draws = statistic(*values[:, index].mean(-1))
    return interval(float(statistic(*values.mean(-1))), draws)


def mean(scores: ArrayLike) -> Estimate:
    """The mean of scores (R,)."""
    return of_means(lambda a: a, scores)


def difference(scores: ArrayLike, reference: ArrayLike) -> Estimate:
    """The mean of paired differences of scores (R,)."""
    return of_means(np.subtract, scores, reference)


def gap_closed(scores: ArrayLike, none: ArrayLike, oracle: ArrayLike) -> Estimate:
    """The share of the way from nothing added to real objects added that an arm goes.

    Args:
        scores: Of the arm, shape (R,).
        none: With nothing added, shape (R,).
        oracle: With as many fresh real objects added, shape (R,).
    """
    return of_means(lambda a, n, o: (a - n) / (o - n), scores, none, oracle)
