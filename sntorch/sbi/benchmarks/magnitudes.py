"""A benchmark for missing and noisy bands: magnitudes that are linear in three latent parameters.

    m_b = magnitude + colour · x_b + curvature · (x_b² - 1/3),   x_b from -1 to 1 over the bands,
    y_b ~ N(m_b, σ_b²),   ln σ_b ~ N(ln σ̄_b, 0.15²),

with a uniform prior: whatever bands are there, with whatever errors, the posterior is a normal
distribution cut at the prior's walls, and its density is known.

Letters in shapes: ``B`` objects, ``C`` points θ, ``F`` bands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from sntorch.sbi.photometry import Photometry
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.summary_simulator import draw_prior
from sntorch.sbi.taking import taken
from sntorch.simulation.streams import Streams

PARAMETERS = ("magnitude", "colour", "curvature")
PRIOR = BoxPrior(PARAMETERS, (19.0, -0.8, -0.8), (21.0, 0.8, 0.8))
USUAL = (0.15, 0.08, 0.06, 0.06, 0.09, 0.15)
SCATTER = 0.15


def design() -> Tensor:
    """The matrix of the model, shape (F, 3)."""
    x = torch.linspace(-1, 1, len(USUAL), dtype=torch.float64)
    return torch.stack([torch.ones_like(x), x, x**2 - 1 / 3], -1)


@dataclass(frozen=True)
class LinearMagnitudes:
    """Pairs of parameters and complete photometry; a ``Simulator``.

    Attributes:
        prior: Of magnitude, colour and curvature.
        seed: Any integer.
    """

    prior: BoxPrior = PRIOR
    seed: int = 0

    def __call__(self, first: int, count: int) -> tuple[Tensor, Photometry]:
        """Parameters, shape (B, 3), and objects ``first`` … ``first + count - 1``."""
        theta = draw_prior(self.prior, count, self.seed, first)
        streams = Streams(self.seed, first + torch.arange(count), "magnitudes/")
        scatter = SCATTER * streams.normal("errors", len(USUAL))
        error = torch.tensor(USUAL, dtype=torch.float64) * scatter.exp()
        magnitude = self.noiseless(theta) + error * streams.normal("noise", len(USUAL))
        return theta, Photometry(magnitude, error, torch.ones_like(error, dtype=torch.bool))

    def noiseless(self, theta: Tensor) -> Tensor:
        """Magnitudes, shape (..., F), of θ (..., 3)."""
        return theta @ design().T

    def within(self, prior: BoxPrior) -> Self:
        """The same with another prior."""
        return replace(self, prior=prior)


class MagnitudeLikelihood:
    """ln p(y | θ, σ) of the bands that are there.

    Args:
        x: The objects.
    """

    def __init__(self, x: Photometry) -> None:
        x.check()
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def __call__(self, theta: Tensor) -> Tensor:
        """Up to a constant of each object, shape (B, C), of θ (B, C, 3)."""
        y, sd, there = (part[:, None] for part in (self.x.magnitude, self.x.error, self.x.mask))
        off = torch.where(there, (y - theta @ design().T) / sd, 0.0)
        return -(off**2).sum(-1) / 2

    def take(self, index: Tensor) -> Self:
        """That of the chosen objects."""
        return taken(self, index, "x")
