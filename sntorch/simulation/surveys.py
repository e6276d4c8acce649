"""Surveys: which observations of an object are taken, and how good they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sntorch.data.light_curve import FLUXCAL_ZEROPOINT
from sntorch.errors import ConfigError
from sntorch.physics.bandpasses import canonical_name
from sntorch.simulation.cadences import YEAR, Seasons, Visits, Weather
from sntorch.simulation.distributions import Distribution
from sntorch.simulation.streams import Streams


@dataclass
class Observations:
    """What a survey did for B objects, before anyone knows the fluxes.

    Attributes:
        time: Observation times, shape (B, T), MJD.
        band: Index into ``bands``, shape (B, T).
        mask: True where there is an observation, shape (B, T).
        sky_err: Standard deviation at zero flux, shape (B, T), FLUXCAL.
        poisson: Variance of the photon noise per unit of flux, shape (B, T), FLUXCAL.
        relative_err: Standard deviation proportional to the flux, as a fraction, shape (B, T).
        peak_mjd: Time of peak, shape (B,), MJD.
        bands: Names of the bands.
    """

    time: Tensor
    band: Tensor
    mask: Tensor
    sky_err: Tensor
    poisson: Tensor
    relative_err: Tensor
    peak_mjd: Tensor
    bands: tuple[str, ...]

    def compressed(self) -> Observations:
        """The same observations sorted by time, with no more columns than the longest needs."""
        order = torch.where(self.mask, self.time, torch.inf).argsort(dim=1, stable=True)
        longest = int(self.mask.sum(1).max()) if self.mask.any() else 0
        order = order[:, :longest]
        tokens = ("time", "band", "mask", "sky_err", "poisson", "relative_err")
        sorted_tokens = {name: getattr(self, name).gather(1, order) for name in tokens}
        return Observations(**sorted_tokens, peak_mjd=self.peak_mjd, bands=self.bands)


class Survey(ABC):
    """Anything that decides when, in which band and how deep objects are observed.

    Attributes:
        name: Written into ``LightCurve.survey``.
        bands: Names of the bands, sncosmo's.
        phases: First and last phase of interest, rest-frame days from peak.
    """

    name: str
    bands: tuple[str, ...]
    phases: tuple[float, float]

    @abstractmethod
    def observe(
        self, streams: Streams, redshift: Tensor, phases: tuple[Tensor, Tensor]
    ) -> Observations:
        """Observations of B objects.

        Args:
            streams: One stream an object.
            redshift: shape (B,).
            phases: First and last phase to be observed, shape (B,) each, rest-frame days from
                peak.

        Returns:
            Observations in any order, with anything where ``mask`` is false.
        """


@dataclass(frozen=True)
class BandDepth:
    """How deep one exposure in one band is.

    Attributes:
        depth: Median magnitude of a point source detected at 5 sigma against the sky alone.
        zeropoint: Magnitude of a source that gives one count (ADU) in one exposure.
        gain: Electrons per count.
        scatter: Standard deviation of the depth from exposure to exposure, beside the night's own,
            mag.
    """

    depth: float
    zeropoint: float
    gain: float = 1.0
    scatter: float = 0.1

    @property
    def poisson(self) -> float:
        """Variance of the photon noise per unit of flux, FLUXCAL."""
        return 10 ** (0.4 * (FLUXCAL_ZEROPOINT - self.zeropoint)) / self.gain


@dataclass(frozen=True)
class ParametricSurvey(Survey):
    """A survey described by its visits, depths, seasons and weather.

    Attributes:
        name: Name of the survey.
        depths: Bands and how deep an exposure is in each.
        visits: Series of visits; several where bands are on different clocks.
        start: First day, MJD.
        years: Length of the survey, years.
        n_fields: Number of fields, each with one schedule that its objects share; None gives every
            object a schedule of its own.
        night_scatter: Standard deviation of the depth from visit to visit, all bands alike, mag.
        seasons: When a field can be seen.
        weather: When nothing can be seen.
        first_phase: Phase at which follow-up begins, rest-frame days; None for a survey that
            always looks.
        phases: First and last phase of interest, rest-frame days.
    """

    name: str
    depths: Mapping[str, BandDepth]
    visits: Sequence[Visits]
    start: float = 56000.0
    years: int = 1
    n_fields: int | None = None
    night_scatter: float = 0.2
    seasons: Seasons = field(default_factory=Seasons)
    weather: Weather = field(default_factory=Weather)
    first_phase: Distribution | None = None
    phases: tuple[float, float] = (-20.0, 100.0)

    def __post_init__(self) -> None:
        depths = {canonical_name(str(name)): depth for name, depth in self.depths.items()}
        object.__setattr__(self, "depths", depths)
        object.__setattr__(self, "phases", tuple(self.phases))
        used = {canonical_name(band) for visits in self.visits for band in visits.bands}
        if used != set(depths):
            raise ConfigError(
                f"survey {self.name}: visits take {', '.join(sorted(used))}; depths are given for "
                f"{', '.join(sorted(depths))}; the two must agree"
            )

    @property
    def bands(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Names of the bands, in the order of ``depths``."""
        return tuple(self.depths)

    def observe(
        self, streams: Streams, redshift: Tensor, phases: tuple[Tensor, Tensor]
    ) -> Observations:
        """Observations of B objects; see ``Survey.observe``."""
        streams = streams.within("survey/" + self.name)
        site = self._field(streams)
        begin = self.seasons.begin(site)
        peak = self._peak(streams, begin)
        first, last = self._window(streams, redshift, phases)
        parts = [self._visit(i, site, peak + first, peak + last) for i in range(len(self.visits))]
        time, band, taken, depth = (
            torch.cat(columns, dim=1) for columns in zip(*parts, strict=True)
        )
        since_peak = time - peak[:, None]
        mask = taken & (since_peak >= first[:, None]) & (since_peak <= last[:, None])
        mask &= self.seasons.observable(time - self.start, begin)
        mask &= self.weather.open(streams.seed, time)
        poisson = torch.tensor([d.poisson for d in self.depths.values()], dtype=time.dtype)
        return Observations(
            time=time,
            band=band,
            mask=mask,
            sky_err=10 ** (0.4 * (FLUXCAL_ZEROPOINT - depth)) / 5,
            poisson=poisson[band],
            relative_err=torch.zeros_like(time),
            peak_mjd=peak,
            bands=self.bands,
        )

    def _field(self, streams: Streams) -> Streams:
        """Streams of the field in which each object lies."""
        if self.n_fields is None:
            return streams.within("field")
        field_number = (streams.uniform("field") * self.n_fields).long()
        return Streams(streams.seed, field_number, streams.scope + "field/")

    def _peak(self, streams: Streams, begin: Tensor) -> Tensor:
        """Times of peak, uniform over the seasons of all years, shape (B,), MJD."""
        year = torch.floor(streams.uniform("year") * self.years)
        return self.start + begin + YEAR * year + streams.uniform("peak") * self.seasons.length

    def _window(
        self, streams: Streams, redshift: Tensor, phases: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """First and last day from peak in the observer frame, shape (B,) each."""
        first = phases[0].clamp(min=self.phases[0])
        if self.first_phase is not None:
            first = torch.maximum(first, self.first_phase.sample(streams, "first_phase"))
        last = phases[1].clamp(max=self.phases[1])
        return first * (1 + redshift), last * (1 + redshift)

    def _visit(self, i: int, site: Streams, first: Tensor, last: Tensor) -> tuple[Tensor, ...]:
        """Time, band, existence and depth of one series of visits, shape (B, V F) each."""
        visits, site = self.visits[i], site.within(f"visits{i}")
        numbers = visits.numbers(first, last)
        time, taken = visits.schedule(site, numbers)
        index = torch.tensor([self.bands.index(canonical_name(b)) for b in visits.bands])
        depths = [self.depths[self.bands[j]] for j in index.tolist()]
        places = numbers[..., None] * len(visits.bands) + torch.arange(len(visits.bands))
        night = self.night_scatter * site.normal_at("night_depth", numbers)[..., None]
        scatter = torch.tensor([d.scatter for d in depths], dtype=time.dtype)
        median = torch.tensor([d.depth for d in depths], dtype=time.dtype)
        depth = median + night + scatter * site.normal_at("depth", places)
        columns = (time, index.expand(time.shape), taken, depth)
        return tuple(c.transpose(1, 2).flatten(1) for c in columns)
