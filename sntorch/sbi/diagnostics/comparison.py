"""How far posteriors are from exact ones: what calibration cannot tell.

Draws are compared by their moments, in the parameters and, for the divergence, in unconstrained
coordinates, where posteriors are closer to normal. Two sets of draws of one posterior do not agree
exactly: give the same numbers for the exact posterior drawn twice beside these.

Letters in shapes: ``B`` surveys, ``S`` draws of each, ``D`` parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.prior import BoxPrior


@dataclass(frozen=True, eq=False)
class PosteriorComparison:
    """Posteriors against the exact ones of the same surveys.

    Attributes:
        bias: Difference of the means over the exact σ, shape (B, D).
        width: Ratio of the σ, shape (B, D).
        divergence: KL(exact || other) of normal distributions with the draws' moments in
            unconstrained coordinates, nats, shape (B,).
    """

    bias: Tensor
    width: Tensor
    divergence: Tensor


def compare(draws: Tensor, exact: Tensor, prior: BoxPrior) -> PosteriorComparison:
    """Compare draws, shape (B, S, D), with those of exact posteriors, shape (B, S', D).

    Raises:
        ConfigError: Surveys or parameters that do not match, or fewer draws than moments need.
    """
    same = draws.ndim == exact.ndim == 3 and draws.shape[::2] == exact.shape[::2]
    if not same or min(draws.shape[1], exact.shape[1]) <= prior.dim + 1:
        raise ConfigError(
            f"comparison: draws (B, S, {prior.dim}) of the same surveys are accepted, S > "
            f"{prior.dim + 1}; found {tuple(draws.shape)} and {tuple(exact.shape)}"
        )
    sd = exact.std(1)
    bias = (draws.mean(1) - exact.mean(1)) / sd
    moments = (normal_approximation(one, prior) for one in (exact, draws))
    return PosteriorComparison(bias, draws.std(1) / sd, _divergence(*moments))


def normal_approximation(draws: Tensor, prior: BoxPrior) -> tuple[Tensor, Tensor]:
    """Mean (B, D) and covariance (B, D, D) of draws (B, S, D) in unconstrained coordinates."""
    free = prior.unconstrain(_inside(draws.double(), prior))
    mean = free.mean(1)
    residual = free - mean[:, None]
    return mean, residual.mT @ residual / (free.shape[1] - 1)


def _inside(theta: Tensor, prior: BoxPrior) -> Tensor:
    """Draws on the walls, which single precision makes, a rounding away from them."""
    low, high = theta.new_tensor(prior.low), theta.new_tensor(prior.high)
    edge = 1e-7 * (high - low)
    return theta.clamp(low + edge, high - edge)


def _divergence(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> Tensor:
    (m1, c1), (m2, c2) = first, second
    factor = torch.linalg.cholesky(c2)
    shift = torch.linalg.solve_triangular(factor, (m2 - m1)[..., None], upper=False)
    trace = torch.cholesky_solve(c1, factor).diagonal(dim1=1, dim2=2).sum(-1)
    log_ratio = torch.linalg.slogdet(c2)[1] - torch.linalg.slogdet(c1)[1]
    return (trace + (shift**2).sum((1, 2)) - m1.shape[-1] + log_ratio) / 2
