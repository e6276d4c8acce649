"""Where fits start: the best of a grid of times of peak and colours, x1 = 0 and x0 solved for.

χ² has kinks and several minima in t0, since light curves are sparse and SALT begins and ends at
fixed phases. The grid spans the surroundings of the brightest detection; next to the best of it
stands the best that lies well apart, for fits that turn out poor.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sntorch.simulation.salt.objective import ChiSquare

COLORS = (0.0, 0.3)
FIRST, LAST, STEP = -30.0, 24.0, 3.0
APART = 8.0
DETECTION = 5.0


def starts(objective: ChiSquare, lower: Tensor, upper: Tensor, n: int) -> Tensor:
    """Starting points, the best first.

    Args:
        objective: χ² without model errors, of B objects.
        lower, upper: Bounds of the parameters, shape (B, 4).
        n: How many for each object.

    Returns:
        t0, x0, x1, c, shape (B, n, 4).
    """
    stretch = 1 + objective.model.seen.redshift
    days = torch.arange(FIRST, LAST + STEP, STEP).to(stretch)
    t0 = brightest(objective)[:, None] + days * stretch[:, None]
    t0 = t0.clamp(lower[:, :1], upper[:, :1])
    gain, x0 = _scan(objective, t0)
    best_color = gain.max(1)
    picked, candidates = best_color.values, []
    for _ in range(n):
        place = picked.argmax(1, keepdim=True)
        color = best_color.indices.gather(1, place)
        amplitude = x0.gather(1, color[..., None].expand(-1, -1, x0.shape[2])).squeeze(1)
        time = t0.gather(1, place)
        c = stretch.new_tensor(COLORS)[color]
        point = [time, amplitude.gather(1, place), torch.zeros_like(time), c]
        candidates.append(torch.cat(point, 1))
        near = (t0 - time).abs() < APART * stretch[:, None]
        picked = picked.masked_fill(near, -torch.inf)
    return torch.stack(candidates, 1).clamp(lower[:, None], upper[:, None])


def brightest(objective: ChiSquare) -> Tensor:
    """Time of the largest flux among detections, else of the most significant one, shape (B,)."""
    significance = objective.flux * objective.weights.inverse.sqrt()
    detected = significance > DETECTION
    rank = torch.where(detected, objective.flux, -torch.inf)
    rank = torch.where(detected.any(1, keepdim=True), rank, significance)
    return objective.model.seen.time.gather(1, rank.argmax(1, keepdim=True)).squeeze(1)


def _scan(objective: ChiSquare, t0: Tensor) -> tuple[Tensor, Tensor]:
    """By how much the best x0 ≥ 0 lowers χ², and that x0: shapes (B, colours, G)."""
    weight = objective.weights.inverse
    data = (objective.flux * weight)[:, None]
    gains, amplitudes = [], []
    for c in COLORS:
        model = objective.model.components(t0, torch.full_like(t0[:, 0], c))[:, 0]
        cross = (model * data).sum(-1).clamp(min=0)
        norm = (model**2 * weight[:, None]).sum(-1).clamp(min=torch.finfo(t0.dtype).tiny)
        gains.append(cross**2 / norm)
        amplitudes.append(cross / norm)
    return torch.stack(gains, 1), torch.stack(amplitudes, 1)
