"""Amplitude and time scale of the Gaussian processes of many objects at once.

Both are those of maximum likelihood (Rasmussen & Williams 2006, eq. 2.30 and 5.9), found by
Fisher scoring: Newton's method with the mean curvature, damped where a step fails. Objects that
have arrived leave the batch, so that the slowest ones do not hold up the others.

Letters in shapes: ``B`` objects, ``T`` padded observations.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple, Self

import torch
from torch import Tensor

from sntorch.nn.gaussian_process import WAVELENGTH_SCALE, Points

FIRST_TIME_SCALE = 20.0
TIME_SCALES = (1.0, 1000.0)
WIDEST_AMPLITUDE = 10.0
ITERATIONS, TOLERANCE = 60, 1e-5
# Taking out objects that are done copies the others; it pays off when enough are.
CROWDED = 0.9
# Squared distance, large enough for a covariance of zero.
FAR = 1e8


def fit_scales(
    points: Points, flux: Tensor, flux_err: Tensor, mask: Tensor, tolerance: float = TOLERANCE
) -> tuple[Tensor, Tensor]:
    """Amplitude and time scale of each object, shape (B,) each.

    Args:
        points: Places of the measurements, shape (B, T).
        flux: Fluxes, shape (B, T).
        flux_err: Errors, shape (B, T).
        mask: True where there is a measurement, shape (B, T).
        tolerance: A step that changes ln A and ln ℓ by less is an object's last.
    """
    x = _first_guess(flux, flux_err, mask)
    found, open_ = x.clone(), torch.arange(len(x), device=x.device)
    seen = _Measurements.of(points, flux, flux_err, mask)
    search = _Search.start(seen, x)
    for _ in range(ITERATIONS):
        running = ~search.advance(seen, tolerance)
        found[open_] = search.x
        if not bool(running.any()):
            break
        if int(running.sum()) < CROWDED * len(running):
            open_, seen, search = open_[running], seen.pick(running), search.pick(running)
    return found[:, 0].exp(), found[:, 1].exp()


def _first_guess(flux: Tensor, flux_err: Tensor, mask: Tensor) -> Tensor:
    """Logarithms of half the flux of the best measurement and of 20 days, as in avocado."""
    top = torch.where(mask, flux.abs(), 0.0).amax(1, keepdim=True)
    snr = torch.where(mask, flux.abs() / (flux_err.square() + (0.01 * top).square()).sqrt(), -1.0)
    best = snr.argmax(1, keepdim=True)
    scale = torch.maximum(flux.abs(), flux_err).gather(1, best)[:, 0]
    return torch.stack([(0.5 * scale).log(), torch.full_like(scale, FIRST_TIME_SCALE).log()], -1)


@dataclass(frozen=True)
class _Measurements:
    """What does not change while the scales are searched for.

    Attributes:
        days: 3 times the squared differences in time, days², shape (B, T, T).
        waves: 3 times the squared differences in units of 6000 Å, shape (B, T, T); ``FAR`` unless
            both are measurements, so that these do not vary together.
        flux: Fluxes, 0 where padded, shape (B, T, 1).
        noise: Their variances, 1 where padded, shape (B, T).
    """

    days: Tensor
    waves: Tensor
    flux: Tensor
    noise: Tensor

    @classmethod
    def of(cls, points: Points, flux: Tensor, flux_err: Tensor, mask: Tensor) -> Self:
        """Prepare the measurements of objects; nothing that is masked enters."""
        place = Points(*(torch.where(mask, axis, 0.0) for axis in points))
        days = place.phase[:, :, None] - place.phase[:, None, :]
        waves = (place.wave[:, :, None] - place.wave[:, None, :]) / WAVELENGTH_SCALE
        pairs = mask[:, :, None] & mask[:, None, :]
        apart = torch.where(pairs, 3 * waves.square(), FAR)
        y = torch.where(mask, flux, 0.0)[..., None]
        noise = torch.where(mask, flux_err.square(), 1.0)
        return cls(3 * days.square(), apart, y, noise)

    def pick(self, index: Tensor) -> Self:
        """Those of some objects."""
        return type(self)(*(getattr(self, f.name)[index] for f in fields(self)))


class _Likelihood(NamedTuple):
    """Log likelihood (B,), its slope (B, 2) in ln A and ln ℓ, and the Fisher matrix (B, 2, 2)."""

    value: Tensor
    slope: Tensor
    fisher: Tensor

    def pick(self, index: Tensor) -> _Likelihood:
        """That of some objects."""
        return _Likelihood(*(each[index] for each in self))

    def updated(self, where: Tensor, new: _Likelihood) -> _Likelihood:
        """The new one of the objects at which ``where`` (B,) is true."""
        value = torch.where(where, new.value, self.value)
        slope = torch.where(where[:, None], new.slope, self.slope)
        return _Likelihood(
            value, slope, torch.where(where[:, None, None], new.fisher, self.fisher)
        )


def _evaluate(seen: _Measurements, x: Tensor) -> _Likelihood:
    """The likelihood at logarithms of the scales (B, 2).

    With K the kernel, N the noise and C = K + N, ∂C/∂ln A is 2 K, and C⁻¹ K is 1 - C⁻¹ N; so
    all but ∂C/∂ln ℓ enters by C⁻¹ and the diagonal N alone.
    """
    square, over = (2 * x[:, 0]).exp()[:, None, None], (-2 * x[:, 1]).exp()[:, None, None]
    days = seen.days * over
    r = (days + seen.waves).sqrt_()
    fall = r.neg().exp_().mul_(square)
    by_time = days.mul_(fall)
    noisy = r.add_(1).mul_(fall)
    noisy.diagonal(dim1=-2, dim2=-1).add_(seen.noise)
    root, failed = torch.linalg.cholesky_ex(noisy)
    if bool(failed.any()):
        # Singular up to rounding: such a step is never taken.
        root = torch.where((failed > 0)[:, None, None], torch.eye(root.shape[-1]).to(root), root)
    inverse = torch.cholesky_inverse(root)
    alpha = (inverse @ seen.flux)[..., 0]
    flux, noise = seen.flux[..., 0], seen.noise
    value = -0.5 * (flux * alpha).sum(1) - root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    value = torch.where(failed > 0, -torch.inf, value)
    # tr C⁻¹K, C⁻¹ ∂C/∂ln ℓ and its trace.
    kept = 1 - inverse.diagonal(dim1=-2, dim2=-1) * noise
    by_scale = inverse @ by_time
    scale_trace = by_scale.diagonal(dim1=-2, dim2=-1).sum(-1)
    in_time = (alpha * (by_time @ alpha[..., None])[..., 0]).sum(1)
    slope = [
        (alpha * (flux - noise * alpha)).sum(1) - kept.sum(1),
        0.5 * (in_time - scale_trace),
    ]
    crossed = scale_trace - ((by_scale * inverse).sum(-1) * noise).sum(1)
    squared = (noise * (inverse.square() @ noise[..., None])[..., 0]).sum(1)
    both = (2 * kept - 1).sum(1) + squared
    in_scale = 0.5 * (by_scale * by_scale.mT).sum((1, 2))
    fisher = torch.stack([2 * both, crossed, crossed, in_scale], -1).unflatten(-1, (2, 2))
    return _Likelihood(value, torch.stack(slope, -1), fisher)


@dataclass
class _Search:
    """Where the search stands.

    Attributes:
        x: Logarithms of the scales, shape (B, 2).
        low, high: Bounds of ``x``, shape (B, 2).
        at: The likelihood there.
        damping: How far steps stay behind those of Fisher scoring, shape (B,).
    """

    x: Tensor
    low: Tensor
    high: Tensor
    at: _Likelihood
    damping: Tensor

    @classmethod
    def start(cls, seen: _Measurements, x: Tensor) -> Self:
        """Begin at ``x``."""
        ends = torch.tensor(TIME_SCALES, dtype=x.dtype, device=x.device).log()
        low = torch.stack([x[:, 0] - WIDEST_AMPLITUDE, ends[0].expand(len(x))], -1)
        high = torch.stack([x[:, 0] + WIDEST_AMPLITUDE, ends[1].expand(len(x))], -1)
        return cls(x, low, high, _evaluate(seen, x), torch.full_like(x[:, 0], 1e-2))

    def pick(self, index: Tensor) -> Self:
        """That of some objects."""
        x, low, high = self.x[index], self.low[index], self.high[index]
        return type(self)(x, low, high, self.at.pick(index), self.damping[index])

    def advance(self, seen: _Measurements, tolerance: float) -> Tensor:
        """Make one step where it raises the likelihood, and say who is done, shape (B,)."""
        value, slope, fisher = self.at
        lift = self.damping[:, None] * fisher.diagonal(dim1=-2, dim2=-1) + 1e-9
        step = torch.linalg.solve(fisher + torch.diag_embed(lift), slope)
        expected = 0.5 * (step * (slope + lift * step)).sum(-1)
        tried = (self.x + step.clamp(-1, 1)).clamp(self.low, self.high)
        done = (tried - self.x).abs().amax(-1) < tolerance
        if bool(done.all()):
            self.x = tried
            return done
        new = _evaluate(seen, tried)
        gain = (new.value - value) / expected
        better = gain >= 0
        self.x = torch.where((better | done)[:, None], tried, self.x)
        self.at = self.at.updated(better, new)
        # The Fisher matrix is the mean curvature; that of one object may be several times larger.
        self.damping *= torch.where(gain < 0.25, 4.0, torch.where(gain > 0.75, 0.25, 1.0))
        return done
