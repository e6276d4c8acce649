"""Observations of one night side by side: the view of networks that step from night to night.

Letters in shapes: ``B`` objects, ``T`` padded observations, ``N`` padded nights, ``F`` bands.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch

# Days between observations of one night at most: 8 hours, as SuperNNova has it.
SAME_NIGHT = 0.33


class Nights(NamedTuple):
    """A batch by nights; of several observations in a band and night, the most precise one.

    Attributes:
        time: Of a night's first observation, MJD, shape (B, N), float64; 0 where padded.
        flux: shape (B, N, F); 0 where a band was not observed.
        flux_err: shape (B, N, F); 1 where a band was not observed.
        seen: Whether a band was observed, shape (B, N, F).
        mask: True where there is a night, shape (B, N).
    """

    time: Tensor
    flux: Tensor
    flux_err: Tensor
    seen: Tensor
    mask: Tensor

    def part(self, rows: Tensor, n_nights: int) -> Nights:
        """The first nights of some objects."""
        return Nights(*(values[:, :n_nights][rows] for values in self))


def by_night(batch: LightCurveBatch, same_night: float = SAME_NIGHT) -> Nights:
    """Put observations of one night side by side.

    Args:
        batch: Light curves, observations sorted by time.
        same_night: Days from a night's first observation up to which it is the same night.
    """
    night = _night_of(batch, same_night)
    n_nights = int(night.amax()) + 1 if night.numel() and bool(batch.mask.any()) else 0
    size = (len(batch), n_nights * len(batch.bands))
    place = torch.where(batch.mask, night * len(batch.bands) + batch.band, 0)
    # Padding goes to a column of its own, which is dropped again.
    place = torch.where(batch.mask, place, size[1])
    chosen = _most_precise(batch, place, size[1])
    found = chosen >= 0
    index = chosen.clamp(min=0)
    shape = (len(batch), n_nights, len(batch.bands))
    flux = torch.where(found, _gathered(batch.flux, index), 0.0).view(shape)
    flux_err = torch.where(found, _gathered(batch.flux_err, index), 1.0).view(shape)
    seen = found.view(shape)
    return Nights(_first_times(batch, night, n_nights), flux, flux_err, seen, seen.any(-1))


def padded(nights: Nights) -> Nights:
    """The same nights with at least one column, for networks that read a first step."""
    if nights.mask.shape[1]:
        return nights
    wide = [value.new_zeros(len(value), 1, *value.shape[2:]) for value in nights]
    wide[2] = torch.ones_like(wide[2])
    return Nights(*wide)


def _night_of(batch: LightCurveBatch, same_night: float) -> Tensor:
    """Number of the night of each observation, shape (B, T)."""
    time, mask = batch.time, batch.mask
    if not time.shape[1]:
        return torch.zeros_like(batch.band)
    new = torch.zeros_like(mask)
    new[:, 1:] = mask[:, 1:] & (time[:, 1:] - time[:, :-1] > same_night)
    new[:, 0] = True
    # Observations close to each other may be a night or, an hour apart all along, several: what
    # lies too late in a night begins the next one, for all nights at once.
    while True:
        begin = torch.where(new, time, -torch.inf).cummax(1).values
        late = mask & (time - begin > same_night)
        if not bool(late.any()):
            return new.cumsum(1) - 1
        late[:, 1:] &= ~late[:, :-1].clone()
        new |= late


def _most_precise(batch: LightCurveBatch, place: Tensor, n_places: int) -> Tensor:
    """Index of the most precise observation at each place, -1 where there is none, (B, P)."""
    rows = len(batch)
    infinite = torch.full((rows, n_places + 1), torch.inf, device=batch.device)
    error = batch.flux_err.float()
    best = infinite.scatter_reduce(1, place, error, "amin")
    step = torch.arange(place.shape[1], device=batch.device).expand_as(place)
    wins = batch.mask & (error == best.gather(1, place))
    none = torch.full((rows, n_places + 1), -1, device=batch.device)
    return none.scatter_reduce(1, place, torch.where(wins, step, -1), "amax")[:, :n_places]


def _gathered(values: Tensor, index: Tensor) -> Tensor:
    if not values.shape[1]:
        return torch.zeros(index.shape, dtype=values.dtype, device=values.device)
    return values.gather(1, index)


def _first_times(batch: LightCurveBatch, night: Tensor, n_nights: int) -> Tensor:
    late = torch.full(
        (len(batch), n_nights + 1), torch.inf, dtype=batch.time.dtype, device=batch.device
    )
    place = torch.where(batch.mask, night, n_nights)
    first = late.scatter_reduce(1, place, batch.time, "amin")[:, :n_nights]
    return torch.where(first.isfinite(), first, 0.0)
