"""Stretch and colour within a range, of supernovae that a magnitude limit keeps: exact draws.

In white numbers u and v, stretch is x + a u, colour c + b u + s v, and the magnitude e = m + p u +
q v with a scatter. What is drawn has the density

    φ(u) φ(v) Φ((limit - e) / T)    within the range, T² of the scatter and the limit's width.

ln Φ is concave, and so is ln of the probability R(u) that v lies within its bounds: a tangent to
each is an upper limit. With tangents in place of both the density is normal with other means, and
is drawn within bounds one number after the other; the rest is a rejection, which is exact wherever
the tangents touch (Gilks & Wild 1992, Applied Statistics 41, 337, for tangents; Botev 2017, JRSS B
79, 125, for normal numbers within bounds). They touch where the density is largest, so that
improbable corners, where only extreme supernovae are bright enough, are drawn at once.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

# Halvings of the range in which a tangent's slope lies: it need not be exact.
HALVINGS = 20
# ln of a probability below which exp and its inverse lose it; Newton's steps for those.
FAR, NEWTON = -300.0, 4


class Limit(NamedTuple):
    """What is kept of magnitudes e with a scatter: Φ((magnitude - e) / total)."""

    magnitude: float
    total: Tensor


def draw_in_range(
    mean: Tensor,
    root: Tensor,
    reach: tuple[float, float],
    limit: Limit | None,
    luck: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Proposals within a range.

    Args:
        mean: Of x1, c and m, shape (..., 3).
        root: Of their covariance, lower triangular, shape (..., 3, 3).
        reach: Largest |x1| and |c|.
        limit: Of the magnitude, if any.
        luck: Uniform numbers, shape (..., 2).

    Returns:
        White numbers u and v and ln of the probability with which they are to be accepted, shape
        (...) each.
    """
    x, c, m = mean.unbind(-1)
    a, s, b = root[..., 0, 0], root[..., 1, 1], root[..., 1, 0]
    p, q = root[..., 2, 0], root[..., 2, 1]
    first = (-reach[0] - x) / a, (reach[0] - x) / a

    def second(u: Tensor) -> tuple[Tensor, Tensor]:
        middle = c + b * u
        return (-reach[1] - middle) / s, (reach[1] - middle) / s

    def largest(pull: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where a density that is pulled to brighter ones is largest, and e there."""
        u = (-pull * p).clamp(*first)
        v = (-pull * q).clamp(*second(u))
        return u, v, m + p * u + q * v

    pull = torch.zeros_like(x)
    if limit is not None:
        low, high = pull, _slope(largest(pull)[2], limit)
        for _ in range(HALVINGS):
            pull = (low + high) / 2
            less = _slope(largest(pull)[2], limit) > pull
            low, high = torch.where(less, pull, low), torch.where(less, high, pull)
    u0, _, e0 = largest(pull)
    if limit is not None:
        pull = _slope(e0, limit)
    shifted = [edge + pull * q for edge in second(u0)]
    log_mass0 = log_between(*shifted)
    ends = [(-(edge**2) / 2 - log_mass0).exp() for edge in shifted]
    tilt = b / s * (ends[0] - ends[1]) / math.sqrt(2 * math.pi)
    moved = tilt - pull * p
    u = normal_between(first[0] - moved, first[1] - moved, luck[..., 0]) + moved
    low, high = (edge + pull * q for edge in second(u))
    v = normal_between(low, high, luck[..., 1]) - pull * q
    log_weight = log_between(low, high) - log_mass0 - tilt * (u - u0)
    if limit is not None:
        e = m + p * u + q * v
        gain = _log_share(e, limit) - _log_share(e0, limit)
        log_weight = log_weight + gain + pull * (e - e0)
    return u, v, log_weight


def _log_share(e: Tensor, limit: Limit) -> Tensor:
    return torch.special.log_ndtr((limit.magnitude - e) / limit.total)


def _slope(e: Tensor, limit: Limit) -> Tensor:
    """Minus the derivative of ln of the share by the magnitude."""
    place = (limit.magnitude - e) / limit.total
    log_density = -(place**2) / 2 - math.log(2 * math.pi) / 2
    return (log_density - torch.special.log_ndtr(place)).exp() / limit.total


def _in_lower_tail(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bounds, mirrored where they lie above zero, for precision; and where they were."""
    above = low + high > 0
    return torch.where(above, -high, low), torch.where(above, -low, high), above


def log_between(low: Tensor, high: Tensor) -> Tensor:
    """ln of the probability of a standard normal number between bounds."""
    low, high, _ = _in_lower_tail(low, high)
    first, last = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    return last + torch.log1p(-(first - last).exp())


def normal_between(low: Tensor, high: Tensor, luck: Tensor) -> Tensor:
    """Standard normal numbers between bounds, however far away, of uniform numbers."""
    low, high, above = _in_lower_tail(low, high)
    first, last = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    found = _from_log(torch.logaddexp(first + torch.log1p(-luck), last + luck.log()))
    return torch.where(above, -found, found)


def normal_below(high: Tensor, luck: Tensor) -> Tensor:
    """Standard normal numbers below a bound, however far away, of uniform numbers."""
    return _from_log(torch.special.log_ndtr(high) + luck.log())


def _from_log(log_share: Tensor) -> Tensor:
    """Standard normal numbers below which others lie with a probability, of its ln."""
    found = torch.special.ndtri(log_share.clamp(min=FAR).exp())
    far = -(-2 * log_share.clamp(max=FAR)).sqrt()
    for _ in range(NEWTON):
        log_below = torch.special.log_ndtr(far)
        slope = (-(far**2) / 2 - math.log(2 * math.pi) / 2 - log_below).exp()
        far = far - (log_below - log_share) / slope
    return torch.where(log_share < FAR, far, found)
