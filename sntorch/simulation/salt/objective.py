"""χ² of a SALT model with its gradient and its full Hessian.

χ² = rᵀ W r, r = flux - f(θ), W = C⁻¹. C is diagonal but for the error that the observations in one
band share (k f, ``physics.salt.covariance``): of rank one in each band, so that W is known by
Sherman & Morrison's formula. As in sncosmo, C does not change during a fit. With J = ∂f/∂θ,

    -½ ∂χ²/∂θ = Jᵀ W r,   ½ ∂²χ²/∂θ² = Jᵀ W J - Σ_i (W r)_i ∂²f_i/∂θ².
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from sntorch.physics.salt.photometry import PAIRS, SALTPhotometry


@dataclass
class Expansion:
    """χ² at a point, to second order, with four parameters.

    Attributes:
        value: shape (B,).
        gradient: Half of it, shape (B, 4).
        hessian: Half of it, shape (B, 4, 4).
        gauss_newton: The part Jᵀ W J, never indefinite, shape (B, 4, 4).
    """

    value: Tensor
    gradient: Tensor
    hessian: Tensor
    gauss_newton: Tensor

    def take(self, rows: Tensor) -> Expansion:
        """The chosen objects."""
        return Expansion(*(getattr(self, f.name)[rows] for f in fields(self)))

    def where(self, condition: Tensor, other: Expansion) -> Expansion:
        """This one where ``condition`` (B,) is true, else the other."""
        pairs = [(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)]
        ndims = [condition.view(-1, *[1] * (a.ndim - 1)) for a, _ in pairs]
        return Expansion(*(torch.where(c, a, b) for c, (a, b) in zip(ndims, pairs, strict=True)))

    def covariance(self) -> Tensor:
        """Inverse of half the Hessian, shape (B, 4, 4); NaN where it is not positive definite."""
        scale = self.hessian.diagonal(dim1=1, dim2=2).clamp(min=0).rsqrt()
        scale = torch.where(torch.isfinite(scale), scale, torch.nan)
        outer = scale[:, :, None] * scale[:, None]
        identity = torch.eye(self.hessian.shape[-1]).to(self.hessian)
        usable = torch.isfinite(outer).all(-1).all(-1)[:, None, None]
        factor, failed = torch.linalg.cholesky_ex(
            torch.where(usable, self.hessian * outer, identity)
        )
        inverse = torch.cholesky_inverse(factor) * outer
        return torch.where((failed == 0)[:, None, None] & usable, inverse, torch.nan)


@dataclass
class Weights:
    """W of B objects.

    Attributes:
        inverse: Inverse variance of each observation alone, 0 where it does not count: (B, T).
        shared: Error that it shares with its band, flux units, shape (B, T); None: there is none.
        band: One-hot, shape (B, F, T).
    """

    inverse: Tensor
    shared: Tensor | None
    band: Tensor

    def take(self, rows: Tensor) -> Weights:
        """The chosen objects."""
        shared = None if self.shared is None else self.shared[rows]
        return Weights(self.inverse[rows], shared, self.band[rows])

    def put(self, rows: Tensor, new: Weights) -> None:
        """Write ``new`` in the place of the chosen objects."""
        self.inverse[rows] = new.inverse
        if new.shared is not None:
            if self.shared is None:
                self.shared = torch.zeros_like(self.inverse)
            self.shared[rows] = new.shared

    def __call__(self, values: Tensor) -> Tensor:
        """W times rows, shape (B, N, T)."""
        alone = self.inverse[:, None] * values
        if self.shared is None:
            return alone
        error = self.shared[:, None]
        weighed = self.inverse[:, None] * error
        of_band = self.band.transpose(1, 2)
        shared = (error * alone) @ of_band / (1 + (error * weighed) @ of_band)
        return alone - weighed * (shared @ self.band)


@dataclass
class ChiSquare:
    """χ² of B objects as a function of t0, x0, x1, c.

    Attributes:
        model: Their fluxes.
        flux: Observed ones, FLUXCAL, shape (B, T).
        weights: W.
    """

    model: SALTPhotometry
    flux: Tensor
    weights: Weights

    def take(self, rows: Tensor) -> ChiSquare:
        """The chosen objects."""
        return replace(
            self,
            model=self.model.take(rows),
            flux=self.flux[rows],
            weights=self.weights.take(rows),
        )

    def walls(self) -> Tensor:
        """Times of peak at which an observation is on the model's last day, shape (B, T).

        Minus infinity where the observation does not count.
        """
        seen = self.model.seen
        walls = seen.time - self.model.phase[-1] * (1 + seen.redshift)[:, None]
        return walls.masked_fill(self.weights.inverse <= 0, -torch.inf)

    def __call__(self, theta: Tensor) -> Expansion:
        """χ² for parameters (B, 4)."""
        light = self.model(theta)
        residual = self.flux - light.flux
        weighed = self.weights(torch.cat([light.jacobian, residual[:, None]], 1))
        jacobian, left = weighed[:, :4], weighed[:, 4, :, None]
        gauss_newton = light.jacobian @ jacobian.transpose(1, 2)
        curvature = torch.zeros_like(gauss_newton)
        second = (light.second @ left).squeeze(-1)
        for place, (i, j) in enumerate(PAIRS):
            curvature[:, i, j] = curvature[:, j, i] = second[:, place]
        return Expansion(
            (residual[:, None] @ left).flatten(),
            -(light.jacobian @ left).squeeze(-1),
            gauss_newton - curvature,
            gauss_newton,
        )
