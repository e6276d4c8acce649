"""What a complete, ordinary measurement of an object might have been: joint draws.

For an object with magnitudes y of errors σ in the bands O that it has, with noiseless training
rows m_t, and in-distribution errors σ̄(m):

1. Rows are drawn with weights w_t ∝ Π_O N(y_b; m_tb, τ σ_b²), whole rows, so that colours stay
   together. τ = 1 is right; where too few rows would count (their effective number 1 / Σ w² is
   too small), τ is doubled until enough do.
2. The rest of the likelihood, its power u = 1 - 1/τ, is applied by an ensemble Kalman step with
   perturbed observations (Evensen 2003, Ocean Dynamics 53, 343) and the weighted covariance S of
   the rows: m = m_t + S_·O (u S_OO + Σ_O)⁻¹ (u (y - m_t) + √(u Σ_O) ε). It is exact where rows
   are normal, whatever τ, and does nothing for τ = 1.
3. A missing band becomes m + σ̄ ε. A band with an unusually large error σ becomes the measurement
   ỹ of error σ̄ that y may have been made of by adding noise: normal about m + (σ̄/σ)² (y - m) with
   the variance σ̄² (1 - σ̄²/σ²). Averaged over ỹ, a right posterior of θ given the ordinary
   measurements is then the right one given y. Other bands stay as they are.

Letters in shapes: ``B`` objects, ``K`` imputations, ``T`` training rows, ``F`` bands, ``O`` of
them observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import torch
from torch import Tensor

from sntorch.errors import ConfigError, DataError
from sntorch.sbi.photometry import Photometry
from sntorch.sbi.training_errors import TrainingErrors

LEAST_NEIGHBOURS = 100.0
DOUBLINGS = 20
AT_ONCE = 64
# Variance of a band that is not there, over that of the rows.
ABSENT = 1e9


@dataclass
class Imputed:
    """Complete measurements in place of incomplete ones.

    Attributes:
        magnitude: shape (B, K, F).
        error: shape (B, K, F).
        neighbours: Effective number of training rows behind the draws, shape (B,).
        widening: By how much variances were widened to have that many, τ, shape (B,).
        misfit: Reduced χ² of the object's own bands about what was drawn, shape (B,): of order one
            where the training set has objects like it.
    """

    magnitude: Tensor
    error: Tensor
    neighbours: Tensor
    widening: Tensor
    misfit: Tensor


class Imputation(Protocol):
    """Whatever fills in what is missing and replaces what is unusual."""

    errors: TrainingErrors

    def __call__(
        self, x: Photometry, n: int, generator: torch.Generator, numbers: Tensor | None = None
    ) -> Imputed:
        """``n`` complete measurements of each object; errors name it by its number, if given."""
        ...


class NeighbourImputation:
    """Joint draws of missing and noisy bands from training rows that resemble an object.

    Args:
        rows: Noiseless magnitudes of training objects, shape (T, F): simulations have them.
        errors: Of the training set.
        least: Effective number of rows below which the neighbourhood is widened.

    Raises:
        ConfigError: Fewer rows than neighbours.
    """

    def __init__(
        self, rows: Tensor, errors: TrainingErrors, least: float = LEAST_NEIGHBOURS
    ) -> None:
        if not 1 <= least <= len(rows) / 2:
            raise ConfigError(
                f"imputation: {least:g} neighbours of {len(rows)} rows; 1 to a half is accepted"
            )
        self.rows, self.errors, self.least = rows.double(), errors, least
        self.products = (self.rows[:, :, None] * self.rows[:, None]).flatten(1)

    def __call__(
        self, x: Photometry, n: int, generator: torch.Generator, numbers: Tensor | None = None
    ) -> Imputed:
        """``n`` complete measurements of each object; errors name it by its number, if given."""
        x.check(numbers)
        numbers = torch.arange(len(x)) if numbers is None else numbers
        parts = [
            self._impute(x.take(index), n, generator, numbers[index])
            for index in torch.arange(len(x)).split(AT_ONCE)
        ]
        return joined(parts)

    def _impute(
        self, x: Photometry, n: int, generator: torch.Generator, numbers: Tensor
    ) -> Imputed:
        y = torch.where(x.mask, x.magnitude.double(), 0.0)
        variance = torch.where(x.mask, x.error.double() ** 2, ABSENT)
        weight, widening = self._weights(y, variance, numbers)
        chosen = torch.multinomial(weight, n, replacement=True, generator=generator)
        true = self._moved(self.rows[chosen], y, variance, weight, widening, generator)
        usual = self.errors.median(true.to(self.errors.knots)).double()
        noisy = self.errors.noisy(x)
        ratio = torch.where(noisy[:, None], usual**2 / variance[:, None], 0.0).clamp(max=1.0)
        spread = usual * (1 - ratio).sqrt()
        drawn = true + ratio * (y[:, None] - true) + spread * _normal(true, generator)
        ordinary = (x.mask & ~noisy)[:, None]
        return Imputed(
            torch.where(ordinary, y[:, None], drawn),
            torch.where(ordinary, x.error.double()[:, None], usual),
            1 / (weight**2).sum(1),
            widening,
            ((y[:, None] - true) ** 2 / variance[:, None]).sum(-1).mean(1) / x.mask.sum(1),
        )

    def _weights(self, y: Tensor, variance: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of the rows, shape (B, T), and τ, shape (B,)."""
        precision = 1 / variance
        chi2 = precision @ (self.rows**2).T - 2 * (precision * y) @ self.rows.T
        widening = torch.ones(len(y), dtype=y.dtype)
        for _ in range(DOUBLINGS):
            weight = (-chi2 / (2 * widening[:, None])).softmax(1)
            poor = 1 / (weight**2).sum(1) < self.least
            if not bool(poor.any()):
                return weight, widening
            widening = torch.where(poor, 2 * widening, widening)
        b = int(numbers[poor][0])
        raise DataError(f"object {b} has no neighbours among the {len(self.rows)} training rows")

    def _moved(
        self,
        rows: Tensor,
        y: Tensor,
        variance: Tensor,
        weight: Tensor,
        widening: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """Rows (B, K, F) after the rest of the likelihood."""
        u = (1 - 1 / widening)[:, None]
        mean = weight @ self.rows
        n_bands = mean.shape[1]
        square = (weight @ self.products).reshape(-1, n_bands, n_bands)
        covariance = square - mean[:, :, None] * mean[:, None]
        total = u[..., None] * covariance + torch.diag_embed(variance)
        gain = torch.linalg.solve(total, covariance)
        noise = (u * variance).sqrt()[:, None] * _normal(rows, generator)
        return rows + (u[:, None] * (y[:, None] - rows) + noise) @ gain


def joined(parts: Sequence[Imputed]) -> Imputed:
    """Imputations of several groups of objects as one."""
    columns = ([getattr(part, f.name) for part in parts] for f in fields(Imputed))
    return Imputed(*(torch.cat(column) for column in columns))


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype)
