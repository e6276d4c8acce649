"""The augmentation experiment for a class that is too rare for a test sample of its own.

Every rare object is left out once, with a part of the common ones: as many folds as rare objects,
for with ten of them one cannot spare two. What was left out is scored by a classifier that saw
neither it nor anything generated from it. A repetition divides the common objects otherwise and
has other seeds.

Intervals over objects (``precision.py``) are of those that one scores on, not of those that one
learns from, and are too narrow by the latter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sntorch.errors import DataError
from sntorch.generative.evaluate.augmentation import WORD, Arm, Trial, learned
from sntorch.generative.evaluate.distances import Array
from sntorch.generative.evaluate.samples import Sample
from sntorch.generative.noise import mix

FEWEST = 2

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
