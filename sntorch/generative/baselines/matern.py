"""A Gaussian process in time and wavelength with a Matérn-3/2 kernel.

k(r) = A² (1 + √3 r) exp(-√3 r) with r² = (Δt / ℓ)² + (Δλ / 6000 Å)², mean zero, as in avocado
(Boone 2019, arXiv:1907.04690). A and ℓ are fitted to each object by maximum
likelihood (Rasmussen & Williams 2006, eq. 2.30 and 5.9), here by Fisher scoring of many objects
at once.

Letters in shapes: ``B`` objects, ``T`` padded observations, ``Q`` queries.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

WAVELENGTH_SCALE = 6000.0
FIRST_TIME_SCALE = 20.0
TIME_SCALES = (1.0, 1000.0)
WIDEST_AMPLITUDE = 10.0
ITERATIONS, TOLERANCE = 60, 1e-5


class Points(NamedTuple):
    """Places in time and wavelength: days (…, T) and Å (…, T)."""

    phase: Tensor
    wave: Tensor


def covariance(a: Points, b: Points, amplitude: Tensor, time_scale: Tensor) -> Tensor:
    """Covariance of fluxes, shape (…, T, Q).

    Args:
        a: Places, shape (…, T).
        b: Places, shape (…, Q).
        amplitude: A, flux units, shape (…).
        time_scale: ℓ, days, shape (…).
    """
    days = (a.phase[..., :, None] - b.phase[..., None, :]) / time_scale[..., None, None]
    waves = (a.wave[..., :, None] - b.wave[..., None, :]) / WAVELENGTH_SCALE
    r = (3 * (days.square() + waves.square())).sqrt()
    return amplitude[..., None, None].square() * (1 + r) * torch.exp(-r)


def posterior(
    seen: Points, flux: Tensor, flux_err: Tensor, queries: Points, scales: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Mean (Q,) and covariance (Q, Q) of the true flux of one object.

    Args:
        seen: Places of its measurements, shape (T,).
        flux: Measured fluxes, shape (T,).
        flux_err: Their errors, shape (T,).
        queries: Places that are asked for, shape (Q,).
        scales: Amplitude and time scale.
    """
    noisy = covariance(seen, seen, *scales) + torch.diag(flux_err.square())
    root = torch.linalg.cholesky(noisy)
    half = torch.linalg.solve_triangular(root, covariance(seen, queries, *scales), upper=False)
    white = torch.linalg.solve_triangular(root, flux[:, None], upper=False)
    prior = covariance(queries, queries, *scales)
    return (half.T @ white)[:, 0], prior - half.T @ half


def draw(mean: Tensor, cov: Tensor, normal: Tensor) -> Tensor:
    """A draw from a normal distribution of mean (Q,) and covariance (Q, Q), shape (Q,).

    Queries close together make the covariance singular up to rounding, which a Cholesky
    decomposition refuses.
    """
    values, vectors = torch.linalg.eigh(cov)
    return mean + vectors @ (values.clamp(min=0).sqrt() * normal)


def fit_scales(
    points: Points, flux: Tensor, flux_err: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Amplitude and time scale of each object, shape (B,) each.

    Args:
        points: Places of the measurements, shape (B, T).
        flux: Fluxes, shape (B, T).
        flux_err: Errors, shape (B, T).
        mask: True where there is a measurement, shape (B, T).
    """
    x = _first_guess(flux, flux_err, mask)
    low = torch.stack([x[:, 0] - WIDEST_AMPLITUDE, torch.full_like(x[:, 1], TIME_SCALES[0]).log()])
    high = torch.stack(
        [x[:, 0] + WIDEST_AMPLITUDE, torch.full_like(x[:, 1], TIME_SCALES[1]).log()]
    )
    value, slope, fisher = _evaluate(points, flux, flux_err, mask, x)
    damping, done = torch.full_like(value, 1e-2), torch.zeros_like(value, dtype=torch.bool)
    for _ in range(ITERATIONS):
        lift = damping[:, None] * fisher.diagonal(dim1=-2, dim2=-1) + 1e-9
        step = torch.linalg.solve(fisher + torch.diag_embed(lift), slope)
        expected = 0.5 * (step * (slope + lift * step)).sum(-1)
        tried = (x + step.clamp(-1, 1)).clamp(low.T, high.T)
        done = done | ((tried - x).abs().amax(-1) < TOLERANCE)
        if bool(done.all()):
            break
        new = _evaluate(points, flux, flux_err, mask, tried)
        gain = (new[0] - value) / expected
        better = (gain >= 0) & ~done
        x = torch.where(better[:, None], tried, x)
        value = torch.where(better, new[0], value)
        slope = torch.where(better[:, None], new[1], slope)
        fisher = torch.where(better[:, None, None], new[2], fisher)
        # The Fisher matrix is the mean curvature; that of one object may be several times larger.
        damping = damping * torch.where(gain < 0.25, 4.0, torch.where(gain > 0.75, 0.25, 1.0))
    return x[:, 0].exp(), x[:, 1].exp()


def _first_guess(flux: Tensor, flux_err: Tensor, mask: Tensor) -> Tensor:
    """Logarithms of half the flux of the best measurement and of 20 days, as in avocado."""
    top = torch.where(mask, flux.abs(), 0.0).amax(1, keepdim=True)
    snr = torch.where(mask, flux.abs() / (flux_err.square() + (0.01 * top).square()).sqrt(), -1.0)
    best = snr.argmax(1, keepdim=True)
    scale = torch.maximum(flux.abs(), flux_err).gather(1, best)[:, 0]
    return torch.stack([(0.5 * scale).log(), torch.full_like(scale, FIRST_TIME_SCALE).log()], -1)


def _evaluate(
    points: Points, flux: Tensor, flux_err: Tensor, mask: Tensor, x: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Log likelihood (B,), its slope (B, 2) in ln A and ln ℓ, and the Fisher matrix (B, 2, 2)."""
    amplitude, time_scale = x.exp().unbind(-1)
    pairs = mask[:, :, None] & mask[:, None, :]
    k = torch.where(pairs, covariance(points, points, amplitude, time_scale), 0.0)
    days = (points.phase[:, :, None] - points.phase[:, None, :]) / time_scale[:, None, None]
    waves = (points.wave[:, :, None] - points.wave[:, None, :]) / WAVELENGTH_SCALE
    fall = torch.exp(-(3 * (days.square() + waves.square())).sqrt())
    by_time = 3 * amplitude[:, None, None].square() * days.square() * fall
    slopes = torch.stack([2 * k, torch.where(pairs, by_time, 0.0)], 1)
    noise = torch.where(mask, flux_err.square(), 1.0)
    root = torch.linalg.cholesky(k + torch.diag_embed(noise))
    y = torch.where(mask, flux, 0.0)[..., None]
    alpha = torch.cholesky_solve(y, root)
    value = -0.5 * (y * alpha).sum((1, 2)) - root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    solved = torch.cholesky_inverse(root)[:, None] @ slopes
    trace = solved.diagonal(dim1=-2, dim2=-1).sum(-1)
    slope = 0.5 * ((alpha[:, None].mT @ slopes @ alpha[:, None])[..., 0, 0] - trace)
    fisher = 0.5 * torch.einsum("bkij,blji->bkl", solved, solved)
    return value, slope, fisher
