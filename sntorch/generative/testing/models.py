"""The contract of whole generators of light curves."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any

import torch

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError, SntorchWarning
from sntorch.generative.base import GenerativeModel
from sntorch.generative.evaluate import impossible


class GenerativeModelContract(ABC):
    """What every generator of light curves does.

    ``make`` returns a fitted model; it is called once a test. True fluxes, epochs of the model's
    own and given ones may be refused by a ``ConfigError``; a false answer is a failure.
    """

    n = 7

    @abstractmethod
    def make(self) -> GenerativeModel:
        """A fitted model."""

    def test_sample_has_the_size_and_bands_asked_for(self) -> None:
        """n objects, each with an observation, in the model's bands."""
        model = self.make()
        batch = model.sample(self.n, seed=1)
        assert isinstance(batch, LightCurveBatch)
        assert len(batch) == self.n
        assert batch.bands == model.bands
        assert bool((batch.n_observations > 0).all())

    def test_light_curves_are_possible(self) -> None:
        """Sorted times, positive errors, nothing infinite."""
        batch = self.make().sample(50, seed=2)
        assert not any(impossible(batch).values())
        times = torch.where(batch.mask, batch.time, torch.inf)
        assert bool((times[:, 1:] >= times[:, :-1]).all())

    def test_a_seed_gives_the_same_objects(self) -> None:
        """Bit for bit, and other ones for another seed."""
        model = self.make()
        first, again, other = (model.sample(self.n, seed=seed) for seed in (3, 3, 4))
        assert torch.equal(first.flux, again.flux)
        assert first.flux.shape != other.flux.shape or not torch.equal(first.flux, other.flux)

    def test_objects_do_not_depend_on_the_number_drawn(self) -> None:
        """The first objects of a large sample are those of a small one."""
        model = self.make()
        few, many = model.sample(self.n, seed=5), model.sample(300, seed=5)[: self.n]
        width = few.time.shape[1]
        for name in ("time", "flux", "flux_err", "band", "mask"):
            assert torch.equal(getattr(few, name), getattr(many, name)[:, :width]), name

    def test_lengths_are_kept(self) -> None:
        """Every object has the asked number of observations in every band."""
        batch = self.make().sample(self.n, lengths=6, seed=6)
        assert bool((batch.to_rows().lengths == 6).all())

    def test_true_fluxes_are_refused_or_those_behind_the_observed_ones(self) -> None:
        """Finite, at the same epochs, and different."""
        model = self.make()
        true = _unless_refused(model, self.n, seed=7, noiseless=True)
        if true is None:
            return
        observed = model.sample(self.n, seed=7)
        assert true.noiseless
        assert torch.equal(true.mask, observed.mask)
        assert torch.equal(true.time, observed.time)
        assert bool(true.flux[true.mask].isfinite().all())
        assert not torch.equal(true.flux, observed.flux)

    def test_epochs_of_its_own_are_refused_or_made(self) -> None:
        """Possible light curves."""
        made = _unless_refused(self.make(), self.n, seed=8, cadence="generated")
        assert made is None or (len(made) == self.n and not any(impossible(made).values()))

    def test_given_epochs_are_refused_or_followed(self) -> None:
        """Observations and times are those of the given objects in turn."""
        model = self.make()
        given = model.sample(3, seed=9)
        drawn = _unless_refused(model, self.n, seed=10, cadence=given)
        if drawn is None:
            return
        wanted, found = (b.to_rows() for b in (given[torch.arange(self.n) % 3], drawn))
        assert torch.equal(found.lengths, wanted.lengths)
        torch.testing.assert_close(found.time, wanted.time, atol=1e-4, rtol=0)


def _unless_refused(model: GenerativeModel, n: int, **options: Any) -> LightCurveBatch | None:
    """Light curves with what not every model has; None where it says so."""
    with warnings.catch_warnings():
        # Epochs that an untrained model made may lie where no training object has any.
        warnings.simplefilter("ignore", SntorchWarning)
        try:
            return model.sample(n, **options)
        except ConfigError:
            return None
