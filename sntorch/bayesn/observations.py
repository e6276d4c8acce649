"""Photometry of supernovae, grouped by object and band, as the likelihood wants it.

The observations of one object in one band fill slots of a fixed width: most bands need one, and a
band observed every night takes several instead of making all the others as wide.

Letters in shapes: ``B`` objects, ``F`` slots of an object, ``T`` observations in a slot.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch

WIDTH = 8
ERROR_FLOOR_UNIT = 0.4 * torch.log(torch.tensor(10.0, dtype=torch.float64)).item()


@dataclass(eq=False)
class Observations:
    """Padded photometry of B objects; every slot holds observations in one band.

    Attributes:
        bands: Names that ``band`` counts.
        band: Index into ``bands`` of each slot, shape (B, F); 0 where padded.
        phase: Rest-frame days since the reference time, shape (B, F, T); 0 where padded.
        flux: FLUXCAL, shape (B, F, T); 0 where padded.
        flux_err: One standard deviation, shape (B, F, T); 1 where padded.
        mask: True where there is an observation, shape (B, F, T).
        redshift: Heliocentric, shape (B,).
        redshift_err: Its standard deviation, shape (B,), NaN where unknown.
        mwebv: Milky-Way E(B-V), mag, shape (B,).
        muhat: Distance modulus expected for the redshift, mag, shape (B,).
    """

    bands: tuple[str, ...]
    band: Tensor
    phase: Tensor
    flux: Tensor
    flux_err: Tensor
    mask: Tensor
    redshift: Tensor
    redshift_err: Tensor
    mwebv: Tensor
    muhat: Tensor

    @classmethod
    def from_batch(
        cls, batch: LightCurveBatch, muhat: Tensor, error_floor: float = 0.0
    ) -> Observations:
        """Group a batch by band.

        Args:
            batch: Light curves with zero point 27.5; ``t_ref`` is the time of peak that t_max
                counts from.
            muhat: Expected distance modulus, mag, shape (B,).
            error_floor: Least error of an observation, mag.
        """
        slot, band, column = _slots(batch)
        n, n_slots = band.shape
        place = torch.where(batch.mask, slot * WIDTH + column, n_slots * WIDTH)
        phase = batch.phase / (1 + batch.redshift)[:, None]
        error = batch.flux_err
        if error_floor:
            error = torch.maximum(error, error_floor * ERROR_FLOOR_UNIT * batch.flux.abs())

        def grouped(values: Tensor, fill: float) -> Tensor:
            # The last column collects what is padding in the batch.
            full = values.new_full((n, n_slots * WIDTH + 1), fill)
            return full.scatter(1, place, values)[:, :-1].reshape(n, n_slots, WIDTH)

        return cls(
            bands=batch.bands,
            band=band,
            phase=grouped(phase, 0.0),
            flux=grouped(batch.flux, 0.0),
            flux_err=grouped(error, 1.0),
            mask=grouped(batch.mask.to(phase.dtype), 0.0) > 0,
            redshift=batch.redshift,
            redshift_err=batch.redshift_err,
            mwebv=batch.mwebv,
            muhat=muhat,
        )

    def __len__(self) -> int:
        return len(self.redshift)

    def take(self, index: Tensor) -> Observations:
        """The chosen objects."""
        return self._each(lambda tensor: tensor[index])

    def to(self, *args: Any, **kwargs: Any) -> Observations:
        """Move to a device; a dtype applies to floating-point tensors."""

        def move(tensor: Tensor) -> Tensor:
            moved = tensor.to(*args, **kwargs)
            return moved if tensor.is_floating_point() else moved.to(tensor.dtype)

        return self._each(move)

    def _each(self, change: Any) -> Self:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return type(self)(
            **{k: change(v) if isinstance(v, Tensor) else v for k, v in values.items()}
        )


def _slots(batch: LightCurveBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Slot (B, T) and column (B, T) of each observation, and the band of every slot (B, F)."""
    one_hot = torch.nn.functional.one_hot(batch.band, len(batch.bands)) * batch.mask[..., None]
    counts = one_hot.sum(1)
    n_slots = (counts + WIDTH - 1) // WIDTH
    last = n_slots.cumsum(1)
    number = ((one_hot.cumsum(1) - 1) * one_hot).sum(2)
    slot = (last - n_slots).gather(1, batch.band) + number // WIDTH
    most = max(int(last.max()) if last.numel() else 0, 1)
    # The band of slot s is the first whose slots go beyond s.
    every = torch.arange(most, device=batch.device).expand(len(batch), most).contiguous()
    band = torch.searchsorted(last, every, right=True)
    return slot, torch.where(band < len(batch.bands), band, 0), number % WIDTH
