"""Light curves of nothing that exists, with the cadence and the bands of real ones.

The four of SuperNNova (Möller & de Boissière 2020, MNRAS 491, 4277, section 5.4). Deviations: it
moves whole rows of its table (shuffled, reversed) with their times' differences, and takes
extremes over bands in its normalised units; here times and bands stay, and fluxes change within
each band of an object, so that the colours' order of magnitude does not give them away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch

PERIOD = 30.0


def random_fluxes(batch: LightCurveBatch, seed: int = 0) -> LightCurveBatch:
    """Fluxes and errors uniform between their extremes in the band of the object."""
    random = torch.Generator().manual_seed(seed)
    changed = {}
    for name in ("flux", "flux_err"):
        low, high = _extremes(batch, getattr(batch, name))
        drawn = torch.rand(low.shape, generator=random, dtype=torch.float64).to(low)
        changed[name] = _observed(batch, low + (high - low) * drawn, getattr(batch, name))
    return replace(batch, **changed)


def shuffled(batch: LightCurveBatch, seed: int = 0) -> LightCurveBatch:
    """Fluxes, with their errors, in random order within each band."""
    random = torch.Generator().manual_seed(seed)
    key = torch.rand(batch.time.shape, generator=random, dtype=torch.float64).to(batch.device)
    return _reordered(batch, key)


def reversed_in_time(batch: LightCurveBatch, seed: int = 0) -> LightCurveBatch:
    """The first flux of each band where its last was, and so on; ``seed`` does nothing."""
    return _reordered(batch, -torch.arange(batch.time.shape[1], device=batch.device).double())


def sine(batch: LightCurveBatch, seed: int = 0) -> LightCurveBatch:
    """A sine of 30 days with the amplitude of the band's brightest flux, from the first
    observation on; errors uniform between their extremes.
    """
    if not batch.time.shape[1]:
        return batch
    first = torch.where(batch.mask, batch.time, torch.inf).amin(1, keepdim=True)
    angle = torch.where(batch.mask, batch.time - first, 0.0) * (2 * torch.pi / PERIOD)
    wave = angle.sin().to(batch.flux) * _extremes(batch, batch.flux)[1]
    drawn = random_fluxes(batch, seed)
    return replace(drawn, flux=_observed(batch, wave, batch.flux))


FOREIGN: dict[str, Callable[[LightCurveBatch, int], LightCurveBatch]] = {
    "random": random_fluxes,
    "shuffled": shuffled,
    "reversed": reversed_in_time,
    "sine": sine,
}


def _observed(batch: LightCurveBatch, values: Tensor, padding: Tensor) -> Tensor:
    return torch.where(batch.mask, values, padding)


def _extremes(batch: LightCurveBatch, values: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest value in the band of each observation, shape (B, T) each."""
    shape = (len(batch), len(batch.bands))
    ends = []
    for fill, how in ((torch.inf, "amin"), (-torch.inf, "amax")):
        of_band = torch.full(shape, fill, dtype=values.dtype, device=values.device)
        seen = torch.where(batch.mask, values, fill)
        ends.append(of_band.scatter_reduce(1, batch.band, seen, how).gather(1, batch.band))
    return ends[0], ends[1]


def _reordered(batch: LightCurveBatch, key: Tensor) -> LightCurveBatch:
    """Fluxes, errors and limits in the order of ``key`` within each band."""
    band = torch.where(batch.mask, batch.band, len(batch.bands))
    place = band.argsort(dim=1, stable=True)
    by_key = key.expand(band.shape).argsort(dim=1)
    source = by_key.gather(1, band.gather(1, by_key).argsort(dim=1, stable=True))
    names = ("flux", "flux_err", "upper_limit")
    moved = {}
    for name in names:
        values = getattr(batch, name)
        moved[name] = torch.empty_like(values).scatter(1, place, values.gather(1, source))
    return replace(batch, **moved)
