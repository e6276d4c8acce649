"""Variational fits of hierarchical posteriors with a structured guide.

    q(φ) = N(m, L Lᵀ),   q(z_s | φ): T_s(x; φ) with x ~ N(m_s, diag s_s²)

where T_s is the whitening of ``hierarchical``: the objects' own variables follow the shared ones
as the data say, which a guide with independent parts cannot. Gradients follow the paths of the
draws only (Roeder et al. 2017, arXiv:1703.09194), antithetic pairs of them. The mean learns
fastest, the correlations slowest: they are many and start at a Laplace approximation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.inference.hierarchical import Conditional

RATES = {"mean": 0.03, "spread": 0.01, "factor": 0.001, "own_mean": 0.001, "own_spread": 0.001}
BETAS = (0.9, 0.99)
LAST = 0.1
AVERAGED = 0.4


@dataclass(frozen=True, eq=False)
class StructuredFit:
    """The guide, and how its evidence lower bound went.

    Attributes:
        coordinates: The guide: what a standard normal becomes.
        elbo: Bound at every iteration, of the evidence if the density is normalised, shape (I,).
    """

    coordinates: Conditional
    elbo: Tensor


def fit_structured(
    start: Conditional,
    generator: torch.Generator,
    iterations: int = 150,
    n_draws: int = 8,
    progress: Callable[[float], None] | None = None,
) -> StructuredFit:
    """The member of the family closest to the posterior.

    Args:
        start: A first approximation.
        generator: Random numbers, on the density's device.
        iterations: Steps of Adam.
        n_draws: Draws a step, an even number.
        progress: Called with the fraction done.
    """
    size = len(start.mean)
    moves = {
        "mean": torch.zeros_like(start.mean),
        "spread": torch.zeros_like(start.mean),
        "factor": torch.zeros_like(start.scale_tril),
        "own_mean": torch.zeros_like(start.own_mean),
        "own_spread": torch.zeros_like(start.own_mean),
    }
    groups = [{"params": [move], "lr": RATES[name]} for name, move in moves.items()]
    optimiser = torch.optim.Adam(groups, betas=BETAS)
    sums = {name: torch.zeros_like(move) for name, move in moves.items()}
    n_averaged = max(int(AVERAGED * iterations), 1)
    bounds = []
    for i in range(iterations):
        share = LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * i / iterations))
        for group, rate in zip(optimiser.param_groups, RATES.values(), strict=True):
            group["lr"] = rate * share
        x = _antithetic(start, n_draws, generator)
        bounds.append(_step(start, moves, x, size))
        optimiser.step()
        if i >= iterations - n_averaged:
            for name, move in moves.items():
                sums[name] += move / n_averaged
        if progress is not None:
            progress((i + 1) / iterations)
    return StructuredFit(_moved(start, sums), torch.stack(bounds))


def _step(start: Conditional, moves: dict[str, Tensor], x: Tensor, size: int) -> Tensor:
    """Set the gradients of minus the bound; the bound."""
    guide = _moved(start, moves)
    value, gradient = guide.evaluate(start.density, x)
    # Of ln p - ln q along the path, by x: zero where q is exact.
    pull = torch.nan_to_num(gradient + x, 0, 0, 0)[0]
    shared, own = guide.density.split(pull)
    noise, own_noise = guide.density.split(x[0])
    lower = _lower(moves)
    back = torch.linalg.solve_triangular(lower.T, shared.T, upper=True)
    n = len(noise)
    by_factor = back @ noise / n
    moves["mean"].grad = -back.mean(1)
    moves["spread"].grad = -by_factor.diagonal() * moves["spread"].exp()
    moves["factor"].grad = -by_factor.tril(-1)
    by_own = own / moves["own_spread"].exp()[:, None]
    moves["own_mean"].grad = -by_own.mean(1)
    moves["own_spread"].grad = -(own * own_noise).mean(1)
    # -ln q of a draw: its scores' standard normal, and the volume of the coordinates.
    volume = guide.scale_tril.diagonal().log().sum() + guide.own_scale.log().sum()
    scores = 0.5 * x[0].square().sum(-1) + 0.5 * math.log(2 * math.pi) * x.shape[-1]
    return (value[0] + scores).mean() + volume


def _moved(start: Conditional, moves: dict[str, Tensor]) -> Conditional:
    return Conditional(
        start.density,
        start.mean + start.scale_tril @ moves["mean"],
        start.scale_tril @ _lower(moves),
        start.own_mean + start.own_scale * moves["own_mean"],
        start.own_scale * moves["own_spread"].exp(),
    )


def _lower(moves: dict[str, Tensor]) -> Tensor:
    return moves["factor"].tril(-1) + torch.diag(moves["spread"].exp())


def _antithetic(start: Conditional, n_draws: int, generator: torch.Generator) -> Tensor:
    """Standard-normal draws and their mirror images, shape (1, S, D)."""
    shape = 1, n_draws // 2, start.density.dim
    half = torch.randn(
        shape, generator=generator, dtype=start.mean.dtype, device=start.mean.device
    )
    return torch.cat([half, -half], 1)
