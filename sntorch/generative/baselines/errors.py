"""The error that a measurement would have had at another flux.

A survey limited by the sky has errors that hardly depend on the flux; photons and zero points add
to those of bright objects. The variance of a band is taken as sky² + p F + (f F)², fitted to the
training set, and each observation keeps its own quality: the ratio of its variance to that.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sntorch.simulation.resampled import MIN_FOR_FIT, fit_error_relation


def fit_error_law(flux: Tensor, flux_err: Tensor, band: Tensor, n_bands: int) -> Tensor:
    """sky², p and f² of every band, shape (F, 3).

    Args:
        flux: Fluxes of all observations, shape (N,).
        flux_err: Their errors, shape (N,).
        band: Their bands, shape (N,).
        n_bands: Number of bands F.
    """
    return torch.stack([_band_law(flux[band == f], flux_err[band == f]) for f in range(n_bands)])


def _band_law(flux: Tensor, flux_err: Tensor) -> Tensor:
    if len(flux) < MIN_FOR_FIT:
        sky = flux_err.square().median()
        return torch.stack([sky, torch.zeros_like(sky), torch.zeros_like(sky)])
    return torch.from_numpy(fit_error_relation(flux.numpy(), flux_err.numpy()))


def variance(law: Tensor, flux: Tensor, band: Tensor) -> Tensor:
    """Typical variance of measurements of the true flux ``flux`` (T,) in bands ``band`` (T,)."""
    bright = flux.clamp(min=0)
    sky, photons, relative = law[band].unbind(-1)
    return sky + photons * bright + relative * bright.square()


def quality(law: Tensor, flux: Tensor, flux_err: Tensor, band: Tensor) -> Tensor:
    """Variance of measurements in units of the typical one at their flux, shape (T,)."""
    return flux_err.square() / variance(law, flux, band)
