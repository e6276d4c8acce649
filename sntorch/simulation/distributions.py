"""One-dimensional distributions from which populations draw, each a quantile function.

Sampling through the quantile function uses exactly one uniform number a draw, which is what keeps
an object's numbers independent of the others' (see ``streams``).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.simulation.streams import Streams


class Distribution(ABC):
    """A distribution of one number; subclasses give its quantile function."""

    @abstractmethod
    def quantile(self, u: Tensor) -> Tensor:
        """Value below which a fraction ``u`` lies; any shape, ``u`` in (0, 1)."""

    def sample(self, streams: Streams, purpose: str) -> Tensor:
        """One draw an object, shape (B,)."""
        return self.quantile(streams.uniform(purpose))

    @property
    def extent(self) -> tuple[float, float]:
        """Values between which all but two draws in 10⁹ lie."""
        low, high = self.quantile(torch.tensor([1e-9, 1 - 1e-9], dtype=torch.float64)).tolist()
        return low, high


@dataclass(frozen=True)
class Constant(Distribution):
    """Always ``value``."""

    value: float

    def quantile(self, u: Tensor) -> Tensor:
        """The value, everywhere."""
        return torch.full_like(u, self.value)


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform between ``low`` and ``high``."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigError(f"Uniform needs low < high; found {self.low} and {self.high}")

    def quantile(self, u: Tensor) -> Tensor:
        """low + u (high - low)."""
        return self.low + u * (self.high - self.low)


@dataclass(frozen=True)
class Exponential(Distribution):
    """Exponential with the given mean."""

    mean: float

    def __post_init__(self) -> None:
        if self.mean < 0:
            raise ConfigError(f"Exponential needs a mean of at least 0; found {self.mean}")

    def quantile(self, u: Tensor) -> Tensor:
        """-mean ln(1 - u)."""
        return -self.mean * torch.log1p(-u)


@dataclass(frozen=True)
class Normal(Distribution):
    """Normal with the given mean and standard deviation, cut off at ``low`` and ``high``."""

    mean: float = 0.0
    sd: float = 1.0
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if self.sd < 0 or not self.low < self.high:
            raise ConfigError(
                f"Normal needs sd >= 0 and low < high; found {self.sd}, {self.low}, {self.high}"
            )

    def quantile(self, u: Tensor) -> Tensor:
        """Quantile of the (truncated) normal distribution."""
        if self.sd == 0:
            return torch.full_like(u, self.mean)
        if self.low > self.mean:
            # In the lower tail probabilities keep their digits.
            return -Normal(-self.mean, self.sd, -self.high, -self.low).quantile(1 - u)
        bounds = torch.tensor([self.low, self.high], dtype=u.dtype)
        # Unlike ndtr, which is 0 beyond 8 sd, log_ndtr knows the tail.
        below, above = torch.special.log_ndtr((bounds - self.mean) / self.sd).exp()
        x = self.mean + self.sd * torch.special.ndtri(below + u * (above - below))
        return x.clamp(self.low, self.high)


@dataclass(frozen=True)
class SplitNormal(Distribution):
    """Two half-normals that meet at the mode, continuous there (asymmetric Gaussian).

    Attributes:
        mode: Most probable value.
        sd_low: Standard deviation of the lower half.
        sd_high: Standard deviation of the upper half.
    """

    mode: float
    sd_low: float
    sd_high: float

    def quantile(self, u: Tensor) -> Tensor:
        """Quantile; the lower half holds the fraction sd_low / (sd_low + sd_high)."""
        total = self.sd_low + self.sd_high
        share = self.sd_low / total
        lower = self.sd_low * torch.special.ndtri((u * total / (2 * self.sd_low)).clamp(max=0.5))
        above = (total * (u - share) / (2 * self.sd_high)).clamp(min=0.0)
        upper = self.sd_high * torch.special.ndtri((0.5 + above).clamp(max=1 - 2**-53))
        return self.mode + torch.where(u < share, lower, upper)


@dataclass(frozen=True)
class LogNormal(Distribution):
    """Log-normal, cut off at ``low`` and ``high``; ``sd`` is that of ln x."""

    median: float
    sd: float
    low: float = 0.0
    high: float = math.inf

    def quantile(self, u: Tensor) -> Tensor:
        """Exponential of a (truncated) normal quantile."""
        low = math.log(self.low) if self.low > 0 else -math.inf
        return Normal(math.log(self.median), self.sd, low, math.log(self.high)).quantile(u).exp()
