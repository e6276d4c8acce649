"""What one generated object is drawn from: its own stream, and the training objects it may use."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.generative.baselines.training_set import Photometry
from sntorch.generative.noise import balanced, mix

# What is chosen among the training objects; a number for each keeps the choices independent.
OBJECT, CADENCE = range(2)


@dataclass(frozen=True)
class Turn:
    """What one object is drawn from.

    Attributes:
        seed: Seed of the choices among training objects.
        index: Number of the object.
        members: Training objects to choose from.
        generator: The object's own stream.
        counts: Observations that every band must have, shape (F,), or None.
        given: Epochs that a user wants, with their reference time, or None.
        temperature: Scale of what is random about the supernova (not of the noise).
    """

    seed: int
    index: int
    members: list[int]
    generator: torch.Generator
    counts: Tensor | None
    given: tuple[Photometry, float] | None
    temperature: float

    def pick(self, what: int, members: list[int] | None = None) -> int:
        """A training object, each as often as the others; ``what`` tells the choices apart."""
        chosen = self.members if members is None else members
        index = torch.tensor([self.index])
        return chosen[int(balanced(mix(self.seed, what), index, len(chosen)))]

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, float64."""
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers between 0 and 1, float64."""
        return torch.rand(shape, generator=self.generator, dtype=torch.float64)

    def subset(self, index: Tensor, n: int) -> Tensor:
        """``n`` of the indices, at random, in their order."""
        chosen = torch.randperm(len(index), generator=self.generator)[:n]
        return index[chosen.sort().values]

    def own_light_curve(self, known: list[Photometry], counts: Tensor) -> tuple[int, Photometry]:
        """A training object and its measurements, thinned to the numbers that are asked for.

        Args:
            known: The training objects.
            counts: Their observations in each band, shape (N, F).

        Raises:
            ConfigError: No training object has as many observations.
        """
        if self.counts is None:
            i = self.pick(OBJECT)
            return i, known[i]
        enough = (counts[self.members] >= self.counts).all(-1).tolist()
        members = [m for m, has in zip(self.members, enough, strict=True) if has]
        if not members:
            raise ConfigError(
                f"lengths {self.counts.tolist()}: no training object has as many observations in "
                "every band, and this generator adds none"
            )
        i = self.pick(OBJECT, members)
        kept = [
            self.subset((known[i].band == f).nonzero()[:, 0], n)
            for f, n in enumerate(self.counts.tolist())
        ]
        return i, known[i].at(torch.cat(kept))
