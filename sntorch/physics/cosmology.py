"""Distances in Friedmann universes with matter, curvature and dark energy, w(a) = w0 + wa (1 - a).

Hogg (1999, astro-ph/9905116) for the distances; Chevallier & Polarski (2001) and Linder (2003) for
w0, wa. Radiation is left out. Everything is batched and differentiable in redshift and in the
parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

SPEED_OF_LIGHT = 299792.458
NODES = 64
FLAT = 1e-8
Number = Tensor | float


@dataclass(frozen=True)
class Cosmology:
    """A universe; each parameter is a number or a tensor that broadcasts against the redshifts.

    Args:
        h0: Hubble constant, km/s/Mpc.
        om0: Matter density today.
        ode0: Dark-energy density today; default: 1 - om0, a flat universe.
        w0: Equation of state of dark energy today.
        wa: Its change, w(a) = w0 + wa (1 - a).
    """

    h0: Number = 73.24
    om0: Number = 0.28
    ode0: Number | None = None
    w0: Number = -1.0
    wa: Number = 0.0

    @property
    def ok0(self) -> Number:
        """Curvature density today."""
        return 0.0 if self.ode0 is None else 1 - self.om0 - self.ode0

    @property
    def hubble_distance(self) -> Number:
        """c / H0, Mpc."""
        return SPEED_OF_LIGHT / self.h0

    def efunc(self, z: Number) -> Tensor:
        """H(z) / H0, shape of ``z``."""
        z = _tensor(z)
        a = 1 + z
        ode0 = 1 - self.om0 if self.ode0 is None else self.ode0
        dark = (
            ode0
            * a ** (3 * (1 + self.w0 + self.wa))
            * torch.exp(torch.as_tensor(-3 * self.wa * z / a))
        )
        return (self.om0 * a**3 + self.ok0 * a**2 + dark).sqrt()

    def comoving_distance(self, z: Number) -> Tensor:
        """Line-of-sight comoving distance, Mpc, shape of ``z``, by Gauss-Legendre quadrature."""
        z = _tensor(z)
        nodes, weights = _gauss_legendre(z)
        # In u = ln(1+z) the integrand is smooth over any range of redshifts.
        top = torch.log1p(z)
        u = top[..., None] * nodes
        integrand = u.exp() / self._for_nodes().efunc(torch.expm1(u))
        return self.hubble_distance * top * (integrand * weights).sum(-1)

    def transverse_distance(self, z: Number) -> Tensor:
        """Transverse comoving distance, Mpc, shape of ``z``."""
        line = self.comoving_distance(z)
        if self.ode0 is None:
            return line
        ok = torch.as_tensor(self.ok0, dtype=line.dtype, device=line.device)
        x2 = ok * (line / self.hubble_distance).square()
        root = x2.abs().clamp(min=FLAT).sqrt()
        curved = torch.where(x2 > 0, torch.sinh(root), torch.sin(root)) / root
        # Close to flat the series is exact to double precision and keeps the gradient finite.
        return line * torch.where(x2.abs() < FLAT, 1 + x2 / 6, curved)

    def luminosity_distance(self, z: Number) -> Tensor:
        """Luminosity distance, Mpc, shape of ``z``."""
        return self.transverse_distance(z) * (1 + _tensor(z))

    def angular_diameter_distance(self, z: Number) -> Tensor:
        """Angular-diameter distance, Mpc, shape of ``z``."""
        return self.transverse_distance(z) / (1 + _tensor(z))

    def distmod(self, z: Number) -> Tensor:
        """Distance modulus, mag, shape of ``z``."""
        return 5 * torch.log10(self.luminosity_distance(z)) + 25

    def differential_comoving_volume(self, z: Number) -> Tensor:
        """dV/dz per steradian, Mpc^3, shape of ``z``."""
        return self.hubble_distance * self.transverse_distance(z).square() / self.efunc(z)

    def comoving_volume(self, z: Number) -> Tensor:
        """Comoving volume of the whole sky out to ``z``, Mpc^3, shape of ``z``."""
        z = _tensor(z)
        nodes, weights = _gauss_legendre(z)
        shells = self._for_nodes().differential_comoving_volume(z[..., None] * nodes)
        return 4 * torch.pi * z * (shells * weights).sum(-1)

    def _for_nodes(self) -> Cosmology:
        """The same universes with a last axis for the quadrature nodes."""
        return Cosmology(**{f.name: _column(getattr(self, f.name)) for f in fields(self)})


def _gauss_legendre(z: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return torch.from_numpy((nodes + 1) / 2).to(z), torch.from_numpy(weights / 2).to(z)


def _tensor(value: Number) -> Tensor:
    """A floating-point tensor: of the type it has, else of double precision."""
    if isinstance(value, Tensor) and value.is_floating_point():
        return value
    return torch.as_tensor(value, dtype=torch.float64)


def _column(parameter: Any) -> Any:
    return parameter[..., None] if isinstance(parameter, Tensor) and parameter.ndim else parameter
