"""Epochs from nights that all bands share: which nights a band is observed in, and when.

A survey visits a field in nights and takes most bands in each of them; a band misses some. So
times are made in two steps: nights in order, then for a band with N observations the N nights
that suit it best. The choice is hard, and its gradient is that of a smooth choice
(straight-through, Bengio et al. 2013, arXiv:1308.3432).

Letters in shapes: ``B`` objects, ``L`` nights and steps, ``F`` bands.
"""

from __future__ import annotations

import torch
from torch import Tensor


def choose_nights(score: Tensor, mask: Tensor) -> Tensor:
    """Which night each observation is made in: weights (B, L, L, F) of observation, night, band.

    Zeros and ones, the nights of a band in order; the gradient reaches ``score``.

    Args:
        score: How well a night suits a band, shape (B, L, F).
        mask: Observations wanted, shape (B, L, F), each band's in its first steps. An object has
            as many nights as its best-covered band has observations.
    """
    nights = mask.any(-1)
    score = torch.where(nights[..., None], score, -torch.inf)
    count = mask.sum(1, keepdim=True)
    ordered = score.detach().sort(dim=1, descending=True).values
    worst = ordered.gather(1, (count - 1).clamp(min=0))
    hard = (score >= worst) & (count > 0)
    # Between the worst night that is taken and the best one that is not; no doubt without any.
    best_left = ordered.gather(1, count.clamp(max=mask.shape[1] - 1))
    spare = (count > 0) & (count < nights.sum(1)[:, None, None])
    middle = torch.where(spare, (worst + best_left) / 2, 0.0)
    doubt = torch.where(spare & nights[..., None], score - middle, 0.0).sigmoid()
    soft = torch.where(spare, doubt, hard.to(score.dtype)) * nights[..., None]
    weights = _in_order(soft)
    return _in_order(hard.to(score.dtype)) + (weights - weights.detach())


def _in_order(taken: Tensor) -> Tensor:
    """Weight of night m as the k-th one taken, shape (B, K, M, F), of shares (B, M, F)."""
    place = taken.cumsum(1)
    k = torch.arange(1, taken.shape[1] + 1, device=taken.device)[:, None, None]
    return taken[:, None] * (1 - (place[:, None] - k).abs()).clamp(min=0)
