"""Photometry as numbers of order one, without looking ahead.

Fluxes are compared with a typical error of their band in the training set, so that brightness is
kept, and with their own error, so that significance is; both by asinh, which is linear in the
noise and logarithmic above it (Lupton, Gunn & Szalay 1999, AJ 118, 1406). Nothing is divided by
the maximum of a light curve, which an early classifier does not know.

Letters in shapes: ``B`` objects, ``T`` observations or ``N`` nights, ``F`` bands.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sntorch.data.batch import LightCurveBatch
from sntorch.data.nights import Nights

# Numbers a measurement becomes.
FEATURES = 3
# Significance of a detection.
DETECTION = 5.0
DAYS = 10.0


class Photometry(nn.Module):
    """Scales fluxes and errors by the typical error of each band.

    Args:
        n_bands: Number of bands F.
    """

    scale: Tensor

    def __init__(self, n_bands: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(n_bands))

    def fit(self, batch: LightCurveBatch) -> None:
        """Median error of every band among training objects; bands without any keep 1."""
        for band in range(len(self.scale)):
            errors = batch.flux_err[batch.mask & (batch.band == band)]
            if len(errors):
                self.scale[band] = errors.median()

    def forward(self, nights: Nights) -> Tensor:
        """Features of nights, shape (B, N, F, 3); zero where a band was not observed."""
        flux, error = nights.flux.float(), nights.flux_err.float()
        return self._features(flux, error, self.scale) * nights.seen[..., None]

    def of_observations(self, batch: LightCurveBatch) -> Tensor:
        """Features of observations, shape (B, T, 3); zero where padded."""
        features = self._features(
            batch.flux.float(), batch.flux_err.float(), self.scale[batch.band]
        )
        return features * batch.mask[..., None]

    def _features(self, flux: Tensor, error: Tensor, scale: Tensor) -> Tensor:
        parts = (
            torch.asinh(flux / scale),
            torch.log(error / scale),
            torch.asinh(flux / error),
        )
        return torch.stack(parts, dim=-1)


def since_first(time: Tensor, mask: Tensor) -> Tensor:
    """Days since the first valid time, shape (B, T), float32; 0 where padded."""
    first = torch.where(mask, time, torch.inf).amin(1, keepdim=True)
    return torch.where(mask, time - first, 0.0).float()


def since_trigger(time: Tensor, mask: Tensor, significance: Tensor) -> Tensor:
    """Days since the first detection, or since the first observation where there is none.

    Args:
        time: MJD, shape (B, T).
        mask: True where valid, shape (B, T).
        significance: Flux over error, shape (B, T).
    """
    detected = mask & (significance > DETECTION)
    counted = torch.where(detected.any(1, keepdim=True), detected, mask)
    first = torch.where(counted, time, torch.inf).amin(1, keepdim=True)
    return torch.where(mask, time - first, 0.0).float()


def elapsed(time: Tensor, mask: Tensor) -> Tensor:
    """Days since the previous valid time, 0 at the first, shape (B, T), float32."""
    gaps = torch.zeros_like(time)
    gaps[:, 1:] = torch.where(mask[:, 1:], time[:, 1:] - time[:, :-1], 0.0)
    return gaps.float()
