"""The SED's part of a hierarchical model: surfaces that are trained, or held fixed.

Mandel et al. (2022, arXiv:2008.07538), section 2.3, with the priors of the reference
implementation: W0, W1 ~ N(0, 1) at every knot, σ_ε ~ half-Cauchy(1), the residuals' correlation
~ LKJ(1). The covariance of the residuals is L_Σ L_Σᵀ, L_Σ = diag(σ_ε) L_Ω.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyro import distributions as dist
from torch import Tensor

from sntorch.bayesn.populations import Draw
from sntorch.errors import check_positive
from sntorch.physics.sed import SEDModel


@dataclass(eq=False)
class Surfaces:
    """Surfaces of a model; ``...`` are chains, or nothing.

    Attributes:
        w0, w1: Mean warp and first component at the knots, mag, shape (..., K_l, K_t).
        epsilon_cholesky: L_Σ, shape (..., N, N).
    """

    w0: Tensor
    w1: Tensor
    epsilon_cholesky: Tensor


class FixedSED:
    """The surfaces of a model as they are.

    Args:
        sed: The model.
    """

    trained = False

    def __init__(self, sed: SEDModel) -> None:
        self.sed = sed

    def __call__(self, draw: Draw) -> Surfaces:
        """The surfaces; nothing is drawn."""
        return Surfaces(self.sed.w0, self.sed.w1, self.sed.epsilon_cholesky)


class TrainedSED:
    """Surfaces to be learnt at a model's knots.

    Args:
        sed: Its knots and template are used, its surfaces are not.
        sigma_scale: Scale of the half-Cauchy prior of σ_ε, mag.
        concentration: η of the LKJ prior of the correlations.

    Raises:
        ConfigError: A setting that is not positive.
    """

    trained = True

    def __init__(
        self, sed: SEDModel, sigma_scale: float = 1.0, concentration: float = 1.0
    ) -> None:
        self.sed = sed
        self.sigma_scale, self.concentration = sigma_scale, concentration
        for name in ("sigma_scale", "concentration"):
            check_positive(name, getattr(self, name))

    def __call__(self, draw: Draw) -> Surfaces:
        """Draw W0, W1, σ_ε and the correlations' Cholesky factor."""
        surface, scales, correlations = self._priors
        mean, first = draw("w0", surface), draw("w1", surface)
        sigma = draw("sigma_epsilon", scales)
        factor = draw("l_omega", correlations)
        return Surfaces(mean, first, sigma[..., :, None] * factor)

    @cached_property
    def _priors(self) -> tuple[Any, Any, Any]:
        # Made once: that of the correlations takes longer to make than to evaluate.
        w0, n = self.sed.w0, len(self.sed.epsilon_cholesky)
        surface = dist.Normal(w0.new_zeros(w0.shape), 1.0).to_event(2)
        scales = dist.HalfCauchy(w0.new_full((n,), self.sigma_scale)).to_event(1)
        return surface, scales, dist.LKJCholesky(n, w0.new_tensor(self.concentration))
