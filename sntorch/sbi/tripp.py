"""Supernovae as light-curve fits summarise them, each with the covariance of its own fit.

The Tripp (1998, A&A 331, 815) model with a population of stretch and colour (March et al. 2011,
MNRAS 418, 2308), at redshifts that are taken as given:

    x ~ N(x0, σ_x²),  c ~ N(c0, σ_c²),
    m = μ(z) + M0 - α x + β c + N(0, σ_int²),
    d = (m, x, c) + N(0, W),     W of the fit, with the distance's (5 σ_z / (z ln 10))² in m,

kept with a probability P(kept | d) of what was measured, see ``tripp_selection.py``. d | z, θ is
normal, so that P(kept | z, θ) is known. Distances are those of a given cosmology: nearby
supernovae say little of it. θ = (M0, α, β, σ_int, x0, σ_x, c0, σ_c).

Letters in shapes: ``N`` supernovae, ``B`` samples of them, ``C`` points θ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from sntorch.errors import ConfigError, DataError
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.taking import taken
from sntorch.sbi.tripp_selection import TrippSelection, draw_all
from sntorch.simulation.streams import Streams

PARAMETERS = ("m0", "alpha", "beta", "sigma_int", "x0", "sigma_x", "c0", "sigma_c")
PRIOR = BoxPrior(
    PARAMETERS,
    (-20.0, 0.0, 1.0, 0.01, -2.0, 0.3, -0.3, 0.02),
    (-18.5, 0.4, 5.0, 0.4, 2.0, 2.5, 0.2, 0.4),
)


@dataclass(frozen=True, eq=False)
class TrippSample:
    """Supernovae at given redshifts, one sample or B samples of the same ones.

    Attributes:
        redshift: For the distance, shape (N,).
        mu: Distance moduli, shape (N,).
        data: Measured m, x1 and c, shape (B, N, 3).
        covariance: Of the measurements, that of the distance included, shape (N, 3, 3).
        names: Of the supernovae.
    """

    redshift: Tensor
    mu: Tensor
    data: Tensor
    covariance: Tensor
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.names)
        if not n or self.data.ndim != 3 or self.data.shape[1:] != (n, 3):
            raise DataError(
                f"Tripp sample: data (B, {n}, 3) of at least one supernova are accepted; found "
                f"{tuple(self.data.shape)}"
            )
        for name, values in (("data", self.data[0]), ("covariance", self.covariance)):
            bad = (~values.isfinite()).flatten(1).any(1).nonzero()[:, 0]
            if len(bad):
                raise DataError(f"{self.names[int(bad[0])]}: {name} is not a finite number")
        worst = torch.linalg.eigvalsh(self.covariance)[:, 0]
        if float(worst.min()) <= 0:
            name = self.names[int(worst.argmin())]
            raise DataError(f"{name}: its covariance of m, x1 and c is not positive definite")

    def __len__(self) -> int:
        return len(self.data)

    @property
    def mask(self) -> Tensor:
        """Which are supernovae: all, shape (B, N), bool."""
        return torch.ones(self.data.shape[:2], dtype=torch.bool, device=self.data.device)

    def take(self, index: Tensor) -> Self:
        """The chosen samples."""
        return replace(self, data=self.data[index])

    def of(self, chosen: Tensor) -> Self:
        """The same samples with the chosen supernovae only."""
        names = tuple(self.names[int(i)] for i in chosen)
        parts = {name: getattr(self, name)[chosen] for name in ("redshift", "mu", "covariance")}
        return replace(self, data=self.data[:, chosen], names=names, **parts)

    def to(self, device: torch.device | str) -> Self:
        """The same on a device."""
        tensors = ("redshift", "mu", "data", "covariance")
        return replace(self, **{name: getattr(self, name).to(device) for name in tensors})


def population_root(theta: Tensor) -> Tensor:
    """A root of the population's covariance of (m, x, c), shape (..., 3, 3), of θ (..., 8)."""
    _, alpha, beta, sigma_int, _, sigma_x, _, sigma_c = theta.unbind(-1)
    zero = torch.zeros_like(alpha)
    rows = [(sigma_int, -alpha * sigma_x, beta * sigma_c), (zero, sigma_x, zero)]
    rows.append((zero, zero, sigma_c))
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def tripp_moments(sample: TrippSample, theta: Tensor) -> tuple[Tensor, Tensor]:
    """Mean, shape (..., N, 3), and covariance, shape (..., N, 3, 3), of d at θ (..., 8)."""
    m0, alpha, beta, _, x0, _, c0, _ = theta[..., None].unbind(-2)
    magnitude = sample.mu + m0 - alpha * x0 + beta * c0
    mean = torch.stack([magnitude, x0.expand_as(magnitude), c0.expand_as(magnitude)], -1)
    root = population_root(theta)[..., None, :, :]
    return mean, root @ root.mT + sample.covariance


def factor_features(factor: Tensor) -> Tensor:
    """What tells triangular factors (..., 3, 3) of covariances, of order one, shape (..., 6).

    Logarithms of the diagonal, and what lies below it relative to that.
    """
    below = torch.stack([factor[..., 1, 0], factor[..., 2, 0], factor[..., 2, 1]], -1)
    size = factor.diagonal(dim1=-2, dim2=-1)
    return torch.cat([size.log(), below / size[..., [1, 2, 2]]], -1)


class TrippLikelihood:
    """ln p(d | z, θ, kept) of B samples at C points each.

    Args:
        sample: The supernovae.
        selection: What was kept; None ignores it.
    """

    def __init__(self, sample: TrippSample, selection: TrippSelection | None) -> None:
        self.sample, self.selection = sample, selection

    def __len__(self) -> int:
        return len(self.sample)

    def __call__(self, theta: Tensor) -> Tensor:
        """ln p up to a constant, shape (B, C), of θ (B, C, 8)."""
        mean, covariance = tripp_moments(self.sample, theta)
        factor, _ = torch.linalg.cholesky_ex(covariance)
        residual = (self.sample.data[:, None] - mean)[..., None]
        white = torch.linalg.solve_triangular(factor, residual, upper=False)[..., 0]
        found = -(white**2).sum(-1) / 2 - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        if self.selection is not None:
            found = found - self.selection.log_kept(mean, covariance)
        return found.sum(-1)

    def take(self, index: Tensor) -> Self:
        """That of the chosen samples."""
        return taken(self, index, "sample")


def simulate_tripp(
    sample: TrippSample,
    theta: Tensor,
    selection: TrippSelection | None,
    seed: int,
    first: int = 0,
) -> TrippSample:
    """Samples at the redshifts and with the covariances of a given one.

    Only supernovae that are kept are drawn: redshifts are given, so that where one was not kept
    another would have been.

    Args:
        sample: Redshifts, distances and covariances.
        theta: Parameters of each sample, shape (B, 8), float64.
        selection: What is kept; None keeps everything.
        seed: Any integer.
        first: Number of the first sample; the b-th is number ``first + b`` of the seed.

    Raises:
        ConfigError: A selection that keeps next to nothing at a redshift.
    """
    mean, covariance = tripp_moments(sample, theta)
    factor = torch.linalg.cholesky(covariance)
    streams = Streams(seed, first + torch.arange(len(theta)), "tripp/")
    if selection is None:
        return replace(sample, data=draw_all(mean, factor, streams))
    data = selection.draw_kept(mean, factor, streams)
    impossible = (~data.isfinite()).any(-1).nonzero()
    if len(impossible):
        name = sample.names[int(impossible[0, 1])]
        raise ConfigError(f"{selection} keeps next to nothing at the redshift of {name}")
    return replace(sample, data=data)


def tripp_statistics(sample: TrippSample) -> dict[str, Tensor]:
    """Of each sample: means and standard deviations of m - μ, x1 and c, and the slope of the
    first with redshift, shape (B,) each.
    """
    m, x1, c = sample.data.unbind(-1)
    residual, place = m - sample.mu, sample.redshift - sample.redshift.mean()
    found = {"slope with z": (residual * place).sum(1) / (place**2).sum()}
    for name, values in (("m - mu", residual), ("x1", x1), ("c", c)):
        found[f"mean {name}"], found[f"sd {name}"] = values.mean(1), values.std(1)
    return found


def malmquist(
    sample: TrippSample, theta: Tensor, selection: TrippSelection
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The sample against the Hubble line of θ (8,), and what selection does to it.

    Returns:
        Redshift; standardised magnitude minus the line, and its standard deviation; its mean among
        kept supernovae; probability to be kept; shape (N,) each.
    """
    m0, alpha, beta = theta[:3]
    m, x1, c = sample.data[0].unbind(-1)
    mean, covariance = tripp_moments(sample, theta)
    direction = torch.stack([torch.ones_like(alpha), alpha, -beta])
    sd = (direction @ covariance @ direction).sqrt()
    mean.requires_grad_()
    log_kept = selection.log_kept(mean, covariance)
    # Stein's (1981) identity: the mean of d among kept ones moves by C times this gradient.
    (slope,) = torch.autograd.grad(log_kept.sum(), mean)
    shift = ((covariance @ direction) * slope).sum(-1)
    residual = m - sample.mu - m0 + alpha * x1 - beta * c
    return sample.redshift, residual, sd, shift, log_kept.detach().exp()
