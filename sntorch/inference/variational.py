"""Variational fits of many posteriors at once: a normal, or one truncated at zero, each.

The family is a change of coordinates (``coordinates.Affine``, ``coordinates.Truncated``): q is
what a standard normal x becomes. With the truncated one this is the guide of Uzsoy et al. (2024,
arXiv:2405.06013). Its gradient follows the paths of the draws only (Roeder et al. 2017,
arXiv:1703.09194), which is without noise where q is exact, and the draws come in antithetic pairs.
Fits begin at a Laplace approximation, and means and Cholesky factors move in units of it.

Letters in shapes: ``B`` objects, ``S`` draws, ``D`` variables.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from sntorch.inference.coordinates import Affine, Truncated
from sntorch.inference.density import BatchedDensity

Family = TypeVar("Family", bound=Affine | Truncated)
RATE, LAST_RATE = 0.03, 0.003
BETAS = (0.9, 0.99)
AVERAGED = 0.4


def fit_normal(
    density: BatchedDensity,
    start: Family,
    generator: torch.Generator,
    iterations: int = 300,
    n_draws: int = 8,
    progress: Callable[[float], None] | None = None,
) -> Family:
    """The member of ``start``'s family that is closest to each posterior.

    Args:
        density: B posteriors.
        start: A first approximation.
        generator: Random numbers, on the density's device.
        iterations: Steps of Adam.
        n_draws: Draws a step, an even number.
        progress: Called with the fraction done, now and then.
    """
    mean = torch.zeros_like(start.mean, requires_grad=True)
    factor = torch.zeros_like(start.scale_tril, requires_grad=True)
    optimiser = torch.optim.Adam([mean, factor], lr=RATE, betas=BETAS)
    sums = torch.zeros_like(mean), torch.zeros_like(factor)
    target = start.target(density)
    n_averaged = max(int(AVERAGED * iterations), 1)
    for i in range(iterations):
        share = 0.5 * (1 + math.cos(math.pi * i / iterations))
        optimiser.param_groups[0]["lr"] = LAST_RATE + (RATE - LAST_RATE) * share
        optimiser.zero_grad()
        with torch.enable_grad():
            family = _moved(start, mean, factor)
            points, scores = family.natural(_antithetic(start.mean, n_draws, generator))
        with torch.no_grad():
            _, gradient = target.value_and_gradient(points.detach())
            upper = family.scale_tril.transpose(1, 2)
            of_guide = torch.linalg.solve_triangular(upper, scores.transpose(1, 2), upper=True)
            pull = (gradient + of_guide.transpose(1, 2)).nan_to_num(0, 0, 0)
        points.backward(-pull / n_draws)
        optimiser.step()
        if i >= iterations - n_averaged:
            for total, parameter in zip(sums, (mean, factor), strict=True):
                total += parameter.detach() / n_averaged
        if progress is not None:
            progress((i + 1) / iterations)
    return _moved(start, *sums)


def _moved(start: Family, mean: Tensor, factor: Tensor) -> Family:
    """The family's member at a mean and the logarithm-like factor of its scale, from ``start``."""
    diagonal = factor.diagonal(dim1=1, dim2=2).exp()
    lower = factor.tril(-1) + torch.diag_embed(diagonal)
    return start.composed(mean, lower)


def _antithetic(like: Tensor, n_draws: int, generator: torch.Generator) -> Tensor:
    """Standard-normal draws and their mirror images, shape (B, S, D)."""
    shape = len(like), n_draws // 2, like.shape[1]
    half = torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)
    return torch.cat([half, -half], 1)


def log_ratios(density: BatchedDensity, family: Affine | Truncated, x: Tensor) -> Tensor:
    """ln p - ln q, up to a constant, of the draws at x (B, S, D): shape (B, S)."""
    value, _ = family.evaluate(density, x)
    return value + 0.5 * x.square().sum(-1)
