"""When a field is visited: regular visits with jitter, seasons, and weather.

A schedule is a function of (seed, field, visit number), so every object in a field sees the same
nights, and no schedule has to be stored or computed beyond the days in question.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.simulation.streams import Streams

YEAR = 365.25
MARGIN = 3
MINUTE = 1 / 1440


@dataclass(frozen=True)
class Visits:
    """Repeated visits in which some bands are taken one after another in the same night.

    Attributes:
        bands: Bands of one visit, in the order of exposure.
        interval: Mean time between visits, days.
        jitter: Standard deviation of a visit's time about the regular grid, days.
        loss: Probability that a whole visit does not happen (beside the survey's weather).
        band_loss: Probability that one band of a visit is not taken.
        delay: Probability that one band of a visit is taken one or two nights later.
        minutes: Time between two bands of a visit, minutes.
    """

    bands: tuple[str, ...]
    interval: float
    jitter: float = 0.0
    loss: float = 0.0
    band_loss: float = 0.0
    delay: float = 0.0
    minutes: float = 2.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", tuple(self.bands))
        if not self.bands or self.interval <= 0 or self.jitter < 0:
            raise ConfigError(
                f"visits need bands, interval > 0 and jitter >= 0; found {list(self.bands)}, "
                f"interval {self.interval}, jitter {self.jitter}"
            )
        for name in ("loss", "band_loss", "delay"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"visits need {name} in [0, 1); found {getattr(self, name)}")

    def numbers(self, first: Tensor, last: Tensor) -> Tensor:
        """Numbers of all visits that may fall between two times, shape (B, V).

        Args:
            first: Beginning of each object's window, shape (B,), MJD.
            last: End of each object's window, shape (B,), MJD.
        """
        margin = MARGIN + int(4 * self.jitter / self.interval)
        start = torch.floor(first / self.interval).long() - margin
        longest = float((last - first).max()) if len(first) else 0.0
        count = int(max(longest, 0.0) / self.interval) + 2 * margin + 1
        return start[:, None] + torch.arange(count)

    def schedule(self, field: Streams, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Time and existence of every band of the numbered visits.

        Args:
            field: Streams of the field that each object lies in, length B.
            numbers: Visit numbers, shape (B, V).

        Returns:
            Times, shape (B, V, F), MJD, and whether the band was taken, shape (B, V, F).
        """
        n_bands = len(self.bands)
        places = numbers[..., None] * n_bands + torch.arange(n_bands)
        offset = field.uniform("offset")[:, None]
        night = (numbers + offset) * self.interval
        if self.jitter:
            night = night + self.jitter * field.normal_at("jitter", numbers)
        # Observers work at night: whole days, plus a few hours about local midnight.
        hour = 0.08 * field.normal_at("hour", numbers).clamp(-2, 2)
        time = (torch.round(night) + hour)[..., None] + self.minutes * MINUTE * torch.arange(
            n_bands
        )
        taken = (field.uniform_at("loss", numbers) >= self.loss)[..., None].expand(places.shape)
        if self.band_loss:
            taken = taken & (field.uniform_at("band_loss", places) >= self.band_loss)
        if self.delay:
            u = field.uniform_at("delay", places)
            time = time + (u < self.delay).double() + (u < self.delay / 3).double()
        return time, taken


@dataclass(frozen=True)
class Seasons:
    """The part of each year in which a field can be observed.

    Attributes:
        length: Days a year; 365.25 means always.
        shared: Whether all fields have their season at the same time of the year (a few fields
            side by side) or each at its own (an all-sky survey).
    """

    length: float = YEAR
    shared: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.length <= YEAR:
            raise ConfigError(
                f"a season lasts between 0 and {YEAR} days a year; found {self.length}"
            )

    def begin(self, field: Streams) -> Tensor:
        """Day of the survey's year on which each object's season begins, shape (B,)."""
        day = field.uniform("season") * YEAR
        return torch.zeros_like(day) if self.shared else day

    def observable(self, day: Tensor, begin: Tensor) -> Tensor:
        """Whether ``day`` (B, …) lies in a season that begins at ``begin`` (B,); survey days."""
        begin = begin.reshape(-1, *[1] * (day.ndim - 1))
        return torch.remainder(day - begin, YEAR) < self.length


@dataclass(frozen=True)
class Weather:
    """Nights without data, shared by everything that a survey looks at.

    Attributes:
        loss: Fraction of nights lost one by one.
        spell_loss: Fraction of spells lost as a whole (storms, engineering).
        spell: Length of a spell, days.
    """

    loss: float = 0.0
    spell_loss: float = 0.0
    spell: float = 10.0

    def open(self, seed: int, time: Tensor) -> Tensor:
        """Whether the dome was open at ``time`` (any shape, MJD); the same for a whole seed."""
        sky = Streams(seed, torch.zeros(time.shape[0], dtype=torch.int64), "weather/")
        night = torch.floor(time + 0.5).long()
        fine = torch.ones_like(time, dtype=torch.bool)
        if self.loss:
            fine &= sky.uniform_at("night", night) >= self.loss
        if self.spell_loss:
            fine &= (
                sky.uniform_at("spell", torch.floor(time / self.spell).long()) >= self.spell_loss
            )
        return fine
