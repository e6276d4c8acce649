"""Light curves on a grid of days, as the encoder reads them.

Days are sidereal: a telescope that returns to an object does so at the same sidereal time, so
that nights fall on the grid, which counts from one of the observations.

Letters in shapes: ``B`` objects, ``T`` observations, ``F`` bands, ``W`` days of the window.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from sntorch.classification.inputs import DETECTION
from sntorch.data.batch import LightCurveBatch
from sntorch.data.transforms import Deredden

WINDOW = 300
FIRST_DAY = -WINDOW // 2
SIDEREAL_DAY = 86164.0905 / 86400
# Observations of the highest significance, of which the reference time is the median.
N_BRIGHTEST = 5
# Least error of a flux, in units of the object's brightness.
ERROR_FLOOR = 0.01


class Jitter(NamedTuple):
    """What augmentation does to the grid.

    Attributes:
        days: Shift of the grid, whole days, shape (B,).
        brightness: Factor of the scale of fluxes, shape (B,).
    """

    days: Tensor
    brightness: Tensor


@dataclass(frozen=True)
class Gridded:
    """Light curves within the window, in float32.

    Attributes:
        days: Sidereal days since the grid's zero, not rounded, shape (B, T), T >= 1.
        flux: Flux over ``scale``, shape (B, T); 0 where padded.
        weight: Inverse variance with the error floor, shape (B, T); 0 where padded.
        band: Index of the band, shape (B, T).
        mask: True where there is an observation, shape (B, T).
        scale: Brightness of the object, in the batch's unit of flux, shape (B,).
        channels: Flux and weight of every band and day, shape (B, 2F, W).
    """

    days: Tensor
    flux: Tensor
    weight: Tensor
    band: Tensor
    mask: Tensor
    scale: Tensor
    channels: Tensor


def gridded(batch: LightCurveBatch, mwebv: Tensor, jitter: Jitter | None = None) -> Gridded:
    """Put light curves on the grid.

    Args:
        batch: The light curves.
        mwebv: Milky-Way E(B-V) that dims them, mag, shape (B,); the grid's fluxes are without.
        jitter: Augmentation, if any.
    """
    batch = _with_a_column(replace(batch, mwebv=mwebv))
    zero = _reference_time(batch)[:, None]
    inside = _on_grid(_days(batch, zero, jitter)) != WINDOW
    batch = _with_a_column(batch.where(inside))
    days = _days(batch, zero, jitter)
    clear = Deredden()(batch)
    scale = _brightness(clear) * (1 if jitter is None else jitter.brightness)
    flux, error = (_scaled(values, scale, batch.mask) for values in (batch.flux, batch.flux_err))
    weight = batch.mask / (error.square() + ERROR_FLOOR**2)
    place = torch.where(batch.mask, _on_grid(days), WINDOW)
    channels = _channels(clear, scale, place)
    return Gridded(days.float(), flux, weight, batch.band, batch.mask, scale.float(), channels)


def _with_a_column(batch: LightCurveBatch) -> LightCurveBatch:
    """The same batch, padded to one observation where there is none at all."""
    if batch.time.shape[1]:
        return batch
    empty = batch.time.new_zeros(len(batch), 1)
    none = torch.zeros_like(empty, dtype=torch.bool)
    observed = {"time": empty, "flux": empty, "flux_err": torch.ones_like(empty)}
    flags = {"mask": none, "upper_limit": none, "band": none.long()}
    return replace(batch, **observed, **flags)


def _significance(batch: LightCurveBatch) -> Tensor:
    return (batch.flux / batch.flux_err).masked_fill(~batch.mask, -torch.inf)


def _reference_time(batch: LightCurveBatch) -> Tensor:
    """Median time of the most significant observations, of detections if any, shape (B,)."""
    n_brightest = min(N_BRIGHTEST, batch.time.shape[1])
    significance, which = _significance(batch).topk(n_brightest, dim=1)
    time = batch.time.gather(1, which)
    detected = significance > DETECTION
    counted = torch.where(detected.any(1, keepdim=True), detected, significance.isfinite())
    # The lower median of an even number, so that it is the time of an observation.
    median = time.masked_fill(~counted, torch.nan).nanmedian(dim=1).values
    return median.nan_to_num()


def _days(batch: LightCurveBatch, zero: Tensor, jitter: Jitter | None) -> Tensor:
    days = (batch.time - zero) / SIDEREAL_DAY
    moved = days if jitter is None else days - jitter.days[:, None]
    return torch.where(batch.mask, moved, 0.0)


def _on_grid(days: Tensor) -> Tensor:
    """Number of the day on the grid, ``WINDOW`` where it is outside, shape (B, T)."""
    number = days.round().long() - FIRST_DAY
    return torch.where((number >= 0) & (number < WINDOW), number, WINDOW)


def _brightness(batch: LightCurveBatch) -> Tensor:
    """Largest flux of a detection, or of any observation where none is detected, shape (B,)."""
    significance = _significance(batch)
    detected = significance > DETECTION
    counted = torch.where(detected.any(1, keepdim=True), detected, batch.mask)
    largest = batch.flux.masked_fill(~counted, -torch.inf).amax(1)
    noise = batch.flux_err.masked_fill(~batch.mask, 0.0).amax(1)
    bright = torch.where(largest > 0, largest, noise)
    return torch.where(batch.mask.any(1), bright, 1.0)


def _scaled(values: Tensor, scale: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, values / scale[:, None], 0.0).float()


def _channels(batch: LightCurveBatch, scale: Tensor, place: Tensor) -> Tensor:
    """Weighted means of days, and their weights between 0 and 1, shape (B, 2F, W)."""
    n, n_bands = len(batch), len(batch.bands)
    flux, error = (_scaled(values, scale, batch.mask) for values in (batch.flux, batch.flux_err))
    precision = batch.mask / torch.where(batch.mask, error, 1.0).square()
    cell = batch.band * (WINDOW + 1) + place
    total, light = (
        torch.zeros(n, n_bands * (WINDOW + 1), device=flux.device).scatter_add(1, cell, values)
        for values in (precision, precision * flux)
    )
    seen = total > 0
    mean = torch.where(seen, light / torch.where(seen, total, 1.0), 0.0)
    # eps^2 / (sigma^2 + eps^2) with sigma^2 = 1 / total.
    share = ERROR_FLOOR**2 * total / (1 + ERROR_FLOOR**2 * total)
    both = torch.stack([mean, share], dim=1).view(n, 2 * n_bands, WINDOW + 1)
    return both[..., :WINDOW]
