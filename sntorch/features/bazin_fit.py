"""Bazin functions of all bands of many objects, fitted together with their population.

Few points in a band do not fix four numbers. So the fits of an object's bands share a prior: a
normal distribution of the shapes of all bands, which is estimated from all objects by expectation
maximisation with Laplace's approximation for each object (Gelman et al., Bayesian Data Analysis,
chapter 13). A band without points gets what usually goes with the others. Outliers weigh little:
residuals follow Student's t.

Letters in shapes: ``B`` objects, ``T`` padded observations, ``F`` bands, ``D`` = 4 F coordinates
(means over bands and differences between them, see ``contrasts``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.features.bazin import (
    FALL,
    N_SHAPES,
    RATIO,
    SPREAD,
    SPREAD_BETWEEN_BANDS,
    bazin_slopes,
    contrasts,
)

ROUNDS, FIRST_STEPS, STEPS = 8, 40, 12
# Objects that are fitted together: as many as a core's cache holds.
CHUNK = 64
DEGREES = 4.0


@dataclass(frozen=True)
class BazinFits:
    """Coordinates of B objects with their uncertainty.

    Attributes:
        mode: Most probable coordinates, shape (B, D).
        root: Lower triangle of their covariance, shape (B, D, D).
    """

    mode: Tensor
    root: Tensor

    def draws(self, n: int, generator: torch.Generator) -> Tensor:
        """``n`` draws of every object's coordinates, shape (n B, D)."""
        normal = torch.randn(n, *self.mode.shape, 1, generator=generator, dtype=self.mode.dtype)
        return (self.mode + (self.root @ normal)[..., 0]).flatten(0, 1)


def shapes_of(coordinates: Tensor, n_bands: int) -> Tensor:
    """Shapes of every band, shape (…, F, 4), from coordinates (…, D)."""
    parts = coordinates.unflatten(-1, (N_SHAPES, n_bands))
    return (parts @ contrasts(n_bands).T).mT


@dataclass(frozen=True)
class BazinPopulation:
    """Normal distribution of the coordinates over objects.

    Attributes:
        mean: Shape (D,).
        cov: Shape (D, D).
        model_error: As ``fit_bazin`` takes it.
    """

    mean: Tensor
    cov: Tensor
    model_error: float

    def fit(self, batch: LightCurveBatch) -> BazinFits:
        """Fit other objects, in the bands of those that the population was learnt from.

        An object without observations gets the population's mean and covariance.
        """
        if not batch.mask.shape[1]:
            root = torch.linalg.cholesky(self.cov)
            return BazinFits(self.mean.expand(len(batch), -1), root.expand(len(batch), -1, -1))
        problems, back = _divided(batch, self.model_error)
        start = self.mean.expand(len(batch), -1)
        mode, inverse = _solve(problems, start, self.mean, torch.linalg.inv(self.cov), FIRST_STEPS)
        return BazinFits(mode[back], torch.linalg.cholesky(inverse[back]))


def fit_bazin(batch: LightCurveBatch, model_error: float) -> BazinFits:
    """Fit the objects of a batch and their population.

    Args:
        batch: Objects with observations.
        model_error: How far supernovae depart from the function, in units of the brightest flux
            of an object in a band.
    """
    return fit_population(batch, model_error)[1]


def fit_population(
    batch: LightCurveBatch, model_error: float
) -> tuple[BazinPopulation, BazinFits]:
    """The population that objects come from, and their fits under it.

    Args:
        batch: Objects with observations.
        model_error: How far supernovae depart from the function, in units of the brightest flux
            of an object in a band.
    """
    mean, spread = _Problem(batch, model_error).first_prior()
    problems, back = _divided(batch, model_error)
    mode, cov = mean.expand(len(batch), -1), torch.diag(spread.square())
    for i in range(ROUNDS):
        mode, inverse = _solve(
            problems, mode, mean, torch.linalg.inv(cov), STEPS if i else FIRST_STEPS
        )
        mean = mode.mean(0)
        off = mode - mean
        cov = off.T @ off / len(mode) + inverse.mean(0)
    fits = BazinFits(mode[back], torch.linalg.cholesky(inverse[back]))
    return BazinPopulation(mean, cov, model_error), fits


def _divided(batch: LightCurveBatch, model_error: float) -> tuple[list[_Problem], Tensor]:
    """Objects of about one length together, which need the least padding, and the way back."""
    order = batch.n_observations.argsort(stable=True)
    parts = [_Problem(batch[part].trim(), model_error) for part in order.split(CHUNK)]
    return parts, order.argsort()


def _solve(
    problems: list[_Problem], x: Tensor, mean: Tensor, precision: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    """What ``_Problem.solve`` finds of each part; ``x`` (B, D) is in their order."""
    starts = x.split(CHUNK)
    found = [
        problem.solve(start, mean, precision, steps)
        for problem, start in zip(problems, starts, strict=True)
    ]
    mode, inverse = (torch.cat(parts) for parts in zip(*found, strict=True))
    return mode, inverse


class _Problem:
    """Residuals of objects and their slopes in the coordinates."""

    def __init__(self, batch: LightCurveBatch, model_error: float) -> None:
        self.n_bands = len(batch.bands)
        self.phase, self.band, self.mask = batch.phase, batch.band, batch.mask
        member = (
            torch.nn.functional.one_hot(batch.band, self.n_bands).bool() & batch.mask[..., None]
        )
        flux = torch.where(member, batch.flux[..., None], -torch.inf)
        self.top = flux.amax(1)
        top = self.top.gather(1, batch.band).clamp(min=0)
        self.error = (batch.flux_err.square() + (model_error * top).square()).sqrt()
        self.flux, self.top_phase = batch.flux, batch.phase.gather(1, flux.argmax(1))
        self.seen = member.any(1)
        self.member = member.mT.to(batch.flux.dtype)
        self.rows = contrasts(self.n_bands)
        self.floor = batch.flux_err[batch.mask].median()

    def first_prior(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the coordinates before the first fit, shape (D,) each."""
        mean = torch.zeros(N_SHAPES, self.n_bands, dtype=torch.float64)
        mean[0, 0] = torch.maximum(self.top, self.floor)[self.seen].log().median()
        mean[1, 0] = self.top_phase[self.seen].median()
        mean[2, 0], mean[3, 0] = FALL, RATIO
        spread = torch.tensor(SPREAD_BETWEEN_BANDS, dtype=torch.float64)
        spread = spread[:, None].repeat(1, self.n_bands)
        spread[:, 0] = torch.tensor(SPREAD, dtype=torch.float64)
        return mean.flatten(), spread.flatten()

    def solve(
        self, x: Tensor, mean: Tensor, precision: Tensor, steps: int
    ) -> tuple[Tensor, Tensor]:
        """Most probable coordinates (B, D) and their covariance (B, D, D), from ``x`` on.

        Levenberg & Marquardt's steps with the weights of Student's t.
        """
        value, slope, curvature = self._evaluate(x, mean, precision)
        damping = torch.full_like(value, 1e-2)
        for _ in range(steps):
            lift = damping[:, None] * curvature.diagonal(dim1=-2, dim2=-1)
            tried = x - torch.linalg.solve(curvature + torch.diag_embed(lift), slope)
            new = self._evaluate(tried, mean, precision)
            better = new[0] <= value
            x = torch.where(better[:, None], tried, x)
            value = torch.where(better, new[0], value)
            slope = torch.where(better[:, None], new[1], slope)
            curvature = torch.where(better[:, None, None], new[2], curvature)
            damping = torch.where(better, damping / 4, damping * 4).clamp(1e-6, 1e6)
        return x, torch.linalg.inv(curvature)

    def _evaluate(self, x: Tensor, mean: Tensor, precision: Tensor) -> tuple[Tensor, ...]:
        """Minus log posterior (B,), slope (B, D) and Gauss-Newton curvature (B, D, D)."""
        residual, slopes = self._residuals(x)
        weight = (DEGREES + 1) / (DEGREES + residual.square())
        off = x - mean
        pull = off @ precision
        loss = 0.5 * (DEGREES + 1) * torch.log1p(residual.square() / DEGREES)
        value = torch.where(self.mask, loss, 0.0).sum(-1) + 0.5 * (off * pull).sum(-1)
        weighted = weight[..., None] * slopes
        first = self.member @ (weighted * residual[..., None])
        second = self.member @ (weighted[..., :, None] * slopes[..., None, :]).flatten(-2)
        return value, self._to_slope(first) + pull, self._to_curvature(second) + precision

    def _residuals(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Residuals in units of their errors (B, T) and slopes in their band's shape (B, T, 4)."""
        shapes = shapes_of(x, self.n_bands)
        mine = shapes.gather(1, self.band[..., None].expand(-1, -1, N_SHAPES))
        flux, slopes = bazin_slopes(self.phase, mine)
        residual = torch.where(self.mask, (flux - self.flux) / self.error, 0.0)
        return residual, torch.where(self.mask[..., None], slopes / self.error[..., None], 0.0)

    # A measurement tells of the four shapes of its band alone, so sums over measurements are
    # taken band by band, in small matrices, and then brought to the coordinates.

    def _to_slope(self, first: Tensor) -> Tensor:
        """Sums of slopes over the measurements of each band, (B, F, 4), to shape (B, D)."""
        return (first.mT @ self.rows).flatten(1)

    def _to_curvature(self, second: Tensor) -> Tensor:
        """Sums of products of slopes over each band, (B, F, 16), to shape (B, D, D)."""
        pairs = (self.rows[:, :, None] * self.rows[:, None, :]).flatten(1)
        parts = (second.mT @ pairs).unflatten(-1, (self.n_bands, self.n_bands))
        parts = parts.unflatten(1, (N_SHAPES, N_SHAPES)).transpose(2, 3)
        return parts.flatten(3).flatten(1, 2)
