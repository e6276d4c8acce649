"""Step sizes by dual averaging, one for every chain, each at its own pace.

Hoffman & Gelman (2014, arXiv:1111.4246), section 3.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

SHRINKAGE, DELAY, FORGETTING = 0.05, 10.0, 0.75


@dataclass(eq=False)
class StepSize:
    """Step sizes on their way to a target acceptance; all tensors have shape (B, C).

    Attributes:
        centre: Logarithm that the steps are drawn to.
        current: Logarithm of the step size in use.
        average: Logarithm of the step size after adaptation.
        error: Running mean of target minus acceptance.
        count: Trajectories seen.
    """

    centre: Tensor
    current: Tensor
    average: Tensor
    error: Tensor
    count: Tensor

    @classmethod
    def start(cls, step_size: Tensor) -> Self:
        """Begin at these step sizes."""
        log = step_size.log()
        zero = torch.zeros_like(log)
        return cls(log, log.clone(), log.clone(), zero, zero.clone())

    def update(
        self, acceptance: Tensor, target: float, where: Tensor, largest: float = math.inf
    ) -> Self:
        """Learn from the chains that have just finished a trajectory.

        Args:
            acceptance: Mean acceptance probability of it, shape (B, C).
            target: What it should be.
            where: Which chains, shape (B, C).
            largest: Step size beyond which none goes.
        """
        count = self.count + 1
        share = 1 / (count + DELAY)
        error = (1 - share) * self.error + share * (target - acceptance)
        current = self.centre - count.sqrt() / SHRINKAGE * error
        current = current.clamp(max=math.log(largest))
        weight = count**-FORGETTING
        average = weight * current + (1 - weight) * self.average
        new = (current, average, error, count)
        old = (self.current, self.average, self.error, self.count)
        kept = (torch.where(where, n, o) for n, o in zip(new, old, strict=True))
        return type(self)(self.centre, *kept)

    def take(self, index: Tensor) -> Self:
        """The chosen objects."""
        return type(self)(*(getattr(self, f.name)[index] for f in fields(self)))
