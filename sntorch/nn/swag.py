"""SWAG: a Gaussian of a network's weights, from where they wandered while it trained.

Reference: Maddox et al. 2019, arXiv:1902.02476, equations 1 and algorithm 1. Weights are collected
once an epoch at a constant learning rate; a sample is

    θ = mean + √½ σ z₁ + (2 (K - 1))^-½ D z₂,     z₁, z₂ standard normal,

with σ² the variance of each weight and D the last K deviations from the running mean.

Deviations: the variance is accumulated about the running mean (Welford), not as a difference of
squares, which single precision does not resolve; statistics of batch normalisation are left as
they are.

Letters in shapes: ``P`` weights, ``K`` deviations kept.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from sntorch.errors import ConfigError

FEWEST = 2


class Swag(nn.Module):
    """Moments of the weights of a network, and samples from their Gaussian.

    Args:
        model: The network whose weights are collected.
        rank: Largest number K of deviations that are kept.

    Raises:
        ConfigError: A rank below two.
    """

    count: Tensor
    mean: Tensor
    scatter: Tensor
    deviations: Tensor

    def __init__(self, model: nn.Module, rank: int = 20) -> None:
        super().__init__()
        if rank < FEWEST:
            raise ConfigError(f"rank={rank}: {FEWEST} or more deviations are needed")
        size = sum(p.numel() for p in model.parameters())
        self.rank = rank
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scatter", torch.zeros(size))
        self.register_buffer("deviations", torch.zeros(rank, size))

    @torch.no_grad()
    def collect(self, model: nn.Module) -> None:
        """Take the weights that ``model`` has now into the moments."""
        weights = parameters_to_vector(model.parameters()).to(self.mean)
        before = weights - self.mean
        self.count += 1
        self.mean += before / self.count
        after = weights - self.mean
        self.scatter += before * after
        self.deviations[(int(self.count) - 1) % self.rank] = after

    @property
    def variance(self) -> Tensor:
        """Of each weight, shape (P,)."""
        return self.scatter / self.count.clamp(min=1)

    def sample(self, generator: torch.Generator, scale: float = 1.0) -> Tensor:
        """Weights, shape (P,).

        Args:
            generator: A CPU one; all randomness is from it.
            scale: Factor on the deviations from the mean.

        Raises:
            ConfigError: Fewer than two sets of weights were collected.
        """
        n = min(int(self.count), self.rank)
        if n < FEWEST:
            raise ConfigError(
                f"SWAG has collected weights of {int(self.count)} epochs; {FEWEST} or more are "
                "needed: train longer, or begin to collect earlier"
            )
        each = torch.randn(self.mean.shape, generator=generator).to(self.mean)
        joint = torch.randn(n, generator=generator).to(self.mean)
        low_rank = joint @ self.deviations[:n] / (2 * (n - 1)) ** 0.5
        return self.mean + scale * (each * (self.variance / 2).sqrt() + low_rank)

    def sample_into(
        self, model: nn.Module, generator: torch.Generator, scale: float = 1.0
    ) -> None:
        """Give ``model`` weights of one sample."""
        vector_to_parameters(self.sample(generator, scale), model.parameters())

    def extra_repr(self) -> str:
        """Show how many deviations are kept."""
        return f"rank={self.rank}"
