"""Measured supernovae at known places, kept or not, from which the share that is kept is learnt.

Each supernova of a sample has injections of its own, put where its measured m, x1 and c may lie
for any θ of a region, half of them, and where those that are kept may lie, the other half. Both
are normal, and an injection counts with the density of the two together (the balance heuristic of
Veach & Guibas 1995), so that neither half has to be right. Within a half they are the points of a
Sobol sequence, shifted at random for each supernova (Cranley & Patterson 1976): the errors of
different supernovae are independent, and smaller than those of independent points.

Letters in shapes: ``N`` supernovae, ``K`` injections of each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.summary_simulator import draw_prior
from sntorch.sbi.tripp import TrippSample, tripp_moments
from sntorch.sbi.tripp_selection import TrippSelection
from sntorch.simulation.streams import Streams

# Standard deviations of injections are this much larger than those of what may be measured.
BROADER = 1.25
# θ of the region that are looked at; tries to find kept supernovae, and points of each.
N_THETA, TRIES, N_TRIED = 256, 3, 2_048
# A supernova itself, which was kept, counts as so many of those points.
ITSELF = 3.0
FEWEST = 256


@dataclass(frozen=True, eq=False)
class Injections:
    """What was injected; the two halves of the K are independent of each other.

    Attributes:
        data: Measured m, x1 and c, shape (N, K, 3).
        log_density: ln of the density that they were drawn from, shape (N, K).
        kept: P(kept | d), shape (N, K).
        mean: Of what may be measured, shape (N, 3).
        factor: Of the covariance of that, lower triangular, shape (N, 3, 3).
    """

    data: Tensor
    log_density: Tensor
    kept: Tensor
    mean: Tensor
    factor: Tensor


def inject_tripp(
    sample: TrippSample, selection: TrippSelection, prior: BoxPrior, n: int, seed: int
) -> Injections:
    """Injections of all supernovae of a sample.

    Args:
        sample: Redshifts, distances, covariances, and the supernovae, which were kept.
        selection: What is kept.
        prior: The region of θ.
        n: Number of them at least; each supernova has the same power of two, 256 or more.
        seed: Any integer.

    Raises:
        ConfigError: A selection that keeps nothing.
    """
    each = max(FEWEST, 2 ** math.ceil(math.log2(n / len(sample.names))))
    streams = Streams(seed, torch.arange(len(sample.names)), "tripp-injections/")
    mean, covariance = _measured(sample, draw_prior(prior, N_THETA, seed))
    before = _Normal(mean, torch.linalg.cholesky(covariance))
    everywhere = kept = before.broader()
    for number in range(TRIES):
        tried = _drawn(everywhere, kept, N_TRIED, streams.within(f"try {number}"), seed)
        kept = _kept(sample, before, tried, selection.log_probability(tried[0]))
    halves = [
        _drawn(everywhere, kept, each // 2, streams.within(f"half {half}"), seed)
        for half in range(2)
    ]
    data, log_density = (torch.cat(parts, 1) for parts in zip(*halves, strict=True))
    found = selection.log_probability(data).exp()
    if not bool((found > 0).any()):
        raise ConfigError(f"selection {selection}: keeps none of {found.numel()} injections")
    return Injections(data, log_density, found, before.mean, before.factor)


@dataclass(frozen=True, eq=False)
class _Normal:
    """One normal distribution for each of N supernovae: means (N, 3), factors (N, 3, 3)."""

    mean: Tensor
    factor: Tensor

    def broader(self) -> Self:
        """With larger standard deviations."""
        return replace(self, factor=BROADER * self.factor)

    def points(self, n: int, streams: Streams, seed: int) -> Tensor:
        """Points of a shifted Sobol sequence, shape (N, n, 3)."""
        engine = torch.quasirandom.SobolEngine(3, scramble=True, seed=seed)
        even = (engine.draw(n, dtype=torch.float64) + streams.uniform("shift", 1, 3)) % 1.0
        tiny = torch.finfo(torch.float64).eps
        return (
            self.mean[:, None] + torch.special.ndtri(even.clamp(tiny, 1 - tiny)) @ self.factor.mT
        )

    def log_prob(self, data: Tensor) -> Tensor:
        """ln of the density, (2π)^-3/2 left out, shape (N, K), of (N, K, 3)."""
        white = whitened(data, self.mean, self.factor)
        volume = self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1, keepdim=True)
        return -(white**2).sum(-1) / 2 - volume


def whitened(data: Tensor, mean: Tensor, factor: Tensor) -> Tensor:
    """factor⁻¹ (data - mean), shape (N, K, 3), of data (N, K, 3)."""
    residual = (data - mean[:, None]).mT
    return torch.linalg.solve_triangular(factor, residual, upper=False).mT


def _measured(sample: TrippSample, theta: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (N, 3) and covariance (N, 3, 3) of what is measured for any of some θ (S, 8)."""
    means, covariances = tripp_moments(sample, theta)
    mean = means.mean(0)
    off = means - mean
    return mean, (covariances + off[..., None] * off[..., None, :]).mean(0)


def _drawn(
    first: _Normal, second: _Normal, n: int, streams: Streams, seed: int
) -> tuple[Tensor, Tensor]:
    """n points, half from each distribution, shape (N, n, 3), and ln of their density (N, n)."""
    parts = [
        one.points(n // 2, streams.within(name), seed)
        for name, one in (("first", first), ("second", second))
    ]
    data = torch.cat(parts, 1)
    return data, torch.logaddexp(first.log_prob(data), second.log_prob(data)) - math.log(2)


def _kept(
    sample: TrippSample, before: _Normal, tried: tuple[Tensor, Tensor], log_kept: Tensor
) -> _Normal:
    """Where those that are kept may lie, by the moments of the kept ones among points.

    Args:
        sample: Each of its supernovae was kept.
        before: Where measured ones may lie.
        tried: Points and ln of their density, of ``_drawn``.
        log_kept: ln P(kept) of them.
    """
    data, log_density = tried
    # Zero for all where none is kept.
    weight = (before.log_prob(data) - log_density + log_kept).softmax(1).nan_to_num(0.0)
    number = torch.where(weight.any(1), 1 / (weight**2).sum(1), 0.0)[:, None]
    mean = (weight[..., None] * data).sum(1)
    off = data - mean[:, None]
    spread = (weight[..., None] * off).mT @ off
    total = number + ITSELF
    covariance = before.factor @ before.factor.mT
    covariance = (number[..., None] * spread + ITSELF * covariance) / total[..., None]
    mean = (number * mean + ITSELF * sample.data[0]) / total
    return _Normal(mean, torch.linalg.cholesky(covariance)).broader()
