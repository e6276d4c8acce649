"""Photometry made worse while a network trains: bands dropped at random, errors inflated.

A network that is to take objects with missing bands and unusual errors has to see such objects;
this makes them of complete ones. Noise of variance σ'² - σ² is added to a magnitude of error σ, so
that what comes out is a measurement of error σ'.

Letters in shapes: ``B`` objects, ``F`` bands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.photometry import Photometry
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.simulated import Simulator
from sntorch.simulation.streams import Streams


@dataclass(frozen=True)
class Degraded:
    """A simulator of photometry with missing and noisy bands; a ``Simulator`` itself.

    Of every object a share of the bands is dropped and a share has larger errors, each share
    uniform between none and the largest, so that nearly complete objects are seen as well. One
    band is always kept.

    Attributes:
        simulator: Of complete photometry.
        missing: Largest expected share of missing bands.
        noisy: Largest expected share of noisy bands.
        inflation: Largest factor by which an error grows; log-uniform up to it.
        seed: Any integer.
    """

    simulator: Simulator
    missing: float = 0.6
    noisy: float = 0.6
    inflation: float = 30.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("missing", "noisy"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name}={getattr(self, name)}: a share from 0 to 1 is accepted")
        if self.inflation < 1:
            raise ConfigError(f"inflation={self.inflation}: a factor of at least 1 is accepted")

    @property
    def prior(self) -> BoxPrior:
        """That of the simulator."""
        return self.simulator.prior

    def within(self, prior: BoxPrior) -> Self:
        """The same with another prior."""
        return replace(self, simulator=self.simulator.within(prior))

    def facts(self) -> dict[str, Any]:
        """Those of the simulator, and how bands are dropped and errors inflated."""
        inner = getattr(self.simulator, "facts", dict)()
        own = {name: getattr(self, name) for name in ("missing", "noisy", "inflation")}
        return {**inner, **own}

    def __call__(self, first: int, count: int) -> tuple[Tensor, Photometry]:
        """Parameters, shape (B, D), and objects ``first`` … ``first + count - 1``."""
        theta, x = self.simulator(first, count)
        streams = Streams(self.seed, first + torch.arange(count), "degraded/")
        n_bands = x.magnitude.shape[1]
        share = streams.uniform("shares", 2) * torch.tensor([self.missing, self.noisy])
        chance = streams.uniform("bands", 3 * n_bands).reshape(count, 3, n_bands)
        dropped = chance[:, 0] < share[:, :1]
        # Whichever has the largest number stays.
        dropped = dropped & (chance[:, 0] < chance[:, 0].amax(1, keepdim=True))
        worse = chance[:, 1] < share[:, 1:]
        factor = torch.where(worse, self.inflation ** chance[:, 2], 1.0).to(x.error)
        error = factor * x.error
        added = (error**2 - x.error**2).clamp(min=0).sqrt()
        noise = streams.normal("noise", n_bands).to(x.magnitude)
        return theta, Photometry(x.magnitude + added * noise, error, x.mask & ~dropped)
