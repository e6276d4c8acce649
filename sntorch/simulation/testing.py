"""Contracts of the simulation's base classes: inherit one in your tests and give it your object.

Example:
    class TestMySource(SourceContract):
        def make(self):
            return MySource()
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from sntorch.simulation.sources import Source
from sntorch.simulation.streams import Streams


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
