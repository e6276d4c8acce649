"""The samples that a generator is judged by, and which is compared with which.

Scores that depend on how many objects are compared (a classifier's, those of nearest neighbours)
need samples of one size: otherwise a floor says more about sizes than about light curves. For a
classifier, a training set that is too small is repeated, as a generator would that knows nothing
else; repeated objects are what it notices. Scores of nearest neighbours within a sample take the
training set once, however small: repeated objects would be each other's neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import DataError
from sntorch.features.summary import summary_features
from sntorch.generative.evaluate.distances import Array

Features = dict[str, Array]
Describe = Callable[[LightCurveBatch], Features]


@dataclass(frozen=True)
class Sample:
    """Light curves and their features.

    Attributes:
        batch: The B light curves.
        features: Their features, by default ``summary_features``, name -> shape (B,).
    """

    batch: LightCurveBatch
    features: Features

    @classmethod
    def of(cls, batch: LightCurveBatch, describe: Describe = summary_features) -> Self:
        """The sample of a batch.

        Args:
            batch: The B light curves.
            describe: Gives the features of a batch, name -> shape (B,).

        Raises:
            DataError: Features of another shape.
        """
        features = {name: np.asarray(values) for name, values in describe(batch).items()}
        for name, values in features.items():
            if values.shape != (len(batch),):
                raise DataError(f"feature {name}: shape {values.shape}, not ({len(batch)},)")
        return cls(batch, features)

    def __len__(self) -> int:
        return len(self.batch)

    def take(self, index: NDArray[np.int64]) -> Self:
        """The chosen objects."""
        batch = self.batch[torch.from_numpy(index)]
        return type(self)(batch, {name: v[index] for name, v in self.features.items()})

    def resized(self, n: int, seed: int) -> Self:
        """``n`` objects in random order: each at most once, or all equally often if there are
        fewer.
        """
        rng = np.random.default_rng(seed)
        rounds = [rng.permutation(len(self)) for _ in range(-(-n // len(self)))]
        return self.take(np.concatenate(rounds)[:n])


@dataclass(frozen=True)
class Pair:
    """A sample and the real one that it is compared with."""

    sample: Sample
    real: Sample

    def resized(self, n: int, seed: int) -> Pair:
        """Both with ``n`` objects."""
        return Pair(self.sample.resized(n, seed), self.real.resized(n, seed + 1))


@dataclass(frozen=True)
class Contest:
    """A generated sample and its two floors, each beside the real objects it is compared with.

    Attributes:
        generated: The generated sample and the held-out one.
        fresh: A fresh real sample and the held-out one, or two halves of the latter.
        train: The training set and the held-out sample.
    """

    generated: Pair
    fresh: Pair
    train: Pair

    @classmethod
    def between(
        cls, generated: Sample, held_out: Sample, train: Sample, fresh: Sample | None, seed: int
    ) -> Self:
        """Pair the samples; without a fresh one the held-out objects are halved."""
        if fresh is not None:
            floor = Pair(fresh, held_out)
        else:
            order = np.random.default_rng(seed).permutation(len(held_out))
            half = len(held_out) // 2
            floor = Pair(held_out.take(order[:half]), held_out.take(order[half:]))
        return cls(Pair(generated, held_out), floor, Pair(train, held_out))

    def pairs(self) -> dict[str, Pair]:
        """The three pairs by name, the generated one first."""
        return {"generated": self.generated, "fresh": self.fresh, "train": self.train}

    def resized(self, seed: int, most: int, repeat: bool = True) -> dict[str, Pair]:
        """The pairs with as many objects each as the smallest sample but the training set has.

        Args:
            seed: Seed of the choice.
            most: Largest number of objects.
            repeat: Whether a training set that is too small is repeated, or taken once.
        """
        sizes = [len(s) for p in (self.generated, self.fresh) for s in (p.sample, p.real)]
        n = min(*sizes, most)
        pairs = {name: pair.resized(n, seed) for name, pair in self.pairs().items()}
        if not repeat and len(self.train.sample) < n:
            pairs["train"] = Pair(self.train.sample, pairs["train"].real)
        return pairs
