"""Posteriors of many observations at once in unconstrained coordinates."""

from __future__ import annotations

from typing import Protocol, Self

from torch import Tensor

from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.taking import taken


class Likelihood(Protocol):
    """ln p(data | θ), or a ratio to the evidence, for B observations."""

    def __len__(self) -> int:
        """B."""
        ...

    def __call__(self, theta: Tensor) -> Tensor:
        """Shape (B, C), of θ (B, C, D)."""
        ...

    def take(self, index: Tensor) -> Self:
        """That of the chosen observations."""
        ...


class BoxPosterior:
    """Likelihood times a uniform prior; a ``sntorch.inference.density.BatchedDensity``.

    Args:
        likelihood: Of B observations.
        prior: Of D parameters.
        flat: Whether the prior's density is left out, as for modes in the parameters themselves.

    Attributes:
        dim: D.
        positive: No variable is the logarithm of one close to zero.
    """

    positive = False

    def __init__(self, likelihood: Likelihood, prior: BoxPrior, flat: bool = False) -> None:
        self.likelihood, self.prior, self.flat = likelihood, prior, flat
        self.dim = prior.dim

    def __len__(self) -> int:
        return len(self.likelihood)

    def __call__(self, free: Tensor) -> Tensor:
        """ln p, shape (B, C), of unconstrained variables (B, C, D)."""
        found = self.likelihood(self.prior.constrain(free))
        return found if self.flat else found + self.prior.log_density(free)

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """ln p (B, C) and its gradient (B, C, D) of unconstrained variables (B, C, D)."""
        from sntorch.inference.density import differentiate

        return differentiate(self, z)

    def take(self, index: Tensor) -> Self:
        """Those of the chosen observations."""
        return taken(self, index, "likelihood")
