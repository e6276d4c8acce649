"""A Gaussian process in time and wavelength with a Matérn-3/2 kernel.

k(r) = A² (1 + √3 r) exp(-√3 r) with r² = (Δt / ℓ)² + (Δλ / 6000 Å)², mean zero, as in avocado
(Boone 2019, arXiv:1907.04690). ``gaussian_process_fit.py`` finds A and ℓ.

Letters in shapes: ``B`` objects, ``T`` padded observations, ``Q`` queries.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

WAVELENGTH_SCALE = 6000.0


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
