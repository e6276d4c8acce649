"""Distance moduli of flat ΛCDM universes as a polynomial in matter density and redshift.

μ - 5 log10 z is smooth, so that a product of Chebyshev polynomials represents it to 1e-7 mag. For
many universes and many redshifts that is a matrix product in place of a quadrature, and as
differentiable.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.polynomial import chebyshev
from torch import Tensor

from sntorch.physics.cosmology import Cosmology

TERMS_OM0, TERMS_Z = 20, 12
LOWEST_OM0, HIGHEST_OM0 = 0.01, 0.99


@dataclass(frozen=True)
class DistanceModuli:
    """Distance moduli between two redshifts, for 0.01 <= om0 <= 0.99.

    Attributes:
        z_low: Least redshift.
        z_high: Largest redshift.
        h0: Hubble constant, km/s/Mpc.
    """

    z_low: float
    z_high: float
    h0: float = 70.0

    @cached_property
    def table(self) -> Tensor:
        """Coefficients, shape (TERMS_OM0, TERMS_Z), float64."""
        om0, z = _nodes(TERMS_OM0), _nodes(TERMS_Z)
        om0_at = torch.from_numpy(_unscaled(om0, LOWEST_OM0, HIGHEST_OM0))[:, None]
        z_at = torch.from_numpy(_unscaled(z, self.z_low, self.z_high)).expand(TERMS_OM0, TERMS_Z)
        smooth = Cosmology(h0=self.h0, om0=om0_at).distmod(z_at) - 5 * torch.log10(z_at)
        rows = np.linalg.solve(chebyshev.chebvander(om0, TERMS_OM0 - 1), smooth.numpy())
        return torch.from_numpy(np.linalg.solve(chebyshev.chebvander(z, TERMS_Z - 1), rows.T).T)

    def coefficients(self, om0: Tensor) -> Tensor:
        """Those of the polynomials in redshift, shape (..., TERMS_Z), for om0 of shape (...)."""
        return polynomials(om0, LOWEST_OM0, HIGHEST_OM0, TERMS_OM0) @ self.table.to(om0)

    def basis(self, z: Tensor) -> Tensor:
        """Polynomials at redshifts, shape (..., TERMS_Z)."""
        return polynomials(z, self.z_low, self.z_high, TERMS_Z)

    def of_many(self, z: Tensor, om0: Tensor, universe: Tensor) -> Tensor:
        """Distance moduli, mag, shape (M,), with each redshift in one of B universes.

        Args:
            z: shape (M,).
            om0: shape (B,).
            universe: Which it is, shape (M,), int64.
        """
        coefficients = self.coefficients(om0).T.contiguous()
        t = _scaled(z, self.z_low, self.z_high)
        last, current = torch.ones_like(t), t
        total = coefficients[0][universe] + coefficients[1][universe] * t
        for row in coefficients[2:]:
            last, current = current, 2 * t * current - last
            total += row[universe] * current
        return total + 5 * torch.log10(z)


def _nodes(n: int) -> np.ndarray:
    return np.cos(np.pi * (np.arange(n) + 0.5) / n)


def _unscaled(t: np.ndarray, low: float, high: float) -> np.ndarray:
    return low + (t + 1) / 2 * (high - low)


def _scaled(value: Tensor, low: float, high: float) -> Tensor:
    return 2 * (value - low) / (high - low) - 1


def polynomials(value: Tensor, low: float, high: float, n: int) -> Tensor:
    """T_0 … T_{n-1} of values scaled to [-1, 1], shape (..., n)."""
    t = _scaled(value, low, high)
    terms = [torch.ones_like(t), t]
    for _ in range(n - 2):
        terms.append(2 * t * terms[-1] - terms[-2])
    return torch.stack(terms, -1)
