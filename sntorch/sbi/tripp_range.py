"""Supernovae within a range of stretch and colour that a magnitude limit keeps, drawn directly.

Of d ~ N(mean, covariance), with white numbers u of x1, v of c given x1, the kept ones have the
density

    φ(u) φ(v) Φ(g(u, v)),    g linear,    x1(u) and c(u, v) within their ranges.

ln Φ is concave: its tangent at any point lies above it. So u and v are drawn, one after the other,
from normal distributions that are moved by the tangent's slope and truncated to the range, and
accepted by how far ln Φ lies below the tangent there. Close to the densest point, where the
tangent is taken, little is refused, however improbable it is to be kept at all.

Letters in shapes: ``M`` supernovae.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from sntorch.sbi.tripp_limit import ProbitLimit
from sntorch.sbi.truncated_normal import log_between, truncated_normal

# Rounds of looking for the densest point, and Newton's steps in each of its coordinates.
ROUNDS, STEPS = 3, 4


class Plane(NamedTuple):
    """g = ``start`` + ``by_x1`` u + ``by_c`` v, shape (M,) each; Φ(g) is kept."""

    start: Tensor
    by_x1: Tensor
    by_c: Tensor

    def __call__(self, u: Tensor, v: Tensor) -> Tensor:
        """g, shape (M,)."""
        return self.start + self.by_x1 * u + self.by_c * v


class Edges(NamedTuple):
    """Where u may lie, and v for a given u, shape (M,) each.

    Attributes:
        low: Least u.
        high: Largest u.
        centre: Of v's range where u is 0.
        slope: What that moves by with u.
        half: Half the width of v's range.
    """

    low: Tensor
    high: Tensor
    centre: Tensor
    slope: Tensor
    half: Tensor

    def of_colour(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Least and largest v."""
        middle = self.centre + self.slope * u
        return middle - self.half, middle + self.half


def draw_within(
    mean: Tensor,
    factor: Tensor,
    reach: tuple[float, float],
    limit: ProbitLimit | None,
    luck: Tensor,
) -> tuple[Tensor, Tensor]:
    """d within the range that the limit keeps, shape (M, 3), and which are accepted, shape (M,).

    Args:
        mean: Of d = (m, x1, c), shape (M, 3).
        factor: Lower triangular, of its covariance, shape (M, 3, 3).
        reach: Largest |x1| and |c|.
        limit: Of the magnitude, if any.
        luck: Uniform numbers, shape (M, ``NUMBERS``).
    """
    m, x, c = mean.unbind(-1)
    turned = factor[..., [1, 2, 0], :]
    root = torch.linalg.cholesky(turned @ turned.mT)
    across, down, left = root.diagonal(dim1=-2, dim2=-1).unbind(-1)
    colour, by_x1, by_c = root[..., 1, 0], root[..., 2, 0], root[..., 2, 1]
    edges = Edges(
        (-reach[0] - x) / across,
        (reach[0] - x) / across,
        -c / down,
        -colour / down,
        reach[1] / down,
    )
    if limit is None:
        u, v, accepted = _truncated(edges, torch.zeros_like(m), torch.zeros_like(m), luck)
        magnitude = m + by_x1 * u + by_c * v + left * torch.special.ndtri(luck[..., 2])
    else:
        total = (left**2 + limit.width**2).sqrt()
        plane = Plane((limit.limit - m) / total, -by_x1 / total, -by_c / total)
        place = plane(*_densest(plane, edges))
        rate = _slope(place)
        u, v, accepted = _truncated(edges, rate * plane.by_x1, rate * plane.by_c, luck)
        g = plane(u, v)
        below = torch.special.log_ndtr(g) - torch.special.log_ndtr(place) - rate * (g - place)
        white = torch.special.ndtri(luck[..., 3])
        magnitude, further = limit.magnitudes(
            m + by_x1 * u + by_c * v, left**2, luck[..., 2], white
        )
        accepted = accepted + below + further
    data = torch.stack([magnitude, x + across * u, c + colour * u + down * v], -1)
    return data, luck[..., 4].log() < accepted


def _truncated(
    edges: Edges, push: Tensor, push_colour: Tensor, luck: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """u and v of N(push, 1) within the edges, and ln of the probability to accept them."""
    u, accepted = truncated_normal(edges.low - push, edges.high - push, luck[..., 0])
    u = u + push
    low, high = (bound - push_colour for bound in edges.of_colour(u))
    v, further = truncated_normal(low, high, luck[..., 1])
    # As probable as v's range is for this u, relative to the u for which it is most probable.
    first, last = (edges.centre + edges.slope * bound for bound in (edges.low, edges.high))
    nearest = torch.minimum(first, last), torch.maximum(first, last)
    best = push_colour.clamp(*nearest) - push_colour
    most = log_between(best - edges.half, best + edges.half)
    return u, v + push_colour, accepted + further + log_between(low, high) - most


def _densest(plane: Plane, edges: Edges) -> tuple[Tensor, Tensor]:
    """About where φ(u) φ(v) Φ(g) is largest within the edges; u and v by turns."""
    u = v = torch.zeros_like(plane.start)
    for _ in range(ROUNDS):
        u = _mode(plane.start + plane.by_c * v, plane.by_x1).clamp(edges.low, edges.high)
        v = _mode(plane.start + plane.by_x1 * u, plane.by_c).clamp(*edges.of_colour(u))
    return u, v


def _mode(start: Tensor, slope: Tensor) -> Tensor:
    """Where φ(w) Φ(start + slope w) is largest, w = slope λ(start + slope w); Newton's method."""
    step = _slope(start)
    for _ in range(STEPS):
        place = start + slope**2 * step
        rate = _slope(place)
        step = step - (step - rate) / (1 + slope**2 * rate * (rate + place))
    return slope * step


def _slope(place: Tensor) -> Tensor:
    """λ = φ / Φ, the derivative of ln Φ."""
    log_normal = -(place**2 + math.log(2 * math.pi)) / 2
    return (log_normal - torch.special.log_ndtr(place)).exp()
