"""Cubic convolution between the nodes of a SALT surface.

Reference: Keys (1981, IEEE Trans. ASSP 29, 1153), a = -1/2, as snfit and sncosmo use it. Between
the nodes i and i+1, at the fraction f of their distance, the value is Σ_j w_j(f) y_{i-1+j} with
the cubics of ``CUBIC``. In the first and last interval it is linear, outside the grid zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

TAPS = 4
# Weight of node i-1+j: coefficients of 1, f, f², f³.
CUBIC = ((0, -0.5, 1, -0.5), (1, 0, -2.5, 1.5), (0, 0.5, 2, -1.5), (0, 0, -0.5, 0.5))
# In an edge interval: of the four nodes set aside for it, the first two or the last two.
FIRST = ((1, -1, 0, 0), (0, 1, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0))
LAST = (FIRST[2], FIRST[3], FIRST[0], FIRST[1])
# Rows of a surface that edge intervals need: its first and last two.
EDGES = (0, 1, -2, -1)
PADDING = len(EDGES)


@dataclass
class Place:
    """Where points lie between nodes.

    Attributes:
        cell: Index of the node before, shape (...), 0 … n-2.
        fraction: How far to the next node, shape (...), 0 … 1.
        step: Distance of the two nodes, shape (...).
        inside: False outside the grid, shape (...).
        last: Index of the last interval, n-2.
    """

    cell: Tensor
    fraction: Tensor
    step: Tensor
    inside: Tensor
    last: int


def locate(nodes: Tensor, points: Tensor) -> Place:
    """Where ``points`` (...) lie among increasing ``nodes`` (n,)."""
    last = len(nodes) - 2
    cell = (torch.searchsorted(nodes, points.contiguous(), right=True) - 1).clamp(0, last)
    step = nodes[cell + 1] - nodes[cell]
    inside = (points >= nodes[0]) & (points <= nodes[-1])
    fraction = torch.where(inside, (points - nodes[cell]) / step, 0.0)
    return Place(cell, fraction, step, inside, last)


def cubic_taps(place: Place) -> tuple[Tensor, Tensor]:
    """First node and weights of the four that count: shapes (..., K) and (..., 4, K).

    In an edge interval the weights are linear.
    """
    base = (place.cell - 1).clamp(0, place.last - 1)
    return base, _weights(place, 0).squeeze(-3)


def linear_taps(place: Place) -> tuple[Tensor, Tensor]:
    """First node and weights of the two that count: shapes (..., K) and (..., 2, K)."""
    f, inside = place.fraction, place.inside[..., None, :]
    return place.cell, torch.stack([1 - f, f], -2) * inside


def phase_taps(place: Place, order: int) -> tuple[Tensor, Tensor]:
    """First node and weights among the rows with those of the edges, and their derivatives.

    Args:
        place: Of the phases, shape (..., T).
        order: Highest derivative in phase: 0, 1 or 2.

    Returns:
        Index of the first node, shape (..., T), and weights, shape (..., order + 1, 4, T).
    """
    inner = place.cell - 1 + len(EDGES) // 2
    base = torch.where(place.cell == 0, 0, torch.where(place.cell == place.last, inner + 1, inner))
    return base, _weights(place, order)


def _weights(place: Place, order: int) -> Tensor:
    """Weights and their derivatives up to ``order``, shape (..., order + 1, 4, T)."""
    f = place.fraction
    square = f * f
    powers = torch.stack([torch.ones_like(f), f, square, square * f], -2)
    value = _derivatives(CUBIC, order).to(f) @ powers
    for cell, table in ((0, FIRST), (place.last, LAST)):
        edge = place.inside & (place.cell == cell)
        if edge.any():
            value = torch.where(
                edge[..., None, :], _derivatives(table, order).to(f) @ powers, value
            )
    value = value.unflatten(-2, (order + 1, TAPS))
    scale = [torch.where(place.inside, place.step**-k, 0.0) for k in range(order + 1)]
    return value * torch.stack(scale, -2)[..., None, :]


@cache
def _derivatives(table: tuple[tuple[float, ...], ...], order: int) -> Tensor:
    """From powers of f to weights and their derivatives, shape ((order + 1) · 4, 4)."""
    rows = torch.tensor(table, dtype=torch.float64)
    blocks = []
    for _ in range(order + 1):
        blocks.append(rows)
        # d/df of Σ a_k f^k.
        rows = torch.nn.functional.pad((rows * torch.arange(TAPS))[:, 1:], (0, 1))
    return torch.cat(blocks)
