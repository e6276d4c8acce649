"""The augmentation experiment for a class that is too rare for a test sample of its own.

Every rare object is left out once, with a part of the common ones: as many folds as rare objects,
for with ten of them one cannot spare two. What was left out is scored by a classifier that saw
neither it nor anything generated from it. A repetition divides the common objects otherwise and
has other seeds.

Intervals. Repetitions share all objects, so their spread says nothing of which ten supernovae
there happen to be. Here rare objects, common objects and repetitions are all drawn again, each
among themselves, with the trained classifiers held fixed: the interval is of the objects that one
scores on, not of those that one learns from, and is too narrow by the latter. Both arms of a
difference are scored on the same draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sntorch.errors import DataError
from sntorch.generative.evaluate.augmentation import (
    WORD,
    Arm,
    Trial,
    average_precision,
    learned,
)
from sntorch.generative.evaluate.distances import Array
from sntorch.generative.evaluate.samples import Sample
from sntorch.generative.noise import mix
from sntorch.statistics.estimate import Estimate

FEWEST = 2
N_RESAMPLES = 1000

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class LeaveOut:
    """Rare and common objects, of which each is scored by a classifier that did not see it.

    Attributes:
        rare: All rare objects.
        common: All common objects.

    Raises:
        DataError: Fewer than two rare objects, or fewer common than rare ones.
    """

    rare: Sample
    common: Sample

    def __post_init__(self) -> None:
        if not FEWEST <= len(self.rare) <= len(self.common):
            raise DataError(
                f"{len(self.rare)} rare and {len(self.common)} common objects: leaving one out "
                f"needs {FEWEST} rare ones or more, and as many common ones"
            )

    @property
    def truth(self) -> Indices:
        """1 for rare objects, which come last, 0 for common ones, shape (N,)."""
        return np.repeat([0, 1], [len(self.common), len(self.rare)])

    def probabilities(self, arm: Arm, repetition: int, seed: int = 0) -> Array:
        """Probability of the rare class of each object, in the order of ``truth``, shape (N,)."""
        found = np.full(len(self.truth), np.nan)
        for trial, common, rare in self.folds(repetition, seed):
            left_out = [self.common.take(common), self.rare.take(rare)]
            found[np.append(common, len(self.common) + rare)] = learned(arm, trial)(left_out)
        return found

    def folds(self, repetition: int, seed: int = 0) -> Iterator[tuple[Trial, Indices, Indices]]:
        """Objects to learn from, and which common and rare ones are left out."""
        n = len(self.rare)
        order = np.random.default_rng(mix(seed, repetition)).permutation(len(self.common))
        for k, common in enumerate(np.array_split(order, n)):
            own = mix(seed, repetition, k) % WORD
            rest = self.rare.take(np.delete(np.arange(n), k))
            others = self.common.take(np.setdiff1d(order, common))
            nothing = self.rare.take(np.arange(0))
            yield Trial(rest, others, nothing, repetition, own), common, np.array([k])


def precision(truth: Indices, scores: Array, seed: int = 0, n: int = N_RESAMPLES) -> Estimate:
    """Average precision at 3 % rare objects, the mean of repetitions.

    Args:
        truth: 1 for rare objects, 0 for common ones, shape (N,).
        scores: Probabilities of the rare class, shape (R, N), a repetition a row.
        seed: Seed of the bootstrap over objects and repetitions.
        n: Number of resamples.
    """
    return _estimate(truth, scores[:, None], seed, n)


def precision_gain(
    truth: Indices, scores: Array, reference: Array, seed: int = 0, n: int = N_RESAMPLES
) -> Estimate:
    """The same of one arm minus that of a reference, on the same draws of objects."""
    return _estimate(truth, np.stack([scores, reference], axis=1), seed, n)


def _estimate(truth: Indices, scores: Array, seed: int, n: int) -> Estimate:
    """Of scores (R, 1, N), or the difference of two (R, 2, N)."""
    rng = np.random.default_rng(seed)
    whole = np.ones_like(truth)

    def value(chosen: Indices, times: Indices) -> float:
        each = [
            [average_precision(truth, s, times=times) for s in scores[r]] for r in chosen.tolist()
        ]
        mean = np.mean(each, axis=0)
        return float(mean[0] - mean[1:].sum())

    repetitions = np.arange(len(scores))
    draws = [
        value(rng.choice(repetitions, len(repetitions)), _drawn_again(rng, truth))
        for _ in range(n)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(value(repetitions, whole), float(low), float(high))


def _drawn_again(rng: np.random.Generator, truth: Indices) -> Indices:
    """How often each object is drawn when each class is drawn anew, shape (N,)."""
    times = np.zeros_like(truth)
    for kind in (0, 1):
        members = np.flatnonzero(truth == kind)
        times[members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)))
    return times
