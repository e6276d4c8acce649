"""What a token's neighbours along an axis are like: smooth weights, and differences to them.

Letters in shapes: ``B`` objects, ``T`` tokens, ``G`` groups, ``K`` columns.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Neighbours that count for less than this are as good as none.
FAINT = 0.05


def nearness(x: Tensor, mask: Tensor, width: float) -> Tensor:
    """How near tokens are to each other, shape (B, T, T): (1 - (d / 3 width)²)³ at distance d.

    Much like a Gaussian, but exactly zero from three standard deviations on, and faster.

    Args:
        x: Places, shape (B, T).
        mask: True where there is a token, shape (B, T).
        width: Standard deviation of the weights, in units of ``x``.

    Returns:
        Weights in [0, 1]: 1 for a token itself, 0 from and to masked ones.
    """
    apart = (x[:, :, None] - x[:, None, :]) / (3 * width)
    weight = (1 - apart.square()).clamp(min=0) ** 3
    return torch.where(mask[:, :, None] & mask[:, None, :], weight, 0.0)


def shared_noise(noise: Tensor, near: Tensor) -> Tensor:
    """Noise that near tokens have in common, of the same variance, shape (B, T, K).

    Args:
        noise: Independent numbers, shape (B, T, K).
        near: Weights of neighbours, shape (B, T, T).
    """
    return near @ noise / near.square().sum(-1, keepdim=True).clamp(min=1e-6).sqrt()


def contrasts(values: Tensor, near: Tensor, groups: Tensor) -> Tensor:
    """How a token differs from its neighbours in each group, shape (B, T, (K + 1) G).

    Per group: the weighted mean difference of each column, 0 where there is no neighbour, and
    how much of a neighbour there is, in [0, 1). A token is not its own neighbour.

    Args:
        values: Columns, shape (B, T, K).
        near: Weights of neighbours, shape (B, T, T).
        groups: Membership of tokens, shape (B, T, G), zeros and ones.
    """
    others = near * ~torch.eye(near.shape[1], dtype=torch.bool, device=near.device)
    weight = others @ groups
    sums = others @ (values[..., None] * groups[:, :, None]).flatten(2)
    sums = sums.unflatten(-1, (values.shape[-1], groups.shape[-1]))
    difference = (values[..., None] * weight[:, :, None] - sums) / (weight + FAINT)[:, :, None]
    return torch.cat([difference.flatten(2), weight / (weight + FAINT)], dim=-1)
