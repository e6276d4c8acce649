"""Average precision of several ways to learn a rare class, compared on the same objects.

A repetition learns from other rare objects with other seeds, and all repetitions score the same
test objects. So intervals draw both again: objects, each class among themselves, and repetitions,
with the trained classifiers held fixed. All arms are scored on the same draws, so that what they
have in common cancels in a difference. Percentiles of the bootstrap (Efron & Tibshirani 1993,
chapter 13); for few repetitions they are a little too narrow: a mean of R normal numbers needs a
factor t(R - 1) sqrt(R / (R - 1)) / 1.96, which is 1.22 for ten.

Letters in shapes: ``N`` objects, ``R`` repetitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sntorch.generative.evaluate.distances import Array
from sntorch.statistics.estimate import Estimate, interval

# Rare objects in the population that precision is of.
SHARE = 0.03
N_RESAMPLES = 1000

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Precisions:
    """Mean average precision over repetitions, of each arm.

    Attributes:
        value: Of the objects and repetitions as they are, by arm.
        draws: Of those drawn again, by arm, shape (n,); entries of all arms belong together.
    """

    value: Mapping[str, float]
    draws: Mapping[str, Array]

    @classmethod
    def of(
        cls,
        truth: Indices,
        scores: Mapping[str, Array],
        seed: int = 0,
        n: int = N_RESAMPLES,
    ) -> Precisions:
        """Score all arms, on the objects as they are and drawn again.

        Args:
            truth: 1 for rare objects, 0 for common ones, shape (N,).
            scores: Probabilities of the rare class of each arm, shape (R, N), a repetition a row.
            seed: Seed of the bootstrap.
            n: Number of resamples.
        """
        ranked = {arm: [_Ranked(truth, one) for one in own] for arm, own in scores.items()}
        repetitions = len(next(iter(scores.values())))
        rng = np.random.default_rng(seed)
        whole = np.ones_like(truth)
        value = {arm: _mean(own, range(repetitions), whole) for arm, own in ranked.items()}
        draws: dict[str, list[float]] = {arm: [] for arm in scores}
        for _ in range(n):
            chosen = rng.integers(repetitions, size=repetitions).tolist()
            times = _drawn_again(rng, truth)
            for arm, own in ranked.items():
                draws[arm].append(_mean(own, chosen, times))
        return cls(value, {arm: np.array(own) for arm, own in draws.items()})

    def mean(self, arm: str) -> Estimate:
        """Of one arm."""
        return interval(self.value[arm], self.draws[arm])

    def gain(self, arm: str, reference: str) -> Estimate:
        """Of one arm minus that of another."""
        return interval(
            self.value[arm] - self.value[reference], self.draws[arm] - self.draws[reference]
        )

    def gap_closed(self, arm: str, none: str = "none", oracle: str = "oracle") -> Estimate:
        """The share of the way from nothing added to real objects added that an arm goes."""

        def share(found: Mapping[str, float] | Mapping[str, Array]) -> Array:
            return np.asarray((found[arm] - found[none]) / (found[oracle] - found[none]))

        return interval(float(share(self.value)), share(self.draws))


class _Ranked:
    """One score of all objects, sorted once: average precision is then a sum along the ranks."""

    def __init__(self, truth: Indices, score: Array) -> None:
        self.order = np.argsort(-score, kind="stable")
        self.rare = truth[self.order] == 1
        # Objects of one score come together, at the last of them.
        self.ends = np.flatnonzero(np.append(np.diff(score[self.order]) != 0, True))

    def precision(self, share: float, times: Indices) -> float:
        """In a population with a share of rare objects, each object counted ``times``."""
        counted = times[self.order].astype(np.float64)
        rare, common = counted * self.rare, counted * ~self.rare
        hits = (share / rare.sum() * rare.cumsum())[self.ends]
        wrong = ((1 - share) / common.sum() * common.cumsum())[self.ends]
        steps = np.diff(hits, prepend=0.0)
        found = steps > 0
        return float((steps[found] * hits[found] / (hits + wrong)[found]).sum() / share)


def average_precision(
    truth: Indices, score: Array, share: float = SHARE, times: Indices | None = None
) -> float:
    """Average precision in a population where the rare class has a given share.

    Args:
        truth: 1 for the rare class, 0 for the common one, shape (N,).
        score: Larger for objects that are more likely rare, shape (N,).
        share: Share of rare objects in the population.
        times: How often each object counts, shape (N,); default: once.
    """
    return _Ranked(truth, score).precision(share, np.ones_like(truth) if times is None else times)


def _mean(ranked: list[_Ranked], chosen: list[int] | range, times: Indices) -> float:
    return float(np.mean([ranked[r].precision(SHARE, times) for r in chosen]))


def _drawn_again(rng: np.random.Generator, truth: Indices) -> Indices:
    """How often each object is drawn when each class is drawn anew, shape (N,)."""
    times = np.zeros_like(truth)
    for kind in (0, 1):
        members = np.flatnonzero(truth == kind)
        times[members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)))
    return times
