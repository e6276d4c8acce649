"""Derivatives of fitted parameters with respect to the data, by the implicit function theorem.

At the minimum Jᵀ W r = 0 whatever the data are, so that with H = ½ ∂²χ²/∂θ² (``objective``)

    ∂θ/∂flux_i = H⁻¹ (W J)_i,    ∂θ/∂σ_i = -2 σ_i (W r)_i H⁻¹ (W J)_i.

W holds model errors, where these count, at the parameters of the fit before, as χ² itself does:
that they too move with the data is left out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sntorch.simulation.salt.objective import ChiSquare


def sensitivities(
    objective: ChiSquare, theta: Tensor, covariance: Tensor, flux_err: Tensor
) -> tuple[Tensor, Tensor]:
    """∂θ/∂flux and ∂θ/∂flux_err at the minimum, shape (B, T, 4) each.

    Args:
        objective: χ² of B objects.
        theta: Where it is least, shape (B, 4).
        covariance: H⁻¹, shape (B, 4, 4).
        flux_err: σ, shape (B, T).
    """
    light = objective.model(theta)
    residual = objective.flux - light.flux
    weighed = objective.weights(torch.cat([light.jacobian, residual[:, None]], 1))
    by_flux = weighed[:, :4].transpose(1, 2) @ covariance
    return by_flux, -2 * (flux_err * weighed[:, 4])[..., None] * by_flux


class Fitted(torch.autograd.Function):
    """The fitted parameters as a differentiable function of fluxes and their errors."""

    @staticmethod
    def forward(
        ctx: Any, flux: Tensor, flux_err: Tensor, theta: Tensor, by_flux: Tensor, by_err: Tensor
    ) -> Tensor:
        """θ itself, (B, 4); ``by_flux`` and ``by_err`` are of ``sensitivities``."""
        ctx.save_for_backward(by_flux, by_err)
        return theta.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Chain rule; only fluxes and their errors get a gradient."""
        (gradient,) = gradients
        by_flux, by_err = ctx.saved_tensors
        return (*((d * gradient[:, None]).sum(-1) for d in (by_flux, by_err)), None, None, None)
