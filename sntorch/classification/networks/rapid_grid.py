"""RAPID's grid of times: what is known of every band every third day about the trigger.

Muthukrishna et al. (2019, PASP 131, 118002, § 3.2) interpolate the flux of every band linearly
onto 50 times, 3 d apart, from 70 d before to 80 d after the trigger. A value between two
observations is then made of the later one, which nobody has at that time: a network that is
trained on such steps has seen a little of the future. Here a step holds, by default, the last
observation of every band and its age (``last``); ``linear`` is the paper's interpolation, zero
before a band's first and after its last observation, and is not causal.

The trigger is the first night with a flux above five errors in any band. The grid is shifted by
2 d, -72 … +75 d, so that one step is at the trigger. Objects without a trigger have no steps.

Letters in shapes: ``B`` objects, ``N`` nights, ``K`` steps, ``F`` bands.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sntorch.classification.inputs import DAYS, DETECTION
from sntorch.data.nights import Nights

STEP = 3.0
N_BEFORE, N_STEPS = 24, 50


class Grid(NamedTuple):
    """Values at the steps.

    Attributes:
        values: Fluxes and errors, with K steps in place of nights; ``mask`` is true up to the
            first step at or after the last night.
        age: Of every value, in units of ten days, shape (B, K, F).
        complete: Whether a step's time has come by the last night, shape (B, K).
        triggered: Whether there is a trigger, shape (B,).
    """

    values: Nights
    age: Tensor
    complete: Tensor
    triggered: Tensor

    def part(self, rows: Tensor, n_steps: int) -> Grid:
        """The first steps of some objects."""
        age, complete = (each[:, :n_steps][rows] for each in (self.age, self.complete))
        return Grid(self.values.part(rows, n_steps), age, complete, self.triggered[rows])


def grid_of(nights: Nights, interpolation: str) -> Grid:
    """Values of nights on the grid.

    Args:
        nights: Of light curves, at least one column.
        interpolation: ``last`` or ``linear``.
    """
    start, triggered = _trigger(nights)
    # Padding lies after all steps, and so is never the night before a step.
    days = torch.where(nights.mask, nights.time - start, torch.inf).contiguous()
    step = torch.arange(N_STEPS, device=days.device)
    time = ((step - N_BEFORE) * STEP).to(days).expand(len(days), -1).contiguous()
    # Rounding of dates must not put the trigger's night after the trigger's step.
    night = torch.searchsorted(days, time + 1e-6, right=True) - 1
    before = _value_at(_last_seen(nights.seen), night)
    last = torch.where(nights.mask, days, -torch.inf).amax(1, keepdim=True)
    used = triggered[:, None] & (time < last + STEP)
    complete = triggered[:, None] & (time <= last + 1e-6)
    if interpolation == "linear":
        after = _value_at(_next_seen(nights.seen), night + 1)
        values, age = _between(nights, days, time, before, after)
    else:
        values, age = _held(nights, days, time, before)
    seen = values.seen & used[..., None]
    values = values._replace(time=start + time, seen=seen, mask=used)
    return Grid(values, torch.where(seen, age / DAYS, 0.0).float(), complete, triggered)


def _trigger(nights: Nights) -> tuple[Tensor, Tensor]:
    """Time of the trigger, or the first night's, shape (B, 1), and whether there is one, (B,)."""
    detected = nights.mask & (nights.flux / nights.flux_err > DETECTION).any(-1)
    triggered = detected.any(1)
    counted = torch.where(triggered[:, None], detected, nights.mask)
    start = torch.where(counted, nights.time, torch.inf).amin(1, keepdim=True)
    return torch.where(start.isfinite(), start, 0.0), triggered


def _last_seen(seen: Tensor) -> Tensor:
    """Number of the last night at or before each in which a band was seen, or -1, (B, N, F)."""
    number = torch.arange(seen.shape[1], device=seen.device)[None, :, None]
    return torch.where(seen, number, -1).cummax(1).values


def _next_seen(seen: Tensor) -> Tensor:
    """Number of the first night at or after each in which a band was seen, or -1, (B, N, F)."""
    n_nights = seen.shape[1]
    backwards = _last_seen(seen.flip(1)).flip(1)
    return torch.where(backwards >= 0, n_nights - 1 - backwards, -1)


def _value_at(numbers: Tensor, night: Tensor) -> Tensor:
    """``numbers`` (B, N, F) at nights (B, K), -1 outside, shape (B, K, F)."""
    inside = (night >= 0) & (night < numbers.shape[1])
    index = torch.where(inside, night, 0)[..., None].expand(-1, -1, numbers.shape[2])
    return torch.where(inside[..., None], numbers.gather(1, index), -1)


def _held(nights: Nights, days: Tensor, time: Tensor, before: Tensor) -> tuple[Nights, Tensor]:
    """The last observations and their ages."""
    index = before.clamp(min=0)
    values = nights._replace(
        flux=nights.flux.gather(1, index),
        flux_err=nights.flux_err.gather(1, index),
        seen=before >= 0,
    )
    return values, time[..., None] - _days_of(days, index)


def _between(
    nights: Nights, days: Tensor, time: Tensor, before: Tensor, after: Tensor
) -> tuple[Nights, Tensor]:
    """Values on the line between the observations about each step, of no age."""
    left, right = before.clamp(min=0), after.clamp(min=0)
    seen = (before >= 0) & (after >= 0)
    start, end = _days_of(days, left), _days_of(days, right)
    share = torch.where(seen, (time[..., None] - start) / (end - start), 0.0)
    flux, error = (
        torch.where(seen, torch.lerp(v.gather(1, left), v.gather(1, right), share.to(v)), empty)
        for v, empty in ((nights.flux, 0.0), (nights.flux_err, 1.0))
    )
    return nights._replace(flux=flux, flux_err=error, seen=seen), torch.zeros_like(share)


def _days_of(days: Tensor, index: Tensor) -> Tensor:
    return days[..., None].expand(-1, -1, index.shape[2]).gather(1, index)
