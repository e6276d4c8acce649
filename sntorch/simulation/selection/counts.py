"""Cuts on numbers of detections: in all, by band, before and after peak, on distinct nights.

Such a cut says which observations its counters count and which numbers pass. What is counted in a
measured light curve and what the exact probability (``exact.py``) sums over is the same by
construction.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.simulation.selection.base import Cut, Truth

# Nights last from 18 h to 18 h UT: by day from Chile to Hawaii.
NIGHT_BEGINS = 0.75


@dataclass(frozen=True, eq=False)
class Counter:
    """A number of detections.

    Attributes:
        members: Observations that may count, shape (B, T).
        snr: Signal-to-noise ratio that a detection exceeds.
        most: Where counting stops: larger numbers make no difference.
        nights: Whether detections of one night count once.
    """

    members: Tensor
    snr: float
    most: int
    nights: bool = False


class CountCut(Cut):
    """A cut on numbers of detections."""

    @abstractmethod
    def counters(self, batch: LightCurveBatch) -> Sequence[Counter]:
        """What is counted."""

    @abstractmethod
    def accepts(self, counts: Sequence[Tensor]) -> Tensor:
        """Which numbers pass, bool.

        Args:
            counts: A tensor of numbers for each counter, all of one shape.
        """

    def probability(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """1 where the numbers pass, shape (B,)."""
        return self.accepts([_count(one, batch) for one in self.counters(batch)]).double()


@dataclass(frozen=True)
class MinDetections(CountCut):
    """At least ``n`` observations with S/N > ``snr``; upper limits do not count.

    Attributes:
        n: Least number.
        snr: Signal-to-noise ratio that a detection exceeds; -inf counts measurements.
        bands: Bands that count; None means all of the batch.
        per_band: Whether every one of the bands needs ``n``, or all together.
        distinct_nights: Whether detections of one night count once.
    """

    n: int
    snr: float = 3.0
    bands: tuple[str, ...] | None = None
    per_band: bool = False
    distinct_nights: bool = False

    def counters(self, batch: LightCurveBatch) -> Sequence[Counter]:
        """One, or one a band."""
        parts = _by_band(batch, self.bands)
        members = parts if self.per_band else [torch.stack(parts).any(0)]
        return [Counter(part, self.snr, self.n, self.distinct_nights) for part in members]

    def accepts(self, counts: Sequence[Tensor]) -> Tensor:
        """``n`` everywhere."""
        return torch.stack(list(counts)).amin(0) >= self.n


@dataclass(frozen=True)
class DetectionsInBands(CountCut):
    """At least ``n`` detections in each of at least ``k`` bands, whichever they are.

    With ``n = 1`` this is a cut on the largest S/N in ``k`` bands.

    Attributes:
        k: Least number of bands.
        n: Least number of detections in each of them.
        snr: Signal-to-noise ratio that a detection exceeds.
        bands: Bands to choose from; None means all of the batch.
        distinct_nights: Whether detections of one night count once.
    """

    k: int
    n: int = 1
    snr: float = 5.0
    bands: tuple[str, ...] | None = None
    distinct_nights: bool = False

    def counters(self, batch: LightCurveBatch) -> Sequence[Counter]:
        """One a band."""
        parts = _by_band(batch, self.bands)
        if self.k > len(parts):
            raise ConfigError(f"cut {self}: {self.k} bands needed of {len(parts)}")
        return [Counter(part, self.snr, self.n, self.distinct_nights) for part in parts]

    def accepts(self, counts: Sequence[Tensor]) -> Tensor:
        """Enough in enough bands."""
        return (torch.stack(list(counts)) >= self.n).sum(0) >= self.k


@dataclass(frozen=True)
class PhaseCoverage(CountCut):
    """At least ``n`` detections in a range of rest-frame phase; upper limits do not count.

    Attributes:
        first: Beginning of the range, rest-frame days from ``t_ref``.
        last: End of the range.
        n: Least number of detections in it.
        snr: Signal-to-noise ratio that a detection exceeds.
        distinct_nights: Whether detections of one night count once.
    """

    first: float
    last: float
    n: int = 1
    snr: float = 3.0
    distinct_nights: bool = False

    def counters(self, batch: LightCurveBatch) -> Sequence[Counter]:
        """One."""
        phase = rest_frame_phase(batch)
        inside = measured(batch) & (phase >= self.first) & (phase <= self.last)
        return [Counter(inside, self.snr, self.n, self.distinct_nights)]

    def accepts(self, counts: Sequence[Tensor]) -> Tensor:
        """``n`` or more."""
        return counts[0] >= self.n


@dataclass(frozen=True)
class DetectionsAroundPeak(CountCut):
    """At least so many detections before ``t_ref`` and so many at or after it.

    Attributes:
        before: Least number before.
        after: Least number from then on.
        snr: Signal-to-noise ratio that a detection exceeds.
        distinct_nights: Whether detections of one night count once.
    """

    before: int
    after: int
    snr: float = 3.0
    distinct_nights: bool = False

    def counters(self, batch: LightCurveBatch) -> Sequence[Counter]:
        """Two."""
        early, usable = batch.phase < 0, measured(batch)
        return [
            Counter(usable & early, self.snr, self.before, self.distinct_nights),
            Counter(usable & ~early, self.snr, self.after, self.distinct_nights),
        ]

    def accepts(self, counts: Sequence[Tensor]) -> Tensor:
        """Enough on both sides."""
        return (counts[0] >= self.before) & (counts[1] >= self.after)


def measured(batch: LightCurveBatch) -> Tensor:
    """Observations that are measurements, not limits, shape (B, T)."""
    return batch.mask & ~batch.upper_limit


def rest_frame_phase(batch: LightCurveBatch) -> Tensor:
    """Days from ``t_ref`` in the rest frame, shape (B, T)."""
    return batch.phase / (1 + batch.redshift[:, None])


def night_of(batch: LightCurveBatch) -> Tensor:
    """Number of each observation's night, shape (B, T), int64."""
    return torch.floor(batch.time - NIGHT_BEGINS).long()


def _count(counter: Counter, batch: LightCurveBatch) -> Tensor:
    """How often a measured light curve was detected, shape (B,)."""
    detected = counter.members & (batch.flux > counter.snr * batch.flux_err)
    if not counter.nights:
        return detected.sum(-1)
    # Sorted, the nights of detections begin where the number changes; -1 is none.
    night = torch.where(detected, night_of(batch), -1).sort(-1).values
    before = torch.nn.functional.pad(night, (1, 0), value=-1)[:, :-1]
    return (night != before).sum(-1)


def _by_band(batch: LightCurveBatch, bands: tuple[str, ...] | None) -> list[Tensor]:
    """Measurements in each band, shape (B, T)."""
    chosen = batch.bands if bands is None else tuple(bands)
    unknown = [b for b in chosen if b not in batch.bands]
    if unknown:
        raise ConfigError(
            f"cut on band {', '.join(unknown)}: the survey has {', '.join(batch.bands)}"
        )
    return [measured(batch) & (batch.band == batch.bands.index(b)) for b in chosen]
