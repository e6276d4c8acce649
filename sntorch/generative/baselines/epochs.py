"""When and how well a generated object is observed, where a model can say its flux at any time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.generative.baselines.errors import quality, variance
from sntorch.generative.baselines.training_set import Photometry
from sntorch.generative.baselines.turn import CADENCE, Turn


@dataclass(frozen=True)
class Epochs:
    """Observations to be made.

    Attributes:
        phase: Days since the reference time, observer frame, shape (T,).
        band: Indices of bands, shape (T,).
        quality: Variance in units of the typical one of the band at the same flux, shape (T,).
        t_ref: Reference time, MJD.
        member: Training object whose cadence this is.
    """

    phase: Tensor
    band: Tensor
    quality: Tensor
    t_ref: float
    member: int

    def measure(self, flux: Tensor, law: Tensor, turn: Turn) -> Photometry:
        """Measurements of the true fluxes (T,) by a survey of error law ``law`` (F, 3)."""
        error = (self.quality * variance(law, flux, self.band)).sqrt()
        seen = flux + error * turn.normal(len(flux))
        return Photometry(self.phase, self.band, seen, error, flux)


def draw_epochs(turn: Turn, known: list[Photometry], t_ref: Tensor, law: Tensor) -> Epochs:
    """The epochs of a training object, those that a user gives, or as many as asked for.

    Args:
        turn: Says what is wanted.
        known: The training objects.
        t_ref: Their reference times, MJD, shape (N,).
        law: Error law, shape (F, 3).
    """
    member = turn.pick(CADENCE)
    start, seen = float(t_ref[member]), known[member]
    if turn.given is not None:
        seen, start = turn.given
    elif turn.counts is not None:
        bands = enumerate(turn.counts.tolist())
        parts = [_of_band(turn, known, member, f, n) for f, n in bands if n]
        seen = Photometry(*(torch.cat([getattr(p, k) for p in parts]) for k in vars(seen)))
    return Epochs(
        seen.phase, seen.band, quality(law, seen.flux, seen.flux_err, seen.band), start, member
    )


def _of_band(turn: Turn, known: list[Photometry], member: int, band: int, n: int) -> Photometry:
    """``n`` observations of a band: of one object, and of others where it has too few."""
    others = torch.randperm(len(known), generator=turn.generator).tolist()
    parts: list[Photometry] = []
    missing = n
    while missing:
        # Bands have observations somewhere in the training set, so this ends.
        donor = known[member if not parts else others[len(parts) % len(others)]]
        chosen = turn.subset((donor.band == band).nonzero()[:, 0], missing)
        parts.append(donor.at(chosen))
        missing -= len(chosen)
    return Photometry(*(torch.cat([getattr(p, k) for p in parts]) for k in vars(parts[0])))
