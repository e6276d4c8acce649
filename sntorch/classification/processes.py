"""Gaussian processes of light curves: fitted to some, and read off on a grid, where the time goes.

Errors have a floor of 1 % of the largest flux of an object, below which covariances are singular
in single precision; the search for the scales ends within about 1 %.

Letters in shapes: ``B`` objects, ``T`` padded observations, ``W`` wavelengths, ``D`` days.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.nn.gaussian_process import WAVELENGTH_SCALE, Points, covariance
from sntorch.nn.gaussian_process_fit import fit_scales
from sntorch.physics.bandpasses import get_bandpass

ERROR_FLOOR = 0.01
TOLERANCE = 0.03
# Numbers in a block of covariances: what a core's cache holds.
BLOCK = 1 << 18


class Processes(NamedTuple):
    """Gaussian processes with what they were fitted to; padding is at the end and masked.

    Attributes:
        points: Places of the measurements, shape (B, T).
        flux: Fluxes, shape (B, T).
        flux_err: Errors, shape (B, T).
        mask: True where there is a measurement, shape (B, T).
        amplitude: Flux units, shape (B,).
        time_scale: Days, shape (B,).
    """

    points: Points
    flux: Tensor
    flux_err: Tensor
    mask: Tensor
    amplitude: Tensor
    time_scale: Tensor

    def pick(self, index: Tensor) -> Processes:
        """Those of some objects."""
        points = Points(*(axis[index] for axis in self.points))
        return Processes(points, *(each[index] for each in self[1:]))


def fit_processes(batch: LightCurveBatch, dtype: torch.dtype = torch.float32) -> Processes:
    """The processes of a few objects, each with one measurement or more."""
    waves = [get_bandpass(band).pivot_wavelength for band in batch.bands]
    wave = torch.tensor(waves, dtype=dtype, device=batch.device)[batch.band]
    points, mask = Points(batch.phase.to(dtype), wave), batch.mask
    flux = torch.where(mask, batch.flux, 0.0).to(dtype)
    error = torch.hypot(batch.flux_err.to(dtype), ERROR_FLOOR * flux.abs().amax(1, keepdim=True))
    error = torch.where(mask, error, 1.0)
    scales = fit_scales(points, flux, error, mask, tolerance=TOLERANCE)
    return Processes(points, flux, error, mask, *scales)


def predict(known: Processes, grid: Points) -> Tensor:
    """Mean and standard deviation on a grid of times (D,) and wavelengths (W,): (B, 2, W, D)."""
    whiten, weights = _solved(known)
    size = whiten.shape[:2]
    days = _scaled_squares(known.points.phase, grid.phase, known.time_scale[:, None, None])
    waves = _scaled_squares(known.points.wave, grid.wave, WAVELENGTH_SCALE)
    rows = max(BLOCK // (size.numel() * len(grid.phase)), 1)
    parts = [
        _block(whiten, weights, days, part).unflatten(-1, (-1, len(grid.phase)))
        for part in waves.split(rows, dim=-1)
    ]
    return known.amplitude[:, None, None, None] * torch.cat(parts, dim=2)


def _solved(known: Processes) -> tuple[Tensor, Tensor]:
    """For covariances in units of A²: L⁻¹ of those of the measurements (B, T, T), and the weights
    of the mean (B, 1, T), in units of A; both are 0 where padded.
    """
    one = torch.ones_like(known.amplitude)
    prior = covariance(known.points, known.points, one, known.time_scale)
    pairs = known.mask[:, :, None] & known.mask[:, None, :]
    noise = (known.flux_err / known.amplitude[:, None]).square() + 8 * torch.finfo(one.dtype).eps
    root = torch.linalg.cholesky(torch.where(pairs, prior, 0.0) + torch.diag_embed(noise))
    unit = torch.eye(root.shape[-1], dtype=root.dtype, device=root.device)
    whiten = torch.linalg.solve_triangular(root, unit.expand_as(root), upper=False)
    whiten = torch.where(pairs, whiten, 0.0).contiguous()
    flux = (known.flux / known.amplitude[:, None])[..., None]
    return whiten, (whiten.mT @ (whiten @ flux)).mT


def _scaled_squares(a: Tensor, b: Tensor, scale: Tensor | float) -> Tensor:
    """3 times the squared distances of a (B, T) and b (Q,), shape (B, T, Q)."""
    return 3 * ((a[:, :, None] - b) / scale).square()


def _block(whiten: Tensor, weights: Tensor, days: Tensor, waves: Tensor) -> Tensor:
    """Mean and standard deviation in units of A at some wavelengths, shape (B, 2, W·D).

    In place, as this is where the time goes.
    """
    r = (days[:, :, None, :] + waves[..., None]).flatten(2).sqrt_()
    fall = r.neg().exp_()
    seen = torch.addcmul(fall, r, fall, out=r)
    mean = weights @ seen
    explained = torch.matmul(whiten, seen, out=fall).square_().sum(1, keepdim=True)
    return torch.cat([mean, explained.neg_().add_(1).clamp_(min=0).sqrt_()], dim=1)
