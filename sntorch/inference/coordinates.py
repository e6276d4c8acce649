"""Coordinates in which a posterior is nearly a standard normal: what a sampler moves in.

``Affine`` is the usual dense mass matrix. ``Truncated`` is for a posterior with one positive
variable that may lie close to zero (an extinction): with the positive variable itself, not its
logarithm, the relation to all others is nearly linear, and the map of a normal that is truncated
at zero (``truncated``) makes of it a normal variable. A straight mass matrix in the logarithm
leaves a bent, narrow valley, with step sizes ten times too small.

Letters in shapes: ``B`` objects, ``C`` points, ``D`` variables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor
from torch.special import log_ndtr, ndtri

from sntorch.inference.density import BatchedDensity

# Truncated further out than this, a normal is an exponential to all purposes.
FARTHEST = -8.0
LEAST = 1e-12
TINY = 1e-300


class Coordinates(Protocol):
    """A smooth change of variables for each of B posteriors."""

    def outside(self, x: Tensor) -> Tensor:
        """Unconstrained variables z at x, shape (B, C, D)."""
        ...

    def inside(self, z: Tensor) -> Tensor:
        """x of unconstrained variables z, shape (B, C, D)."""
        ...

    def evaluate(self, density: BatchedDensity, x: Tensor) -> tuple[Tensor, Tensor]:
        """ln p of x, the Jacobian included, shape (B, C), and its gradient (B, C, D)."""
        ...

    def take(self, index: Tensor) -> Self:
        """Those of the chosen objects."""
        ...


class _Normal:
    """What both families do alike."""

    mean: Tensor

    def draw(self: Any, n: int, generator: torch.Generator) -> Tensor:
        """z of n standard-normal x, shape (B, n, D)."""
        shape = len(self.mean), n, self.mean.shape[1]
        x = torch.randn(shape, generator=generator, dtype=self.mean.dtype, device=self.mean.device)
        return self.outside(x)

    def composed(self: Any, mean: Tensor, scale_tril: Tensor) -> Any:
        """These coordinates moved and stretched by a normal in x: mean (B, D), factor (B, D, D).

        With a truncated first variable that is exact for the others only.
        """
        moved = self.mean + (self.scale_tril @ mean[..., None]).squeeze(-1)
        return type(self)(moved, self.scale_tril @ scale_tril)


@dataclass(frozen=True, eq=False)
class Affine(_Normal):
    """z = mean + scale_tril x.

    Attributes:
        mean: shape (B, D).
        scale_tril: Lower Cholesky factor of the covariance, shape (B, D, D).
    """

    mean: Tensor
    scale_tril: Tensor

    def outside(self, x: Tensor) -> Tensor:
        """See ``Coordinates``."""
        return self.natural(x)[0]

    def natural(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z at x, and the scores (z - mean) / scale_tril: x itself."""
        return self.mean[:, None] + x @ self.scale_tril.transpose(1, 2), x

    def target(self, density: BatchedDensity) -> BatchedDensity:
        """The density as a function of what ``natural`` returns."""
        return density

    def inside(self, z: Tensor) -> Tensor:
        """See ``Coordinates``."""
        moved = (z - self.mean[:, None]).transpose(1, 2)
        return torch.linalg.solve_triangular(self.scale_tril, moved, upper=False).transpose(1, 2)

    def evaluate(self, density: BatchedDensity, x: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Coordinates``."""
        value, gradient = density.value_and_gradient(self.outside(x))
        return value, gradient @ self.scale_tril

    def take(self, index: Tensor) -> Affine:
        """See ``Coordinates``."""
        return Affine(self.mean[index], self.scale_tril[index])


@dataclass(frozen=True, eq=False)
class Truncated(_Normal):
    """(e^{z_1}, z_2, …) follows a normal truncated at zero in its first variable.

    With (A, z_2, …) = mean + scale_tril (w, x_2, …), A = e^{z_1}, the first coordinate is
    x_1 = Φ^{-1} of the quantile of A.

    Attributes:
        mean: shape (B, D); its first variable may be negative.
        scale_tril: shape (B, D, D).
    """

    mean: Tensor
    scale_tril: Tensor

    def __post_init__(self) -> None:
        least = FARTHEST * self.scale_tril[:, 0, 0]
        first = torch.maximum(self.mean[:, 0], least)[:, None]
        object.__setattr__(self, "mean", torch.cat([first, self.mean[:, 1:]], 1))

    def outside(self, x: Tensor) -> Tensor:
        """See ``Coordinates``."""
        v, _ = self.natural(x)
        return torch.cat([v[..., :1].log(), v[..., 1:]], -1)

    def natural(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(A, z_2, …) at x, and its scores (w, x_2, …), differentiable in mean and scale."""
        ratio = (self.mean[:, 0] / self.scale_tril[:, 0, 0])[:, None]
        # torch's ndtr(x) itself is (1 + erf) / 2, without a digit below x = -8.
        w = -ndtri((log_ndtr(-x[..., 0]) + log_ndtr(ratio)).exp())
        scores = torch.cat([w[..., None], x[..., 1:]], -1)
        v = self.mean[:, None] + scores @ self.scale_tril.transpose(1, 2)
        return torch.cat([v[..., :1].clamp(min=LEAST), v[..., 1:]], -1), scores

    def target(self, density: BatchedDensity) -> BatchedDensity:
        """The density as a function of what ``natural`` returns."""
        return Natural(density)

    def inside(self, z: Tensor) -> Tensor:
        """See ``Coordinates``."""
        natural = torch.cat([z[..., :1].exp(), z[..., 1:]], -1)
        moved = (natural - self.mean[:, None]).transpose(1, 2)
        x = torch.linalg.solve_triangular(self.scale_tril, moved, upper=False).transpose(1, 2)
        log_survival = log_ndtr(-x[..., :1]) - log_ndtr(self._ratio()[..., None])
        # Within floating point, so that every z has finite coordinates.
        survival = log_survival.exp().clamp(TINY, 1 - torch.finfo(z.dtype).eps)
        return torch.cat([-ndtri(survival), x[..., 1:]], -1)

    def evaluate(self, density: BatchedDensity, x: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Coordinates``."""
        v, scores = self.natural(x)
        value, gradient = self.target(density).value_and_gradient(v)
        first, w = x[..., 0], scores[..., 0]
        # dw/dx_1 = Φ(ratio) φ(x_1) / φ(w).
        log_slope = log_ndtr(self._ratio()) - 0.5 * first.square() + 0.5 * w.square()
        slope = log_slope.exp()
        pulled = gradient @ self.scale_tril
        of_first = pulled[..., 0] * slope - first + w * slope
        value = value + log_slope + self.scale_tril[:, 0, 0].log()[:, None]
        return value, torch.cat([of_first[..., None], pulled[..., 1:]], -1)

    def take(self, index: Tensor) -> Truncated:
        """See ``Coordinates``."""
        return Truncated(self.mean[index], self.scale_tril[index])

    def _ratio(self) -> Tensor:
        return (self.mean[:, 0] / self.scale_tril[:, 0, 0])[:, None]


class Natural:
    """A density as a function of (e^{z_1}, z_2, …)."""

    def __init__(self, density: BatchedDensity) -> None:
        self.density, self.dim, self.positive = density, density.dim, False

    def __len__(self) -> int:
        return len(self.density)

    def take(self, index: Tensor) -> Natural:
        """The densities of the chosen objects."""
        return Natural(self.density.take(index))

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """ln p (B, C) of such z, the Jacobian left out, and its gradient (B, C, D)."""
        first = z[..., :1]
        logarithmic = torch.cat([first.log(), z[..., 1:]], -1)
        value, gradient = self.density.value_and_gradient(logarithmic)
        by_first = (gradient[..., :1] - 1) / first
        return value - first[..., 0].log(), torch.cat([by_first, gradient[..., 1:]], -1)
