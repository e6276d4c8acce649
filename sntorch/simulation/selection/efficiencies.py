"""Cuts that keep an object with a probability, or by what is true of it.

A quantity is the name of a true parameter (``redshift``, ``x1``) or anything callable on
observations and truth. With a name the probability does not depend on noise, and such a cut has a
``log_prob``; what is computed from measured fluxes has none in closed form.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError, check_number
from sntorch.simulation.selection.base import IMPOSSIBLE, Cut, Truth
from sntorch.simulation.selection.counts import measured

Quantity = str | Callable[[LightCurveBatch, Truth], Tensor]


class Efficiency(Cut):
    """A cut whose probability is a function of one quantity.

    Attributes:
        of: The quantity: name of a true parameter, or a callable.
    """

    of: Quantity

    @abstractmethod
    def log_of(self, value: Tensor) -> Tensor:
        """ln of the probability to be kept at values of the quantity, their shape."""

    def probability(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """Probability to be kept, shape (B,)."""
        return self.log_of(self._value(batch, truth)).exp()

    def log_efficiency(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """ln of the probability at the true parameters, shape (B,).

        Raises:
            ConfigError: The quantity is measured, so that noise decides as well.
        """
        if not isinstance(self.of, str):
            raise ConfigError(
                f"cut {self}: its quantity is computed, so that its probability is not known in "
                "closed form; learn it from injections, or name a true parameter"
            )
        return self.log_of(self._value(batch, truth))

    def _value(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        if not isinstance(self.of, str):
            return self.of(batch, truth)
        if self.of not in truth:
            raise ConfigError(
                f"cut on {self.of}: the simulator does not produce it; there are "
                f"{', '.join(sorted(truth))}"
            )
        return truth[self.of]


@dataclass(frozen=True)
class MagnitudeLimit(Efficiency):
    """Brighter than a limit, sharp or blurred: probability Φ((limit - m) / width).

    Attributes:
        limit: Limiting magnitude.
        width: Standard deviation of the limit, mag; 0 is a hard limit.
        of: The magnitude.
    """

    limit: float
    width: float = 0.0
    of: Quantity = "magnitude"

    def __post_init__(self) -> None:
        for name in ("limit", "width"):
            check_number(name, getattr(self, name))
            if getattr(self, name) is None:
                raise ConfigError(f"magnitude limit: {name} is a number, mag")
        if self.width < 0:
            raise ConfigError(f"magnitude limit: width >= 0 is accepted; found {self.width}")

    def log_of(self, value: Tensor) -> Tensor:
        """ln Φ((limit - m) / width)."""
        if self.width == 0:
            return torch.where(value < self.limit, 0.0, IMPOSSIBLE).to(value)
        return torch.special.log_ndtr((self.limit - value) / self.width)


@dataclass(frozen=True)
class WithinRange(Efficiency):
    """A quantity within limits: |x1| < 3, say.

    Attributes:
        of: The quantity.
        low: Lower limit, excluded.
        high: Upper limit, excluded.
    """

    of: Quantity
    low: float = float("-inf")
    high: float = float("inf")

    def log_of(self, value: Tensor) -> Tensor:
        """0 within the limits, else ln 0."""
        inside = (value > self.low) & (value < self.high)
        return torch.where(inside, 0.0, IMPOSSIBLE).to(value)


@dataclass(frozen=True)
class SpectroscopicEfficiency(Efficiency):
    """Logistic fall of follow-up with peak magnitude, s0 / (1 + exp(s1 m - s2)).

    The defaults are those of DES-SN in i (Kessler et al. 2019, MNRAS 485, 1171): one half at 22.0.

    Attributes:
        of: Peak magnitude.
        s0: Efficiency of bright objects, in [0, 1].
        s1: Slope, 1/mag.
        s2: Slope times magnitude of half efficiency.
    """

    of: Quantity = "peak_magnitude"
    s0: float = 1.0
    s1: float = 2.36
    s2: float = 51.9

    def __post_init__(self) -> None:
        if not 0 <= self.s0 <= 1:
            raise ConfigError(f"spectroscopic efficiency: 0 <= s0 <= 1; found {self.s0}")

    def log_of(self, value: Tensor) -> Tensor:
        """ln s0 - ln(1 + exp(s1 m - s2))."""
        bright = value.new_tensor(self.s0).log().clamp(min=IMPOSSIBLE)
        return bright + torch.nn.functional.logsigmoid(self.s2 - self.s1 * value)


@dataclass(frozen=True)
class EfficiencyTable(Efficiency):
    """Efficiency by linear interpolation, that of the nearest end beyond the table.

    Attributes:
        of: The quantity.
        values: Where the efficiency is given, increasing.
        efficiencies: Efficiency at each, in [0, 1].
    """

    of: Quantity
    values: tuple[float, ...]
    efficiencies: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.efficiencies) or len(self.values) < 2:
            raise ConfigError(
                f"efficiency table: {len(self.values)} values and {len(self.efficiencies)} "
                "efficiencies; two or more of each, and as many"
            )
        if sorted(set(self.values)) != list(self.values):
            raise ConfigError("efficiency table: values must increase")
        outside = [e for e in self.efficiencies if not 0 <= e <= 1]
        if outside:
            raise ConfigError(
                f"efficiency table: an efficiency lies in [0, 1]; found {outside[0]}"
            )

    def log_of(self, value: Tensor) -> Tensor:
        """ln of the interpolated efficiency."""
        x, y = value.new_tensor(self.values), value.new_tensor(self.efficiencies)
        cell = (torch.searchsorted(x, value.detach().contiguous()) - 1).clamp(0, len(x) - 2)
        share = ((value - x[cell]) / (x[cell + 1] - x[cell])).clamp(0, 1)
        found = y[cell] + share * (y[cell + 1] - y[cell])
        smallest = torch.finfo(found.dtype).tiny
        return torch.where(found > 0, found.clamp(min=smallest).log(), IMPOSSIBLE)


@dataclass(frozen=True)
class FunctionCut(Cut):
    """Any function of observations and truth: a classifier's verdict, say.

    Attributes:
        function: Gives the probability of each object, or true and false, shape (B,).
        name: For the cut flow.
    """

    function: Callable[[LightCurveBatch, Truth], Tensor]
    name: str = "function"

    def probability(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """What the function says, as numbers, shape (B,)."""
        found = self.function(batch, truth)
        if found.shape != (len(batch),):
            raise ConfigError(
                f"cut {self.name}: one number an object is accepted; found shape "
                f"{tuple(found.shape)} for {len(batch)} objects"
            )
        return found.double()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class PeakMagnitude:
    """Magnitude of the brightest measurement in a band; infinite without a positive one.

    Attributes:
        band: The band.
    """

    band: str

    def __call__(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """Magnitudes, shape (B,)."""
        if self.band not in batch.bands:
            raise ConfigError(f"peak magnitude in {self.band}: there are {', '.join(batch.bands)}")
        mine = measured(batch) & (batch.band == batch.bands.index(self.band))
        none = batch.flux.new_zeros(len(batch), 1)
        flux = torch.cat([none, torch.where(mine, batch.flux, 0.0)], 1).amax(1)
        return batch.zeropoint - 2.5 * torch.log10(flux)


def salt_cut(x1: float = 3.0, c: float = 0.3) -> Cut:
    """|x1| and |c| below limits, as all cosmological samples require."""
    return WithinRange("x1", -x1, x1) & WithinRange("c", -c, c)
