"""Densities with known answers."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from sntorch.inference.density import differentiate
from sntorch.inference.diagnostics import ess_mean

LOG_2PI = math.log(2 * math.pi)


class Target:
    """B densities from ``function(z, *parameters)``: z (B, C, D) in, ln p (B, C) out.

    Each parameter has B rows.
    """

    def __init__(
        self,
        function: Callable[..., Tensor],
        dim: int,
        *parameters: Tensor,
        positive: bool = False,
    ) -> None:
        self.function, self.dim, self.parameters = function, dim, parameters
        self.positive = positive

    def __len__(self) -> int:
        return len(self.parameters[0])

    def __call__(self, z: Tensor) -> Tensor:
        return self.function(z, *self.parameters)

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return differentiate(self, z)

    def take(self, index: Tensor) -> Target:
        chosen = (p[index] for p in self.parameters)
        return Target(self.function, self.dim, *chosen, positive=self.positive)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def factors(n: int, dim: int, seed: int = 0) -> Tensor:
    """Cholesky factors of correlated normals whose widths differ a hundredfold, (n, dim, dim)."""
    random = torch.randn(n, dim, dim, generator=generator(seed), dtype=torch.float64)
    widths = torch.logspace(-1, 1, dim, dtype=torch.float64)
    return (random.tril(-1) * 0.5 + torch.eye(dim, dtype=torch.float64)) * widths[:, None]


def repeated(tensor: Tensor, n: int) -> Tensor:
    """Every row n times over: many cheap chains of one object tell more than few long ones."""
    return tensor.repeat_interleave(n, 0)


def means(n: int, dim: int, seed: int = 1) -> Tensor:
    return 3 * torch.randn(n, dim, generator=generator(seed), dtype=torch.float64)


def _normal(z: Tensor, mean: Tensor, scale_tril: Tensor) -> Tensor:
    # Trajectories that diverge come with values that are not finite.
    law = MultivariateNormal(mean[:, None], scale_tril=scale_tril[:, None], validate_args=False)
    return law.log_prob(z)


def normal(mean: Tensor, scale_tril: Tensor) -> Target:
    """Multivariate normals: mean (B, D), Cholesky factor (B, D, D)."""
    return Target(_normal, mean.shape[1], mean, scale_tril)


def _zero_truncated(z: Tensor, mean: Tensor, scale_tril: Tensor) -> Tensor:
    natural = torch.cat([z[..., :1].exp(), z[..., 1:]], -1)
    return _normal(natural, mean, scale_tril) + z[..., 0]


def zero_truncated(mean: Tensor, scale_tril: Tensor) -> Target:
    """(e^{z_1}, z_2, …) follows a normal truncated at zero; its constant is left out."""
    return Target(_zero_truncated, mean.shape[1], mean, scale_tril, positive=True)


def _log_gamma(z: Tensor, shape: Tensor) -> Tensor:
    a = shape[:, None]
    return (a * z - z.exp() - torch.lgamma(a)).sum(-1)


def log_gamma(shape: Tensor) -> Target:
    """Independent z = ln x of gamma variables x: mean ψ(a), variance ψ'(a), skewed to the left."""
    return Target(_log_gamma, shape.shape[1], shape)


def _student(z: Tensor, freedom: Tensor) -> Tensor:
    nu = freedom[:, None]
    return -((nu + 1) / 2 * torch.log1p(z.square() / nu)).sum(-1)


def student(freedom: Tensor) -> Target:
    """Independent Student's t variables: freedom (B, D); the constant is left out."""
    return Target(_student, freedom.shape[1], freedom)


def _double_well(z: Tensor, separation: Tensor) -> Tensor:
    return -(z.square().sum(-1) - separation[:, None].square()).square()


def double_well(separation: Tensor) -> Target:
    """One variable with modes at ± separation, not concave between them."""
    return Target(_double_well, 1, separation)


def _cliff(z: Tensor, edge: Tensor) -> Tensor:
    beyond = z[..., 0] > edge[:, None]
    return -0.5 * z.square().sum(-1) - torch.where(beyond, 1e6 * (1 + z[..., 0]), 0.0)


def cliff(edge: Tensor, dim: int = 2) -> Target:
    """Standard normals that end at z_1 = edge."""
    return Target(_cliff, dim, edge)


def assert_mean(draws: Tensor, expected: Tensor, errors: float = 4.0) -> None:
    """The mean of draws (n B, C, S) of B ``repeated`` objects is (B,), within Monte-Carlo errors."""
    pooled = draws.reshape(len(expected), -1, draws.shape[-1])
    error = pooled.flatten(1).std(1) / ess_mean(pooled).sqrt()
    off = (pooled.mean((1, 2)) - expected) / error
    assert float(off.abs().max()) < errors, off


def assert_moments(z: Tensor, mean: Tensor, variance: Tensor) -> None:
    """Mean and variance (B, D) of draws (n B, C, S, D)."""
    for d in range(z.shape[-1]):
        centre = repeated(mean[:, d], len(z) // len(mean))
        assert_mean(z[..., d], mean[:, d])
        assert_mean((z[..., d] - centre[:, None, None]).square(), variance[:, d])
