"""Redshift distributions: how many supernovae explode where.

The number seen per unit redshift and unit of the observer's time is
dN/dz ∝ R(z) dV/dz / (1 + z), R the rate per comoving volume and rest-frame year.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.physics.cosmology import Cosmology
from sntorch.simulation.distributions import Distribution

Rate = Callable[[Tensor], Tensor]
TABLE_SIZE = 2049


@dataclass(frozen=True)
class PowerLawRate:
    """Rate per comoving volume ∝ (1 + z)^index, with another index beyond ``break_redshift``.

    The default index 1.5 is that of SNe Ia below z = 1 (Dilday et al. 2008, ApJ 682, 262).
    """

    index: float = 1.5
    break_redshift: float = float("inf")
    index_beyond: float = 0.0

    def __call__(self, redshift: Tensor) -> Tensor:
        """Relative rate, the shape of ``redshift``; continuous at the break."""
        near = (1 + redshift.clamp(max=self.break_redshift)) ** self.index
        beyond = (1 + redshift) / (1 + redshift.clamp(max=self.break_redshift))
        return near * beyond**self.index_beyond


@dataclass(frozen=True)
class StarFormationRate:
    """Rate ∝ cosmic star formation (Madau & Dickinson 2014, ARA&A 52, 415, eq. 15).

    Core-collapse progenitors live so short that their rate follows star formation.
    """

    def __call__(self, redshift: Tensor) -> Tensor:
        """Relative rate, the shape of ``redshift``."""
        return (1 + redshift) ** 2.7 / (1 + ((1 + redshift) / 2.9) ** 5.6)


@dataclass(frozen=True)
class VolumetricRedshift(Distribution):
    """Redshifts of supernovae that explode at a given rate per comoving volume.

    Attributes:
        low: Least redshift.
        high: Largest redshift.
        rate: Relative rate per comoving volume at a redshift; anything callable.
        cosmology: Gives dV/dz.
    """

    low: float
    high: float
    rate: Rate = field(default_factory=PowerLawRate)
    cosmology: Cosmology = field(default_factory=Cosmology)

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high:
            raise ConfigError(f"redshifts need 0 <= low < high; found {self.low} and {self.high}")

    @cached_property
    def table(self) -> tuple[Tensor, Tensor]:
        """Redshifts and the fraction below each, shape (N,) both (trapezoids in redshift)."""
        grid = torch.linspace(self.low, self.high, TABLE_SIZE, dtype=torch.float64)
        cumulative = torch.cumulative_trapezoid(self.density(grid), grid)
        return grid, torch.cat([cumulative.new_zeros(1), cumulative / cumulative[-1]])

    def density(self, redshift: Tensor) -> Tensor:
        """Relative number per unit redshift, the shape of ``redshift``."""
        volume = self.cosmology.differential_comoving_volume(redshift)
        return self.rate(redshift) * volume / (1 + redshift)

    def quantile(self, u: Tensor) -> Tensor:
        """Redshift below which a fraction ``u`` lies, linear between the table's."""
        grid, cumulative = self.table
        cell = (torch.searchsorted(cumulative, u) - 1).clamp(0, TABLE_SIZE - 2)
        below, above = cumulative[cell], cumulative[cell + 1]
        return grid[cell] + (u - below) / (above - below) * (grid[cell + 1] - grid[cell])
