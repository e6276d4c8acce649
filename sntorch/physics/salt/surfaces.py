"""The surfaces of a SALT model.

References: Guy et al. (2007, A&A 466, 11), Betoule et al. (2014, A&A 568, A22) for SALT2;
Kenworthy et al. (2021, ApJ 923, 265), Taylor et al. (2023, MNRAS 520, 5209) for SALT3. The flux
density at rest is F(t, λ) = x0 [M0(t, λ) + x1 M1(t, λ)] 10^{-0.4 c CL(λ)}; CL is a polynomial in
l = (λ - λ_B) / (λ_V - λ_B), continued by straight lines.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

LAMBDA_B, LAMBDA_V = 4302.57, 5428.55


@dataclass(frozen=True, eq=False)
class Grid:
    """A function of phase and wavelength at nodes.

    Attributes:
        phase: Rest-frame days, shape (P,), increasing.
        wave: Rest-frame Å, shape (L,), increasing.
        value: shape (P, L).
    """

    phase: Tensor
    wave: Tensor
    value: Tensor

    def to(self, device: torch.device | str) -> Self:
        """The same grid on another device."""
        return type(self)(*(getattr(self, f.name).to(device) for f in fields(self)))


@dataclass(frozen=True, eq=False)
class ColorLaw:
    """CL(λ), the extinction in magnitudes for c = 1.

    Attributes:
        coefficients: Of l², l³, …; that of l makes CL(λ_V) = -1.
        wave_range: Where the polynomial holds, Å.
    """

    coefficients: tuple[float, ...]
    wave_range: tuple[float, float]

    def __call__(self, wave: Tensor) -> Tensor:
        """CL at rest-frame wavelengths of any shape, Å: mag."""
        low, high = ((w - LAMBDA_B) / (LAMBDA_V - LAMBDA_B) for w in self.wave_range)
        position = (wave - LAMBDA_B) / (LAMBDA_V - LAMBDA_B)
        inside = position.clamp(low, high)
        value, slope = torch.zeros_like(inside), torch.zeros_like(inside)
        for a in (*reversed(self.coefficients), 1.0 - sum(self.coefficients)):
            slope = slope * inside + value
            value = value * inside + a
        # value is P(l)/l and slope its derivative.
        full, full_slope = value * inside, value + inside * slope
        return -(full + full_slope * (position - inside))


@dataclass(frozen=True, eq=False)
class SALTSurfaces:
    """A SALT model.

    Attributes:
        m0, m1: Flux density of the two components, f_λ, on one grid.
        color_law: CL(λ).
        v00, v01, v11: (Co)variance of the components: of flux densities (SALT3), or relative to
            M0² (SALT2).
        error_scale: Factor of SALT2's errors; None: SALT3, whose errors are of flux densities.
        dispersion_wave: Rest-frame Å, shape (N,), increasing.
        dispersion: Relative error k(λ) that all observations in a band share, shape (N,).
        name: Name of the model.
    """

    m0: Grid
    m1: Grid
    color_law: ColorLaw
    v00: Grid
    v01: Grid
    v11: Grid
    error_scale: Grid | None
    dispersion_wave: Tensor
    dispersion: Tensor
    name: str = "salt3"

    @cached_property
    def phase_range(self) -> tuple[float, float]:
        """First and last rest-frame day."""
        return float(self.m0.phase[0]), float(self.m0.phase[-1])

    @cached_property
    def wave_range(self) -> tuple[float, float]:
        """First and last rest-frame wavelength, Å."""
        return float(self.m0.wave[0]), float(self.m0.wave[-1])

    def to(self, device: torch.device | str) -> SALTSurfaces:
        """The same model on another device."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        moved = {k: v.to(device) for k, v in values.items() if isinstance(v, Grid | Tensor)}
        return replace(self, **moved)
