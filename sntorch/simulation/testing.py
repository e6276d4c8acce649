"""Contracts of the simulation's base classes: inherit one in your tests and give it your object.

Example:
    class TestMySource(SourceContract):
        def make(self):
            return MySource()
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.simulation.distributions import Distribution
from sntorch.simulation.populations import Population
from sntorch.simulation.selection import Cut, Truth
from sntorch.simulation.sources import Source
from sntorch.simulation.streams import Streams
from sntorch.simulation.surveys import Observations, Survey


class SourceContract(ABC):
    """What every ``Source`` does.

    ``make`` returns the source; ``bands`` are some that it covers between the two redshifts of
    ``redshift``; ``given`` holds values of those parameters that the source does not draw itself.
    """

    bands: tuple[str, ...] = ("desg", "desr", "desi")
    redshift = (0.02, 0.1)
    given: tuple[tuple[str, float], ...] = ()
    n, n_times = 6, 9

    @abstractmethod
    def make(self) -> Source:
        """The source."""

    def test_draws_every_parameter_that_is_not_given(self) -> None:
        """``draw`` and the population's own distributions are enough for ``flux``."""
        source = self.make()
        drawn = {*source.draw(Streams.range(0, 0, self.n)), *dict(self.given)}
        assert drawn >= set(source.parameters)

    def test_draws_do_not_depend_on_the_batch(self) -> None:
        """An object has the same parameters alone and among others; no objects, empty tensors."""
        source = self.make()
        many = source.draw(Streams.range(3, 0, 20))
        few = source.draw(Streams.range(3, 5, 7))
        none = source.draw(Streams.range(3, 0, 0))
        for name, values in many.items():
            torch.testing.assert_close(few[name], values[5:7])
            assert none[name].shape == (0, *values.shape[1:])

    def test_flux_has_a_value_for_every_observation(self) -> None:
        """Shape (B, T), the type of the phases, finite."""
        phase, band, parameters = self._inputs(self.make())
        flux = self.make().flux(phase, band, self.bands, parameters)
        assert flux.shape == phase.shape
        assert flux.dtype == phase.dtype
        assert bool(flux.isfinite().all())
        assert bool((flux > 0).any())

    def test_flux_does_not_depend_on_the_batch(self) -> None:
        """Objects one by one and observations in another order give the same."""
        source = self.make()
        phase, band, parameters = self._inputs(source)
        flux = source.flux(phase, band, self.bands, parameters)
        alone = {name: values[2:3] for name, values in parameters.items()}
        one = source.flux(phase[2:3].flip(1), band[2:3].flip(1), self.bands, alone)
        torch.testing.assert_close(one.flip(1), flux[2:3], rtol=1e-9, atol=0.0)

    def test_five_magnitudes_of_distance_are_a_factor_of_100(self) -> None:
        """``distmod`` is a distance modulus."""
        source = self.make()
        phase, band, parameters = self._inputs(source)
        near = source.flux(phase, band, self.bands, parameters)
        far = {**parameters, "distmod": parameters["distmod"] + 5}
        torch.testing.assert_close(
            source.flux(phase, band, self.bands, far), near / 100, rtol=1e-9, atol=1e-12
        )

    def test_milky_way_dust_dims_the_blue_more(self) -> None:
        """``mwebv`` is E(B-V): it takes light away, most in the first of the contract's bands."""
        source = self.make()
        phase, band, parameters = self._inputs(source)
        clear = source.flux(phase, band, self.bands, {**parameters, "mwebv": 0 * phase[:, 0]})
        dusty = source.flux(
            phase, band, self.bands, {**parameters, "mwebv": 0.3 + 0 * phase[:, 0]}
        )
        lit = clear > 0
        dimming = -2.5 * torch.log10(dusty[lit] / clear[lit])
        assert bool((dimming > 0).all())
        first, last = band[lit] == 0, band[lit] == len(self.bands) - 1
        assert float(dimming[first].mean()) > float(dimming[last].mean())

    def test_covers_the_contracts_bands(self) -> None:
        """bool (B, F), true where the contract says so."""
        covered = self.make().covers(self.bands, torch.tensor(self.redshift, dtype=torch.float64))
        assert covered.dtype == torch.bool
        assert covered.shape == (2, len(self.bands))
        assert bool(covered.all())

    def _inputs(self, source: Source) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Phases (B, T), bands (B, T) and parameters within the source's range."""
        streams = Streams.range(1, 0, self.n)
        first, last = max(source.phase_range[0], -15.0), min(source.phase_range[1], 40.0)
        phase = first + (last - first) * streams.uniform("phase", self.n_times)
        band = (streams.uniform("band", self.n_times) * len(self.bands)).long()
        low, high = self.redshift
        redshift = low + (high - low) * streams.uniform("redshift")
        given = {name: torch.full_like(redshift, value) for name, value in self.given}
        common = {"redshift": redshift, "distmod": 36 + 0 * redshift, "mwebv": 0 * redshift}
        return phase, band, {**source.draw(streams), **given, **common}


class DistributionContract(ABC):
    """What every ``Distribution`` does; ``make`` returns it."""

    @abstractmethod
    def make(self) -> Distribution:
        """The distribution."""

    def test_quantile_has_the_shape_and_type_of_the_fractions(self) -> None:
        """Any shape; finite."""
        u = torch.linspace(1e-6, 1 - 1e-6, 24, dtype=torch.float64)
        law = self.make()
        for fractions in (u, u.reshape(2, 3, 4), u[:0]):
            x = law.quantile(fractions)
            assert x.shape == fractions.shape
            assert x.dtype == fractions.dtype
            assert bool(x.isfinite().all())

    def test_quantile_does_not_decrease(self) -> None:
        """A larger fraction lies below a value at least as large."""
        u = torch.linspace(1e-6, 1 - 1e-6, 1001, dtype=torch.float64)
        assert bool((self.make().quantile(u).diff() >= 0).all())

    def test_an_object_is_drawn_alike_in_any_batch(self) -> None:
        """Shape (B,), the same alone and among others."""
        law = self.make()
        many = law.sample(Streams.range(3, 0, 20), "x")
        assert many.shape == (20,)
        assert torch.equal(law.sample(Streams.range(3, 5, 7), "x"), many[5:7])


class PopulationContract(ABC):
    """What every ``Population`` does.

    ``make`` returns the population and ``make_source`` a source that its objects may have.
    """

    n = 50

    @abstractmethod
    def make(self) -> Population:
        """The population."""

    @abstractmethod
    def make_source(self) -> Source:
        """A source for it."""

    def test_draws_all_that_the_source_needs(self) -> None:
        """Finite numbers in float64, objects first."""
        source = self.make_source()
        drawn = self.make().draw(Streams.range(0, 0, self.n), source)
        assert set(drawn) >= {"redshift", "distmod", "mwebv", *source.parameters}
        for name, values in drawn.items():
            assert len(values) == self.n, name
            assert values.dtype == torch.float64, name
            assert bool(values.isfinite().all()), name

    def test_redshifts_lie_in_the_range_stated(self) -> None:
        """``redshift_range`` is what coverage is checked with before anything is drawn."""
        population = self.make()
        low, high = population.redshift_range
        redshift = population.draw(Streams.range(1, 0, 1000), self.make_source())["redshift"]
        assert 0 <= low <= float(redshift.min())
        assert float(redshift.max()) <= high

    def test_an_object_is_drawn_alike_in_any_batch(self) -> None:
        """The same alone and among others; no objects, empty tensors."""
        population, source = self.make(), self.make_source()
        many = population.draw(Streams.range(3, 0, 20), source)
        few = population.draw(Streams.range(3, 5, 7), source)
        none = population.draw(Streams.range(3, 0, 0), source)
        for name, values in many.items():
            torch.testing.assert_close(few[name], values[5:7])
            assert none[name].shape == (0, *values.shape[1:])


class CutContract(ABC):
    """What every ``Cut`` does.

    ``make`` returns the cut; ``make_sample`` what it is tried on, for a cut that looks at bands or
    true parameters of its own.
    """

    @abstractmethod
    def make(self) -> Cut:
        """The cut."""

    def make_sample(self) -> tuple[LightCurveBatch, Truth]:
        """Observations and true parameters of some objects."""
        batch = example_batch()
        return batch, {"redshift": batch.redshift}

    def test_gives_a_probability_for_every_object(self) -> None:
        """Shape (B,), between 0 and 1."""
        batch, truth = self.make_sample()
        assert_probability(self.make().probability(batch, truth), len(batch))

    def test_objects_without_observations_have_one_too(self) -> None:
        """A survey misses objects altogether."""
        batch, truth = self.make_sample()
        unseen = batch.where(torch.zeros_like(batch.mask))
        assert_probability(self.make().probability(unseen, truth), len(batch))

    def test_an_object_is_judged_alike_in_any_batch(self) -> None:
        """Alone, and with other padding."""
        cut, (batch, truth) = self.make(), self.make_sample()
        together = cut.probability(batch, truth)
        for i in range(len(batch)):
            own = {name: values[i : i + 1] for name, values in truth.items()}
            torch.testing.assert_close(cut.probability(batch[i].trim(), own), together[i : i + 1])


class SurveyContract(ABC):
    """What every ``Survey`` does; ``make`` returns it."""

    n, redshift = 40, 0.1
    window = (-12.0, 35.0)

    @abstractmethod
    def make(self) -> Survey:
        """The survey."""

    def test_observations_are_complete(self) -> None:
        """Finite, with possible errors, in the survey's bands."""
        survey = self.make()
        seen = self._observe(survey, 0, self.n)
        assert seen.bands == survey.bands
        assert seen.peak_mjd.shape == (self.n,)
        assert bool(seen.mask.any())
        for name in ("time", "sky_err", "poisson", "relative_err"):
            assert getattr(seen, name).shape == seen.mask.shape, name
            assert bool(getattr(seen, name)[seen.mask].isfinite().all()), name
        assert bool((seen.sky_err[seen.mask] > 0).all())
        assert bool((seen.poisson[seen.mask] >= 0).all())
        assert bool((seen.relative_err[seen.mask] >= 0).all())
        assert bool(((seen.band >= 0) & (seen.band < len(survey.bands)))[seen.mask].all())

    def test_observations_lie_in_the_phases_asked_for(self) -> None:
        """Those of the source and of the survey, in the rest frame."""
        survey = self.make()
        seen = self._observe(survey, 0, self.n)
        phase = (seen.time - seen.peak_mjd[:, None]) / (1 + self.redshift)
        first = max(self.window[0], survey.phases[0])
        last = min(self.window[1], survey.phases[1])
        assert float(phase[seen.mask].min()) >= first - 1e-6
        assert float(phase[seen.mask].max()) <= last + 1e-6

    def test_an_object_is_observed_alike_in_any_batch(self) -> None:
        """The same observations alone and among others; no objects, no observations."""
        survey = self.make()
        many, few = self._observe(survey, 0, self.n), self._observe(survey, 5, 8)
        width = few.mask.shape[1]
        assert torch.equal(few.mask.sum(1), many.mask[5:8].sum(1))
        for name in ("time", "band", "sky_err", "poisson", "relative_err"):
            left, right = getattr(few, name), getattr(many, name)[5:8, :width]
            torch.testing.assert_close(left[few.mask], right[few.mask], msg=name)
        torch.testing.assert_close(few.peak_mjd, many.peak_mjd[5:8])
        assert len(self._observe(survey, 0, 0).mask) == 0

    def _observe(self, survey: Survey, start: int, stop: int) -> Observations:
        streams = Streams.range(2, start, stop)
        zero = torch.zeros(stop - start, dtype=torch.float64)
        phases = (zero + self.window[0], zero + self.window[1])
        return survey.observe(streams, zero + self.redshift, phases).compressed()


def example_batch(
    n: int = 12, bands: tuple[str, ...] = ("desg", "desr", "desi"), seed: int = 0
) -> LightCurveBatch:
    """Light curves that rise and fall, of unequal lengths and brightness, with known redshifts."""
    rng = np.random.default_rng(seed)
    curves = []
    for i in range(n):
        phase = np.sort(rng.uniform(-12, 40, (len(bands), 4 + i % 3)), axis=1)
        peak = 10 ** rng.normal(2.0, 0.3)
        error = 3.0 * np.exp(rng.normal(0, 0.1, phase.shape))
        flux = peak * np.exp(-0.5 * (phase / 14) ** 2) + error * rng.normal(size=phase.shape)
        names = np.repeat(bands, phase.shape[1])
        columns = (57000 + phase.ravel(), flux.ravel(), error.ravel(), names)
        header = {"peak_mjd": 57000.0, "redshift": rng.uniform(0.02, 0.3), "mwebv": 0.02}
        curves.append(LightCurve.from_arrays(f"sn{i}", *columns, **header))
    return LightCurveBatch.from_light_curves(curves, bands=bands)


def assert_probability(values: Tensor, n: int) -> None:
    """Floating-point numbers of shape (n,) between 0 and 1."""
    assert values.shape == (n,)
    assert values.is_floating_point()
    assert bool(((values >= 0) & (values <= 1)).all())
