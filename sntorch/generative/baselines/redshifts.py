"""Moving a supernova to another redshift: its light curve is stretched and dimmed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import DataError
from sntorch.generative.baselines.turn import Turn
from sntorch.physics.cosmology import Cosmology


@dataclass(frozen=True)
class Move:
    """From one redshift to another.

    Attributes:
        redshift: The new one.
        stretch: (1 + new) / (1 + old): what durations and wavelengths are multiplied by.
        dimming: Factor of the flux by the difference of distance moduli.
    """

    redshift: float
    stretch: float = 1.0
    dimming: float = 1.0


def draw_move(turn: Turn, redshift: float, scatter: float) -> Move:
    """A move by a normal change of ln z with standard deviation ``scatter``; 0 for none."""
    if scatter == 0:
        return Move(redshift)
    new = redshift * torch.exp(turn.temperature * scatter * turn.normal(1))
    old = torch.tensor([redshift], dtype=torch.float64)
    near, far = Cosmology().distmod(torch.cat([old, new])).tolist()
    return Move(float(new), float((1 + new) / (1 + old)), 10 ** (-0.4 * (far - near)))


def require_redshifts(batch: LightCurveBatch) -> None:
    """Refuse objects that cannot be moved.

    Raises:
        DataError: An object without a positive redshift.
    """
    unknown: Tensor = ~(batch.redshift > 0)
    if bool(unknown.any()):
        first = batch.object_id[int(unknown.nonzero()[0, 0])]
        raise DataError(
            f"{first} and {int(unknown.sum()) - 1} others: no redshift to change; give redshifts "
            "or set redshift_scatter=0"
        )
