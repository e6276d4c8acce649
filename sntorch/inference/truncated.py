"""Normal distributions whose first variable is truncated below at zero.

Uzsoy et al. (2024, arXiv:2405.06013): the guide of a BayeSN fit, with A_V as the truncated
variable. With z_1 ~ N(μ_1, σ_1²) on z_1 > 0 and the others normal given z_1,

    ln q(z) = ln N(z; μ, L Lᵀ) - ln Φ(μ_1 / σ_1).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, constraints

# Below this μ/σ the normal's own quantiles run out of floating point; the tail's do not.
FAR = -20.0
SINGLE = torch.Size()


def truncated_quantile(loc: Tensor, scale: Tensor, u: Tensor) -> Tensor:
    """Quantile u of a normal truncated below at zero; differentiable in all three."""
    ratio = loc / scale
    far = ratio < FAR
    near = torch.where(far, torch.full_like(ratio, FAR), ratio)
    # torch's ndtr(x) itself is (1 + erf) / 2, without a digit below x = -8.
    survival = (1 - u) * torch.special.log_ndtr(near).exp()
    inside = loc - scale * torch.special.ndtri(survival)
    # Far out, ln Φ(-x) falls as -x²/2.
    beyond = loc + scale * (torch.where(far, ratio, FAR).square() - 2 * torch.log1p(-u)).sqrt()
    return torch.where(far, beyond, inside).clamp(min=torch.finfo(loc.dtype).tiny)


class ZeroTruncatedNormal(TorchDistribution):
    """A normal distribution truncated below at zero.

    Args:
        loc, scale: Of the normal before it is truncated, shapes that broadcast.
    """

    arg_constraints: Any = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012
    support = constraints.positive  # pyright: ignore[reportAssignmentType,reportIncompatibleMethodOverride]
    has_rsample = True

    def __init__(self, loc: Tensor, scale: Tensor, validate_args: bool | None = None) -> None:
        self.loc, self.scale = torch.broadcast_tensors(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> ZeroTruncatedNormal:
        """The same distribution with a larger batch shape."""
        return ZeroTruncatedNormal(self.loc.expand(batch_shape), self.scale.expand(batch_shape))

    def rsample(self, sample_shape: Any = SINGLE) -> Tensor:
        """Draws with a gradient, shape ``sample_shape + batch_shape``."""
        u = torch.rand(self.shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device)
        return truncated_quantile(self.loc, self.scale, u)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density."""
        return Normal(self.loc, self.scale).log_prob(value) - torch.special.log_ndtr(
            self.loc / self.scale
        )

    @property
    def mean(self) -> Tensor:
        """μ + σ φ(μ/σ) / Φ(μ/σ)."""
        ratio = self.loc / self.scale
        log_density = -0.5 * ratio.square() - 0.5 * math.log(2 * math.pi)
        return self.loc + self.scale * torch.exp(log_density - torch.special.log_ndtr(ratio))


class ZeroTruncatedMultivariateNormal(TorchDistribution):
    """A multivariate normal distribution whose first variable is truncated below at zero.

    Args:
        loc: shape (..., D).
        scale_tril: Lower Cholesky factor of the covariance before truncation, shape (..., D, D).
    """

    arg_constraints: Any = {  # noqa: RUF012
        "loc": constraints.real_vector,
        "scale_tril": constraints.lower_cholesky,
    }
    has_rsample = True

    def __init__(self, loc: Tensor, scale_tril: Tensor, validate_args: bool | None = None) -> None:
        batch = torch.broadcast_shapes(loc.shape[:-1], scale_tril.shape[:-2])
        self.loc = loc.expand(*batch, loc.shape[-1])
        self.scale_tril = scale_tril.expand(*batch, *scale_tril.shape[-2:])
        super().__init__(batch, loc.shape[-1:], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=1)
    def support(self) -> Any:
        """Positive first variable, real others."""
        sizes = [1, self.event_shape[0] - 1]
        each = constraints.cat([constraints.positive, constraints.real], dim=-1, lengths=sizes)
        return constraints.independent(each, 1)

    def expand(self, batch_shape: Any, _instance: Any = None) -> ZeroTruncatedMultivariateNormal:
        """The same distribution with a larger batch shape."""
        size = torch.Size(batch_shape)
        return ZeroTruncatedMultivariateNormal(
            self.loc.expand(size + self.loc.shape[-1:]),
            self.scale_tril.expand(size + self.scale_tril.shape[-2:]),
        )

    def rsample(self, sample_shape: Any = SINGLE) -> Tensor:
        """Draws with a gradient, shape ``sample_shape + batch_shape + (D,)``."""
        shape = self.shape(sample_shape)
        u = torch.rand(shape[:-1], dtype=self.loc.dtype, device=self.loc.device)
        noise = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.transform(u, noise[..., 1:])

    def transform(self, u: Tensor, noise: Tensor) -> Tensor:
        """A draw from a uniform number (...) and standard-normal ones (..., D - 1)."""
        first_loc, first_scale = self.loc[..., 0], self.scale_tril[..., 0, 0]
        first = truncated_quantile(first_loc, first_scale, u)
        whitened = torch.cat([((first - first_loc) / first_scale)[..., None], noise], -1)
        others = self.loc + (self.scale_tril @ whitened[..., None]).squeeze(-1)
        return torch.cat([first[..., None], others[..., 1:]], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density."""
        normal = MultivariateNormal(self.loc, scale_tril=self.scale_tril, validate_args=False)
        ratio = self.loc[..., 0] / self.scale_tril[..., 0, 0]
        return normal.log_prob(value) - torch.special.log_ndtr(ratio)


def truncated_score(x: Tensor, ratio: Tensor) -> tuple[Tensor, Tensor]:
    """The score of a truncated normal at the quantile of a standard-normal number.

    Args:
        x: A standard-normal number.
        ratio: μ/σ of a normal that is truncated below at zero, shape that broadcasts.

    Returns:
        w, with μ + σ w the truncated variable at x's quantile, and ln (dw/dx).
    """
    kept = torch.special.log_ndtr(ratio)
    above = (torch.special.log_ndtr(-x) + kept).exp()
    below = (torch.special.log_ndtr(x) + kept).exp() + torch.special.log_ndtr(-ratio).exp()
    # Each tail by its own probability: the other has no digits there.
    upper = -torch.special.ndtri(above.clamp(max=0.9))
    lower = torch.special.ndtri(below.clamp(max=0.9))
    w = torch.where(above < 0.5, upper, lower)
    return w, kept - 0.5 * x.square() + 0.5 * w.square()


def truncated_score_inverse(w: Tensor, ratio: Tensor) -> Tensor:
    """x of w; see ``truncated_score``."""
    kept = torch.special.log_ndtr(ratio)
    least = torch.finfo(w.dtype).tiny
    above = (torch.special.log_ndtr(-w) - kept).exp().clamp(least, 0.9)
    outside = torch.special.log_ndtr(-ratio).exp()
    below = (torch.special.log_ndtr(w).exp() - outside) / kept.exp()
    upper = -torch.special.ndtri(above)
    return torch.where(above < 0.5, upper, torch.special.ndtri(below.clamp(least, 0.9)))
