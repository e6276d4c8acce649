"""Standard normal numbers between bounds, however far out in the tails.

Near the middle the distribution function is inverted. In a tail its values run out of digits;
there a number of density |z| exp(-z² / 2) is drawn, of which a share |bound / z| is to be accepted
(Marsaglia 1964, Technometrics 6, 101). That share is smaller the nearer the bound; where bounds
are themselves random numbers this would favour some of them, so that on average the same share is
accepted for all.
"""

from __future__ import annotations

import math

import torch
from scipy.special import erfcx
from torch import Tensor

# Bounds beyond which a number is drawn by acceptance, standard deviations, and the share that is
# accepted: the mean of |bound / z| beyond such a bound, the least there is.
TAIL = 8.0
ACCEPTED = math.sqrt(math.pi / 2) * TAIL * float(erfcx(TAIL / math.sqrt(2)))


def truncated_normal(low: Tensor, high: Tensor, luck: Tensor) -> tuple[Tensor, Tensor]:
    """Normal numbers between bounds, and ln of the probability with which each is to be accepted.

    Args:
        low: Lower bounds, -inf for none, any shape.
        high: Upper bounds above them, +inf for none.
        luck: Uniform numbers in (0, 1).
    """
    low, high, luck = torch.broadcast_tensors(low, high, luck)
    mirrored, low, high = _below(low, high)
    tail = high < -TAIL
    found = _in_the_middle(low.masked_fill(tail, -1.0), high.masked_fill(tail, 0.0), luck)
    accepted = torch.full_like(found, math.log(ACCEPTED))
    # Tails are rare, and take longer than all the rest.
    if tail.any():
        far, log_ratio = _in_a_tail(low[tail], high[tail], luck[tail])
        found = found.masked_scatter(tail, far)
        accepted = accepted.masked_scatter(tail, accepted[tail] + log_ratio)
    return torch.where(mirrored, -found, found), accepted


def _in_the_middle(low: Tensor, high: Tensor, luck: Tensor) -> Tensor:
    """The inverse of the distribution function between bounds."""
    start, end = torch.special.ndtr(low), torch.special.ndtr(high)
    return torch.special.ndtri(start + luck * (end - start))


def _in_a_tail(low: Tensor, high: Tensor, luck: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers of density |z| exp(-z² / 2), and ln of |bound / z| relative to its mean."""
    share = -torch.expm1((high**2 - low**2) / 2)
    found = -(high**2 - 2 * torch.log1p(-luck * share)).sqrt()
    log_density = -(high**2) / 2 - math.log(2 * math.pi) / 2
    mean = log_between(low, high) - log_density + (-high).log() - share.log()
    return found, (high / found).log() - mean


def log_between(low: Tensor, high: Tensor) -> Tensor:
    """ln of the probability that a standard normal number lies between bounds."""
    _, low, high = _below(low, high)
    most = torch.special.log_ndtr(high)
    return most + torch.log1p(-(torch.special.log_ndtr(low) - most).exp())


def _below(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Whether bounds were mirrored so that more of them lies below zero, and the bounds."""
    mirrored = low > -high
    return mirrored, torch.where(mirrored, -high, low), torch.where(mirrored, -low, high)
