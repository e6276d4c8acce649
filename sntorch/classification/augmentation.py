"""What is done to light curves each time they are drawn for training.

``RandomTruncation`` is what makes a classifier of whole curves one of early curves (SuperNNova,
Möller & de Boissière 2020, arXiv:1901.06384, draws a length U{3 … L} every time);
``NoiseInflation`` makes faint objects of bright ones (Boone 2021, arXiv:2109.13999, § 3.4).

Letters in shapes: ``B`` objects, ``T`` padded observations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError


class Augmentation(ABC):
    """A random change of a training batch; classes stay."""

    @abstractmethod
    def __call__(self, batch: LightCurveBatch, generator: torch.Generator) -> LightCurveBatch:
        """The changed batch; all randomness is from ``generator``, a CPU one."""


def uniform(n: int, generator: torch.Generator, like: Tensor) -> Tensor:
    """``n`` numbers U(0, 1) of the device and type of ``like``."""
    return torch.rand(n, generator=generator).to(like)


@dataclass(frozen=True)
class RandomTruncation(Augmentation):
    """Keep the first observations, as many as U{fewest … all}.

    Args:
        fewest: Observations that are left at least, where there are as many.
        share: Of the objects that are truncated.

    Raises:
        ConfigError: Nothing left, or a share outside [0, 1].
    """

    fewest: int = 3
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.fewest < 1 or not 0 <= self.share <= 1:
            raise ConfigError(
                f"RandomTruncation(fewest={self.fewest}, share={self.share}): fewest of 1 or more "
                "and a share of 0 to 1 are accepted"
            )

    def __call__(self, batch: LightCurveBatch, generator: torch.Generator) -> LightCurveBatch:
        """Shorter light curves."""
        length = batch.n_observations
        span = (length - self.fewest + 1).clamp(min=1)
        # The smallest number below one is 1 - 2^-24, so the product never reaches the span.
        drawn = self.fewest + (uniform(len(batch), generator, batch.time) * span).floor().long()
        cut = uniform(len(batch), generator, batch.time) < self.share
        kept = torch.where(cut, torch.minimum(drawn, length), length)
        step = torch.arange(batch.time.shape[1], device=batch.device)
        return batch.where(step < kept[:, None])


@dataclass(frozen=True)
class RandomDropping(Augmentation):
    """Leave out a share U(0, largest) of each object's observations.

    Args:
        largest: Largest share.

    Raises:
        ConfigError: A share outside [0, 1).
    """

    largest: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.largest < 1:
            raise ConfigError(f"RandomDropping(largest={self.largest}): 0 to below 1 is accepted")

    def __call__(self, batch: LightCurveBatch, generator: torch.Generator) -> LightCurveBatch:
        """Sparser light curves."""
        share = self.largest * uniform(len(batch), generator, batch.flux)
        lot = uniform(batch.flux.numel(), generator, batch.flux).view_as(batch.flux)
        return batch.where(lot >= share[:, None])


@dataclass(frozen=True)
class NoiseInflation(Augmentation):
    """Add noise: errors grow by a factor whose excess is log-normal.

    Args:
        share: Of the objects that are made noisier.
        typical: Median of the added error, in units of an object's median error.
        spread: Standard deviation of its logarithm.

    Raises:
        ConfigError: A share outside [0, 1], or a negative size.
    """

    share: float = 0.5
    typical: float = 1.0
    spread: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or self.typical < 0 or self.spread < 0:
            raise ConfigError(
                f"NoiseInflation(share={self.share}, typical={self.typical}, "
                f"spread={self.spread}): a share of 0 to 1 and sizes of 0 or more are accepted"
            )

    def __call__(self, batch: LightCurveBatch, generator: torch.Generator) -> LightCurveBatch:
        """Noisier light curves."""
        errors = torch.where(batch.mask, batch.flux_err, torch.nan)
        median = errors.nanmedian(dim=1).values.nan_to_num(0.0)
        normal = torch.randn(len(batch), generator=generator).to(median)
        chosen = uniform(len(batch), generator, median) < self.share
        added = (self.typical * median * (self.spread * normal).exp() * chosen)[:, None]
        noise = torch.randn(batch.flux.shape, generator=generator).to(batch.flux)
        flux = torch.where(batch.mask, batch.flux + added * noise, batch.flux)
        error = torch.where(batch.mask, torch.hypot(batch.flux_err, added), batch.flux_err)
        return replace(batch, flux=flux, flux_err=error)


@dataclass(frozen=True)
class FluxScaling(Augmentation):
    """Make objects brighter or fainter with their errors, by exp N(0, spread²).

    Args:
        spread: Standard deviation of the logarithm.
    """

    spread: float = 0.1

    def __call__(self, batch: LightCurveBatch, generator: torch.Generator) -> LightCurveBatch:
        """Scaled light curves; the padding's error stays 1."""
        normal = torch.randn(len(batch), generator=generator).to(batch.flux)
        factor = (self.spread * normal).exp()[:, None]
        error = torch.where(batch.mask, batch.flux_err * factor, batch.flux_err)
        return replace(batch, flux=batch.flux * factor, flux_err=error)
