"""The trigger of a light curve, the date from which a survey counts, and phases from it.

The trigger is the first detection with S/N > 5 (a limit is no detection). ``t_ref`` of a batch is
the peak where the header has one, as simulated objects do: a date that is known only afterwards,
and never exactly.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch

TRIGGER_SNR = 5.0


def trigger_time(batch: LightCurveBatch, snr: float = TRIGGER_SNR) -> Tensor:
    """Time of the first detection above a signal-to-noise ratio, shape (B,), MJD.

    NaN for an object that was never detected so well.

    Args:
        batch: The light curves, whole: the trigger of a curve that is cut is found in the rest.
        snr: What a detection must exceed.
    """
    seen = batch.mask & ~batch.upper_limit & (batch.flux > snr * batch.flux_err)
    if not batch.time.shape[1]:
        return torch.full_like(batch.t_ref, torch.nan)
    first = torch.where(seen, batch.time, torch.inf).amin(1)
    return torch.where(first.isinf(), torch.nan, first)


def from_trigger(batch: LightCurveBatch) -> LightCurveBatch:
    """The same light curves with phases from the trigger instead of the peak.

    ``t_ref`` is the first observation where nothing triggered, NaN where there is none.
    """
    trigger = trigger_time(batch)
    if not batch.time.shape[1]:
        return replace(batch, t_ref=trigger)
    first = torch.where(batch.mask, batch.time, torch.inf).amin(1)
    first = torch.where(first.isinf(), torch.nan, first)
    return replace(batch, t_ref=torch.where(trigger.isnan(), first, trigger))
