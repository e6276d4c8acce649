"""The mean of a likelihood-to-evidence ratio over the prior, which is one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sntorch.sbi.prior import BoxPrior


def mean_ratio(
    log_ratio: Callable[[Tensor], Tensor], prior: BoxPrior, n: int = 20_000, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """ln of the prior's mean of p(data | θ) / p(data), 0 for a right ratio, and its error.

    Ratios that are known up to a factor only, as NRE-B learns them, need not pass.

    Args:
        log_ratio: ln r, shape (B, n), of θ (1, n, D) or (B, n, D).
        prior: Uniform.
        n: Number of points.
        seed: Of the points.

    Returns:
        ln of the mean and the standard error of that, shape (B,) each. The error itself is not to
        be trusted where it is not small: a narrow posterior was hit by few points.
    """
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(1, n, prior.dim, generator=generator, dtype=torch.float64)
    found = log_ratio(prior.from_uniform(u)).double()
    log_mean = found.logsumexp(1) - torch.log(torch.tensor(float(n)))
    share = (found - log_mean[:, None]).exp()
    return log_mean, share.std(1) / n**0.5
