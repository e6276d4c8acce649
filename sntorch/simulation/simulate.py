"""The simulator: populations × sources × surveys × noise × selection -> light curves."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.simulation.class_sources import ClassSources
from sntorch.simulation.noise import NoiseModel
from sntorch.simulation.populations import Mixture, Population
from sntorch.simulation.sample import Injections, SimulatedSample, join
from sntorch.simulation.selection import Cut, CutFlow, passed
from sntorch.simulation.sources import Source
from sntorch.simulation.streams import Streams
from sntorch.simulation.surveys import Observations, Survey

CHUNK = 512
MAX_CANDIDATES = 20_000
MAX_PER_OBJECT = 1_000
# Candidates of which the truth is kept, so that memory is bounded, up to a chunk more.
MAX_INJECTIONS = 20_000


class Simulator:
    """Simulates surveys of supernovae, object by object reproducible.

    Object i of a seed is the same whatever the number of objects asked for and the size of the
    chunks (to the last bit for the same chunk size, to rounding otherwise).

    Args:
        source: What supernovae look like; by class for a ``Mixture``.
        population: How they are distributed; one class, or a ``Mixture``.
        survey: When and how they are observed.
        noise: How fluxes are measured.
        selection: Cuts that objects must pass, in order; with names for the cut flow, or without.
        uncovered: What to do about bands that a source does not cover at some redshifts: "skip"
            those observations and warn, or "refuse".
        chunk: Number of candidates simulated together.
        device: Where fluxes are computed.
    """

    def __init__(
        self,
        source: Source | Mapping[str, Source],
        population: Population | Mixture,
        survey: Survey,
        noise: NoiseModel | None = None,
        selection: Mapping[str, Cut] | Sequence[Cut] | Cut | None = None,
        uncovered: str = "skip",
        chunk: int = CHUNK,
        device: str = "cpu",
    ) -> None:
        mixture = population if isinstance(population, Mixture) else Mixture([population], [1.0])
        self.mixture = mixture
        self.sources = _sources(source, mixture)
        self.survey = survey
        self.noise = noise if noise is not None else NoiseModel()
        named = _named(selection)
        self.cut_names, self.selection = list(named), list(named.values())
        self.by_class = ClassSources(self.sources, torch.device(device))
        self.chunk = chunk
        if chunk < 1:
            raise ConfigError(
                f"chunk is the number of candidates at a time, at least 1; found {chunk}"
            )
        if uncovered not in ("skip", "refuse"):
            raise ConfigError(f"uncovered is skip or refuse; found {uncovered!r}")
        for source_, one in zip(self.sources, mixture.populations, strict=True):
            _check_coverage(source_, one, survey, uncovered)

    def simulate(self, n: int, seed: int, first: int = 0) -> SimulatedSample:
        """The first ``n`` objects that pass the selection.

        Args:
            n: Number of objects, at least 1.
            seed: Any integer; the same seed gives the same objects.
            first: Number of the first candidate. Samples of one seed from numbers far apart are
                of one survey, with the same weather, and share no object.

        Raises:
            ConfigError: The selection keeps next to nothing.
        """
        if n < 1:
            raise ConfigError(f"n is the number of objects, at least 1; found {n}")
        kept: list[SimulatedSample] = []
        injected: list[Injections] = []
        counts = torch.zeros(len(self.selection) + 1, dtype=torch.int64)
        start, missing = first, 0
        while (missing := n - int(counts[-1] if self.selection else counts[0])) > 0:
            part, alive = self._selected(seed, start)
            # Candidates after the last wanted object were never looked at.
            looked_at = int((alive[:, -1].cumsum(0) < missing).sum()) + 1
            alive = alive[:looked_at]
            counts += torch.cat(
                [torch.tensor([len(alive)]), alive[:, : len(self.selection)].sum(0)]
            )
            if start - first < MAX_INJECTIONS:
                every = Injections(part.batch.label, part.truth, alive[:, -1])
                injected.append(every[:looked_at])
            if bool(alive[:, -1].any()):
                kept.append(part[alive[:, -1].nonzero()[:, 0]])
            start += self.chunk
            self._give_up(start - first, n, counts)
        return join(kept, self._cut_flow(counts), injected)

    def peak_magnitudes(self, injections: Injections) -> Tensor:
        """True magnitudes at maximum light, each in its brightest band there, shape (M,)."""
        chunks = (injections[i : i + self.chunk] for i in range(0, len(injections), self.chunk))
        bands = self.survey.bands
        return torch.cat([self.by_class.peak_magnitude(c.label, c.truth, bands) for c in chunks])

    def candidates(self, seed: int, start: int, stop: int) -> SimulatedSample:
        """Objects start … stop - 1 before any selection.

        Args:
            seed: Any integer.
            start: Number of the first object.
            stop: One beyond the number of the last object.
        """
        return self.observed(Streams.range(seed, start, stop))

    def observed(self, streams: Streams) -> SimulatedSample:
        """The objects of given streams, B of them, before any selection."""
        label, truth, phases = self._draw(streams)
        observations = self.survey.observe(streams, truth["redshift"], phases)
        covered = self.by_class.covers(label, truth["redshift"], observations.bands)
        observations.mask &= covered.gather(1, observations.band)
        observations = observations.compressed()
        truth = {**truth, "peak_mjd": observations.peak_mjd, "candidate": streams.index}
        flux = self._flux(label, truth, observations)
        measured, error = self.noise.measure(streams, flux, observations)
        batch = self._batch(streams, label, truth, observations, measured, error)
        flux = torch.where(observations.mask, flux, 0.0)
        empty = CutFlow(["simulated"], [len(streams)])
        return SimulatedSample(batch, truth, flux, empty, self.survey.name)

    def _selected(self, seed: int, start: int) -> tuple[SimulatedSample, Tensor]:
        """One chunk of candidates, and which are left after each cut, shape (B, max(N, 1))."""
        part = self.candidates(seed, start, start + self.chunk)
        if not self.selection:
            return part, torch.ones(len(part), 1, dtype=torch.bool)
        streams = Streams.range(seed, start, start + self.chunk).within("selection")
        luck = streams.uniform("cut", len(self.selection))
        return part, passed(self.selection, part.batch, part.truth, luck)

    def _give_up(self, candidates: int, n: int, counts: Tensor) -> None:
        if candidates > MAX_CANDIDATES + MAX_PER_OBJECT * n:
            flow = ", ".join(f"{k}: {v}" for k, v in self._cut_flow(counts).to_dict().items())
            raise ConfigError(f"the selection keeps too little to find {n} objects ({flow})")

    def _cut_flow(self, counts: Tensor) -> CutFlow:
        return CutFlow(["simulated", *self.cut_names], counts.tolist())

    def _draw(self, streams: Streams) -> tuple[Tensor, dict[str, Tensor], tuple[Tensor, Tensor]]:
        """Class (B,), parameters, and first and last phase that the source knows (B,)."""
        label = self.mixture.choose(streams)
        rows = [(label == i).nonzero()[:, 0] for i in range(len(self.sources))]
        drawn = []
        for i, population in enumerate(self.mixture.populations):
            mine = streams[rows[i]].within(f"population/{population.type}")
            drawn.append(population.draw(mine, self.sources[i]))
        ranges = torch.tensor([s.phase_range for s in self.sources], dtype=torch.float64)[label]
        return label, _scatter(rows, drawn, len(streams)), (ranges[:, 0], ranges[:, 1])

    def _flux(
        self, label: Tensor, truth: Mapping[str, Tensor], observations: Observations
    ) -> Tensor:
        """True fluxes, shape (B, T), FLUXCAL."""
        since_peak = torch.where(
            observations.mask, observations.time - observations.peak_mjd[:, None], 0.0
        )
        phase = since_peak / (1 + truth["redshift"][:, None])
        return self.by_class.flux(label, truth, phase, observations.band, observations.bands)

    def _batch(
        self,
        streams: Streams,
        label: Tensor,
        truth: Mapping[str, Tensor],
        observations: Observations,
        measured: Tensor,
        error: Tensor,
    ) -> LightCurveBatch:
        mask = observations.mask
        redshift, peak = self.noise.report(streams, truth["redshift"], observations.peak_mjd)
        return LightCurveBatch(
            time=torch.where(mask, observations.time, 0.0),
            flux=torch.where(mask, measured, 0.0),
            flux_err=torch.where(mask, error, 1.0),
            band=torch.where(mask, observations.band, 0),
            mask=mask,
            upper_limit=torch.zeros_like(mask),
            redshift=redshift,
            redshift_err=torch.full_like(redshift, self.noise.redshift_err),
            mwebv=truth["mwebv"].clone(),
            t_ref=peak,
            label=label,
            host=redshift.new_zeros(len(label), 0),
            object_id=[f"{self.survey.name}-{streams.seed}-{i}" for i in streams.index.tolist()],
            bands=observations.bands,
            classes=self.mixture.types,
        )


def simulated_batch(
    simulator: Simulator, n: int, seed: int, noiseless: bool = False, first: int = 0
) -> LightCurveBatch:
    """The light curves alone of ``n`` simulated objects: what a data module asks for.

    Args:
        simulator: What makes them.
        n: Number of objects.
        seed: Any integer.
        noiseless: Whether fluxes are without their noise; selection has seen it.
        first: Number of the first candidate; see ``Simulator.simulate``.
    """
    sample = simulator.simulate(n, seed, first)
    return sample.expected if noiseless else sample.batch


def _sources(source: Source | Mapping[str, Source], mixture: Mixture) -> list[Source]:
    """The source of each population of the mixture."""
    if isinstance(source, Source):
        return [source] * len(mixture.populations)
    missing = [t for t in mixture.types if t not in source]
    if missing:
        raise ConfigError(
            f"no source for class {', '.join(missing)}; there are {', '.join(source)}"
        )
    return [source[t] for t in mixture.types]


def _named(selection: Mapping[str, Cut] | Sequence[Cut] | Cut | None) -> dict[str, Cut]:
    if isinstance(selection, Mapping):
        return dict(selection)
    cuts = [selection] if isinstance(selection, Cut) else list(selection or [])
    return {str(cut): cut for cut in cuts}


def _scatter(
    rows: Sequence[Tensor], drawn: Sequence[Mapping[str, Tensor]], n: int
) -> dict[str, Tensor]:
    """Parameters of all classes in one table, NaN where a class has no such parameter."""
    truth: dict[str, Tensor] = {}
    for name in dict.fromkeys(name for parameters in drawn for name in parameters):
        shapes = [p[name].shape[1:] for p in drawn if name in p]
        largest = [max(sizes) for sizes in zip(*shapes, strict=True)]
        truth[name] = torch.full((n, *largest), torch.nan, dtype=torch.float64)
        for index, parameters in zip(rows, drawn, strict=True):
            if name in parameters:
                corner = tuple(slice(size) for size in parameters[name].shape[1:])
                truth[name][(index, *corner)] = parameters[name].double()
    return truth


def _check_coverage(
    source: Source, population: Population, survey: Survey, uncovered: str
) -> None:
    """Refuse or announce bands that a source does not cover over a population's redshifts."""
    low, high = population.redshift_range
    grid = torch.linspace(low, high, 200, dtype=torch.float64)
    covered = source.covers(survey.bands, grid)
    for i, band in enumerate(survey.bands):
        inside = grid[covered[:, i]]
        if len(inside) == len(grid):
            continue
        where = f"only at z = {inside.min():.3f}–{inside.max():.3f}" if len(inside) else "nowhere"
        message = (
            f"{population.type} in survey {survey.name}: the source covers band {band} {where} "
            f"between z = {low:.3f} and {high:.3f}"
        )
        if uncovered == "refuse" or not len(inside):
            raise ConfigError(f"{message}; choose another source, band or redshift range")
        warnings.warn(f"{message}; other observations in it are left out", stacklevel=3)
