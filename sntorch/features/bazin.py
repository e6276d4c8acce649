"""The light-curve function of Bazin et al. (2009, arXiv:0904.1066), without its constant.

f(t) = A exp(-(t - t0) / τ_fall) / (1 + exp(-(t - t0) / τ_rise)).

A and t0 trade off against the time scales, so the function is written in its peak instead: with
τ_rise = x τ_fall and u = logit x, the peak is at t0 - u τ_rise and its flux A exp(x u) / (1 +
exp(u)). Difference images have no constant.

Letters in shapes: ``F`` bands, four shapes a band: ln peak flux, time of peak (days), ln τ_fall
(days), u.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

N_SHAPES = 4
# Before the data: time of peak is measured, the others are typical of supernovae.
FALL, RATIO = math.log(25.0), -1.7
SPREAD = (2.0, 10.0, 0.7, 0.8)
SPREAD_BETWEEN_BANDS = (0.7, 5.0, 0.5, 0.5)
HIGHEST, SMALLEST_RATIO = 60.0, 1e-6


def bazin(phase: Tensor, shape: Tensor) -> Tensor:
    """Flux, shape (…).

    Args:
        phase: Days, shape (…).
        shape: ln peak flux, time of peak, ln τ_fall and u, shape (…, 4).
    """
    peak = shape[..., 0]
    fall, rise, late, u = _scales(phase, shape)
    x = torch.sigmoid(u)
    level = -late / fall - softplus(-late / rise) - x * u + softplus(u)
    return (peak + level).clamp(max=HIGHEST).exp()


def bazin_slopes(phase: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
    """Flux (…) and its slopes in the four shapes (…, 4); arguments as of ``bazin``.

    They are written out for speed, and because no gradient is recorded while a network is used.
    """
    flux = bazin(phase, shape)
    fall, rise, late, u = _scales(phase, shape)
    x = torch.sigmoid(u)
    rising = torch.sigmoid(-late / rise)
    by_late = rising / rise - 1 / fall
    stretch = rising * late / rise
    by_fall = late / fall - stretch - by_late * rise * u
    by_u = -(1 - x) * (stretch + x * u) - by_late * rise * (1 + (1 - x) * u)
    slopes = torch.stack([torch.ones_like(flux), -by_late, by_fall, by_u], dim=-1)
    return flux, flux[..., None] * slopes


def _scales(phase: Tensor, shape: Tensor) -> tuple[Tensor, ...]:
    """τ_fall and τ_rise, days since t0, and u, shape (…) each."""
    _, time, fall, u = shape.unbind(-1)
    fall = fall.exp()
    # exp(-u) overflows before a rise of no days matters.
    rise = fall * torch.sigmoid(u).clamp(min=SMALLEST_RATIO)
    return fall, rise, phase - time - rise * u, u


def contrasts(n_bands: int) -> Tensor:
    """Columns that make the values of F bands from their mean and F - 1 differences, (F, F).

    Bands vary together: in these coordinates the common part and the colours are independent
    enough to be drawn by their own distributions.
    """
    out = torch.ones(n_bands, n_bands, dtype=torch.float64)
    for g in range(1, n_bands):
        out[:, g] = 0.0
        out[:g, g], out[g, g] = 1.0, -float(g)
        out[:, g] /= out[:, g].norm()
    return out
