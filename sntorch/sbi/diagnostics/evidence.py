"""The mean of a likelihood-to-evidence ratio over the prior, which is one.

Letters in shapes: ``B`` surveys, ``n`` points, ``S`` draws, ``D`` parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from sntorch.sbi.diagnostics.comparison import normal_approximation
from sntorch.sbi.prior import BoxPrior

# Share of points from the prior beside those about a posterior: no weight is above one over it.
FROM_PRIOR = 0.25
WIDENED = 1.3


def mean_ratio(
    log_ratio: Callable[[Tensor], Tensor],
    prior: BoxPrior,
    n: int = 20_000,
    seed: int = 0,
    draws: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """ln of the prior's mean of p(data | θ) / p(data), 0 for a right ratio, and its error.

    Ratios that are known up to a factor only, as NRE-B learns them, need not pass.

    Args:
        log_ratio: ln r, shape (B, n), of θ (1, n, D) or (B, n, D).
        prior: Uniform.
        n: Number of points.
        seed: Of the points.
        draws: Of the posteriors, shape (B, S, D), right or wrong: most points are then where they
            are, with weights that make the mean that of the prior. Of narrow posteriors a tenth
            of the points is then enough.

    Returns:
        ln of the mean and the standard error of that, shape (B,) each. The error itself is not to
        be trusted where it is not small: a narrow posterior was hit by few points.
    """
    generator = torch.Generator().manual_seed(seed)
    if draws is None:
        u = torch.rand(1, n, prior.dim, generator=generator, dtype=torch.float64)
        found = log_ratio(prior.from_uniform(u)).double()
    else:
        free, log_weight = _about(draws, prior, n, generator)
        found = log_ratio(prior.constrain(free)).double() + log_weight
    log_mean = found.logsumexp(1) - math.log(n)
    share = (found - log_mean[:, None]).exp()
    return log_mean, share.std(1) / n**0.5


def _about(
    draws: Tensor, prior: BoxPrior, n: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Unconstrained points (B, n, D) about posteriors, some of the prior, and ln p - ln q."""
    mean, covariance = normal_approximation(draws, prior)
    wide = MultivariateNormal(mean[:, None], WIDENED**2 * covariance[:, None])
    n_prior = round(FROM_PRIOR * n)
    u = torch.rand(len(mean), n_prior, prior.dim, generator=generator, dtype=torch.float64)
    noise = torch.randn(len(mean), n - n_prior, prior.dim, generator=generator, dtype=u.dtype)
    free = torch.cat([torch.logit(u, 1e-12), wide.loc + noise @ wide.scale_tril[:, 0].mT], 1)
    log_prior = prior.log_density(free)
    share = torch.tensor([n_prior / n, 1 - n_prior / n], dtype=torch.float64).log()
    both = torch.stack([log_prior + share[0], wide.log_prob(free) + share[1]])
    return free, log_prior - both.logsumexp(0)
