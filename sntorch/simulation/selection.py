"""Selection: which of the simulated objects a survey would have kept.

A cut gives each object a probability to be kept, 0 or 1 for plain cuts. Cuts combine with ``&``,
``|`` and ``~``, the probabilities as those of independent events.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError

Truth = Mapping[str, Tensor]


class Cut(ABC):
    """A condition on an object."""

    @abstractmethod
    def probability(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """Probability to be kept, shape (B,), in [0, 1].

        Args:
            batch: Simulated observations.
            truth: True parameters, B objects first.
        """

    def __and__(self, other: Cut) -> Cut:
        return Both(self, other)

    def __or__(self, other: Cut) -> Cut:
        return ~(~self & ~other)

    def __invert__(self) -> Cut:
        return Not(self)

    def __str__(self) -> str:
        return repr(self)


@dataclass(frozen=True)
class Both(Cut):
    """Kept by two cuts."""

    left: Cut
    right: Cut

    def probability(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """Product of the two probabilities, shape (B,)."""
        return self.left.probability(batch, truth) * self.right.probability(batch, truth)

    def __str__(self) -> str:
        return f"({self.left} & {self.right})"


@dataclass(frozen=True)
class Not(Cut):
    """Not kept by a cut."""

    cut: Cut

    def probability(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """One minus the cut's probability, shape (B,)."""
        return 1 - self.cut.probability(batch, truth)

    def __str__(self) -> str:
        return f"~{self.cut}"


@dataclass(frozen=True)
class MinDetections(Cut):
    """At least ``n`` observations with S/N > ``snr``; upper limits do not count.

    Attributes:
        n: Least number.
        snr: Signal-to-noise ratio that a detection exceeds; -inf counts measurements.
        bands: Bands that count; None means all of the batch.
        per_band: Whether every one of the bands needs ``n``, or all together.
    """

    n: int
    snr: float = 3.0
    bands: tuple[str, ...] | None = None
    per_band: bool = False

    def probability(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """1 where there are enough detections, shape (B,)."""
        detected = _detected(batch, self.snr)
        counts = [(detected & (batch.band == i)).sum(-1) for i in _band_indices(batch, self.bands)]
        per_band = torch.stack(counts, dim=-1)
        number = per_band.amin(-1) if self.per_band else per_band.sum(-1)
        return (number >= self.n).double()


@dataclass(frozen=True)
class PhaseCoverage(Cut):
    """At least ``n`` detections in a range of rest-frame phase; upper limits do not count.

    Attributes:
        first: Beginning of the range, rest-frame days from ``t_ref``.
        last: End of the range.
        n: Least number of detections in it.
        snr: Signal-to-noise ratio that a detection exceeds.
    """

    first: float
    last: float
    n: int = 1
    snr: float = 3.0

    def probability(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """1 where the range is covered, shape (B,)."""
        phase = batch.phase / (1 + batch.redshift[:, None])
        inside = batch.mask & (phase >= self.first) & (phase <= self.last)
        detected = inside & _detected(batch, self.snr)
        return (detected.sum(-1) >= self.n).double()


@dataclass
class CutFlow:
    """How many objects were left after each cut.

    Attributes:
        names: "simulated", then the cuts in order.
        counts: Number of objects left after each.
    """

    names: list[str]
    counts: list[int]

    def __str__(self) -> str:
        width = max(len(name) for name in self.names)
        total = max(self.counts[0], 1)
        rows = zip(self.names, self.counts, strict=True)
        return "\n".join(
            f"{name:<{width}}  {count:>8}  {count / total:7.2%}" for name, count in rows
        )

    def to_dict(self) -> dict[str, int]:
        """Cut names and what was left after each, in order."""
        return dict(zip(self.names, self.counts, strict=True))


def passed(cuts: Sequence[Cut], batch: LightCurveBatch, truth: Truth, luck: Tensor) -> Tensor:
    """Whether each object is still there after each cut, shape (B, N), N cuts.

    Args:
        cuts: The cuts in order.
        batch: Simulated observations.
        truth: True parameters.
        luck: Uniform numbers that decide where a probability is neither 0 nor 1, shape (B, N).

    Raises:
        ConfigError: A cut gave a probability outside [0, 1].
    """
    kept = torch.ones(luck.shape, dtype=torch.bool)
    for i, cut in enumerate(cuts):
        probability = cut.probability(batch, truth)
        if not bool(((probability >= 0) & (probability <= 1)).all()):
            worst = float((probability - 0.5).abs().nan_to_num(torch.inf).max()) + 0.5
            raise ConfigError(f"cut {cut}: a probability lies in [0, 1]; found up to {worst:.4g}")
        kept[:, i] = luck[:, i] < probability
    return kept.cumprod(dim=1).bool()


def _detected(batch: LightCurveBatch, snr: float) -> Tensor:
    """Measurements, not limits, with a signal-to-noise ratio above ``snr``, shape (B, T)."""
    return batch.mask & ~batch.upper_limit & (batch.flux > snr * batch.flux_err)


def _band_indices(batch: LightCurveBatch, bands: tuple[str, ...] | None) -> list[int]:
    chosen = batch.bands if bands is None else tuple(bands)
    unknown = [b for b in chosen if b not in batch.bands]
    if unknown:
        raise ConfigError(
            f"cut on band {', '.join(unknown)}: the survey has {', '.join(batch.bands)}"
        )
    return [batch.bands.index(b) for b in chosen]
