"""Contracts that every implementation keeps: inherit one in your tests and give it your object.

Example:
    class TestMyGenerator(GenerativeModelContract):
        def make(self):
            return my_trained_generator()
"""

from __future__ import annotations

import tempfile
import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sntorch.bayesn.testing import DustPopulationContract
from sntorch.classification.testing import ClassifierNetworkContract
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError, SntorchWarning
from sntorch.generative.base import GenerativeModel
from sntorch.generative.encoding import RowEncoding
from sntorch.generative.evaluate import impossible
from sntorch.generative.lengths import mask_from_counts
from sntorch.inference.testing import BatchedDensityContract
from sntorch.nn.rnn import twice_differentiable
from sntorch.simulation.testing import (
    CutContract,
    DistributionContract,
    PopulationContract,
    SourceContract,
    SurveyContract,
    example_batch,
)

__all__ = [
    "BatchedDensityContract",
    "ClassifierNetworkContract",
    "CriticNetworkContract",
    "CutContract",
    "DistributionContract",
    "DustPopulationContract",
    "GenerativeModelContract",
    "GeneratorNetworkContract",
    "PopulationContract",
    "RowEncodingContract",
    "SourceContract",
    "SurveyContract",
    "VelocityNetworkContract",
    "example_batch",
]


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


class GeneratorNetworkContract(ABC):
    """What a network needs to serve as generator of ``LightCurveGAN``.

    ``make`` returns the network for ``n_bands`` bands and ``n_condition`` numbers of an encoded
    condition, ``make_encoding`` a fitted encoding of as many bands. A network without conditions
    sets ``n_condition = 0``.
    """

    n_bands, n_condition = 3, 2

    @abstractmethod
    def make(self, n_bands: int, n_condition: int) -> nn.Module:
        """The network."""

    @abstractmethod
    def make_encoding(self, n_bands: int) -> RowEncoding:
        """A fitted encoding."""

    def test_rows_have_three_columns_a_band(self) -> None:
        """Shape (B, L, 3F), finite."""
        rows, _ = self._run(self.make(self.n_bands, self.n_condition))
        assert rows.shape == (5, 6, 3 * self.n_bands)
        assert bool(rows.isfinite().all())

    def test_gradient_reaches_every_parameter(self) -> None:
        """No parameter is left out."""
        network = self.make(self.n_bands, self.n_condition)
        rows, mask = self._run(network)
        (rows * mask.repeat(1, 1, 3)).square().sum().backward()
        assert_every_gradient(network)

    def test_padding_does_not_change_the_rows(self) -> None:
        """Longer padding gives the same rows where there are observations."""
        network = self.make(self.n_bands, self.n_condition).eval()
        short, mask = self._run(network)
        long, _ = self._run(network, n_steps=11)
        torch.testing.assert_close(short[mask.repeat(1, 1, 3)], long[:, :6][mask.repeat(1, 1, 3)])

    def test_saved_weights_give_the_same_rows(self) -> None:
        """state_dict carries everything."""
        network = self.make(self.n_bands, self.n_condition).eval()
        again = reloaded(network, self.make(self.n_bands, self.n_condition)).eval()
        assert torch.equal(self._run(network)[0], self._run(again)[0])

    def test_the_condition_matters(self) -> None:
        """Another condition gives other rows, and none is accepted where there are none."""
        if self.n_condition:
            network = self.make(self.n_bands, self.n_condition).eval()
            assert not torch.allclose(self._run(network)[0], self._run(network, shift=0.5)[0])
        assert bool(self._run(self.make(self.n_bands, 0), n_condition=0)[0].isfinite().all())

    def _run(
        self,
        network: nn.Module,
        n_steps: int = 6,
        shift: float = 0.0,
        n_condition: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)
        z = torch.randn(5, network.n_latent)  # pyright: ignore[reportArgumentType, reportCallIssue]
        noise = torch.randn(5, 11, network.n_step_noise)  # pyright: ignore[reportArgumentType, reportCallIssue]
        mask = mask_from_counts(example_counts(5, self.n_bands), n_steps)
        condition = example_condition(
            5, self.n_condition if n_condition is None else n_condition, shift
        )
        encoding = self.make_encoding(self.n_bands)
        return network(z, noise[:, :n_steps], mask, encoding, condition=condition), mask


class CriticNetworkContract(ABC):
    """What a network needs to serve as critic of ``LightCurveGAN``; see
    ``GeneratorNetworkContract``.
    """

    n_bands, n_condition = 3, 2

    @abstractmethod
    def make(self, n_bands: int, n_condition: int) -> nn.Module:
        """The network."""

    @abstractmethod
    def make_encoding(self, n_bands: int) -> RowEncoding:
        """A fitted encoding."""

    def test_one_score_an_object(self) -> None:
        """Shape (B,), finite."""
        scores = self._run(self.make(self.n_bands, self.n_condition))
        assert scores.shape == (5,)
        assert bool(scores.isfinite().all())

    def test_gradient_reaches_every_parameter(self) -> None:
        """No parameter is left out."""
        network = self.make(self.n_bands, self.n_condition)
        self._run(network).square().sum().backward()
        assert_every_gradient(network)

    def test_padding_does_not_change_the_score(self) -> None:
        """Neither its length nor what stands in it."""
        network = self.make(self.n_bands, self.n_condition).eval()
        torch.testing.assert_close(self._run(network), self._run(network, n_steps=11, junk=7.0))

    def test_has_a_second_derivative(self) -> None:
        """A gradient penalty can be trained."""
        network = self.make(self.n_bands, self.n_condition)
        x, mask = self._rows(6, 0.0)
        x.requires_grad_()
        condition = example_condition(5, self.n_condition)
        encoding = self.make_encoding(self.n_bands)
        with twice_differentiable(x.device):
            scores = network(x, mask, encoding, condition)
        (slope,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
        slope.square().sum().backward()
        assert any(p.grad is not None and bool(p.grad.any()) for p in network.parameters())

    def test_the_condition_matters(self) -> None:
        """Another condition gives other scores, and none is accepted where there are none."""
        if self.n_condition:
            network = self.make(self.n_bands, self.n_condition).eval()
            assert not torch.allclose(self._run(network), self._run(network, shift=0.5))
        encoding = self.make_encoding(self.n_bands)
        assert self.make(self.n_bands, 0)(*self._rows(6, 0.0), encoding).shape == (5,)

    def _rows(self, n_steps: int, junk: float) -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)
        mask = mask_from_counts(example_counts(5, self.n_bands), n_steps)
        x = torch.randn(5, 11, 3 * self.n_bands)[:, :n_steps]
        return torch.where(mask.repeat(1, 1, 3), x, junk), mask

    def _run(
        self, network: nn.Module, n_steps: int = 6, junk: float = 0.0, shift: float = 0.0
    ) -> Tensor:
        condition = example_condition(5, self.n_condition, shift)
        return network(*self._rows(n_steps, junk), self.make_encoding(self.n_bands), condition)


class VelocityNetworkContract(ABC):
    """What a network needs to serve as velocity of ``FlowMatching``.

    ``make`` returns the network for the sizes that ``FlowMatching`` passes by name.
    """

    sizes: ClassVar[dict[str, int]] = {
        "n_bands": 3,
        "n_state": 3,
        "n_features": 4,
        "n_condition": 2,
    }

    @abstractmethod
    def make(self, **sizes: int) -> nn.Module:
        """The network."""

    def test_one_velocity_a_token(self) -> None:
        """Shape (B, T, D), finite, zero where masked; objects without tokens too."""
        inputs = self._inputs()
        found = self.make(**self.sizes)(*inputs)
        assert found.shape == (5, 6, self.sizes["n_state"])
        assert bool(found.isfinite().all())
        assert not bool(found[~inputs[4]].any())

    def test_gradient_reaches_every_parameter(self) -> None:
        """No parameter is left out."""
        network = self.make(**self.sizes)
        network(*self._inputs()).square().sum().backward()
        assert_every_gradient(network)

    def test_padding_does_not_change_the_velocity(self) -> None:
        """Neither its length nor what stands in it."""
        network = self.make(**self.sizes).eval()
        short = network(*self._inputs())
        long = network(*self._inputs(n_tokens=11, junk=7.0))
        torch.testing.assert_close(long[:, :6], short)

    def test_order_of_tokens_does_not_matter(self) -> None:
        """A permutation of the tokens permutes the velocities."""
        network = self.make(**self.sizes).eval()
        state, s, features, band, mask, condition = self._inputs()
        order = torch.randperm(6)
        turned = [part[:, order] for part in (state, features, band, mask)]
        found = network(turned[0], s, *turned[1:], condition)
        torch.testing.assert_close(
            found, network(state, s, features, band, mask, condition)[:, order]
        )

    def test_flow_time_and_condition_matter(self) -> None:
        """Other flow times and other conditions give other velocities."""
        network = self.make(**self.sizes).eval()
        inputs = self._inputs()
        before = network(*inputs)
        for place in (1, 5):
            changed = [part + 0.3 if k == place else part for k, part in enumerate(inputs)]
            assert not torch.allclose(network(*changed), before)

    def test_saved_weights_give_the_same_velocity(self) -> None:
        """state_dict carries everything."""
        network = self.make(**self.sizes).eval()
        again = reloaded(network, self.make(**self.sizes)).eval()
        assert torch.equal(network(*self._inputs()), again(*self._inputs()))

    def _inputs(self, n_tokens: int = 6, junk: float = 0.0) -> tuple[Tensor, ...]:
        sizes, generator = self.sizes, torch.Generator().manual_seed(0)
        mask = torch.arange(n_tokens) < torch.tensor([6, 4, 1, 5, 0])[:, None]

        def tokens(n: int) -> Tensor:
            values = torch.randn(5, 6, n, generator=generator)
            longer = torch.nn.functional.pad(values, (0, 0, 0, n_tokens - 6))
            return torch.where(mask[..., None], longer, junk)

        state, features = tokens(sizes["n_state"]), tokens(sizes["n_features"])
        band = torch.where(mask, torch.arange(n_tokens) % sizes["n_bands"], 0)
        s = torch.rand(5, generator=generator)
        condition = torch.randn(5, sizes["n_condition"], generator=generator)
        return state, s, features, band, mask, condition


class RowEncodingContract(ABC):
    """What every ``RowEncoding`` does.

    ``make`` returns the encoding fitted on a batch, with ``MyEncoding.fit(batch)``; ``tolerance``
    is how well fluxes come back, in units of their size and error.
    """

    tolerance = 1e-3

    @abstractmethod
    def make(self, batch: LightCurveBatch) -> RowEncoding:
        """The encoding, fitted on ``batch``."""

    def test_codes_are_finite_rows(self) -> None:
        """Shape (B, L, 3F), float32, 0 where padded."""
        batch = example_batch()
        x, mask = self.make(batch).encode(batch)
        assert x.shape == (*mask.shape[:2], 3 * len(batch.bands))
        assert x.dtype == torch.float32
        assert bool(x.isfinite().all())
        assert not bool(x[~mask.repeat(1, 1, 3)].any())

    def test_light_curves_come_back(self) -> None:
        """Times within minutes, fluxes and errors within ``tolerance``."""
        batch = example_batch()
        encoding = self.make(batch)
        x, mask = encoding.encode(batch)
        before, after = batch.to_rows(), encoding.decode(x, mask)
        torch.testing.assert_close(after.time[mask], before.time[mask], atol=2e-3, rtol=0)
        size = before.flux_err[mask] + before.flux[mask].abs()
        for name in ("flux", "flux_err"):
            off = (getattr(after, name)[mask] - getattr(before, name)[mask]).abs()
            assert bool((off < self.tolerance * size).all()), name

    def test_limits_and_infinite_values_are_left_out(self) -> None:
        """They are no measurements."""
        batch = example_batch()
        encoding = self.make(batch)
        whole = int(encoding.encode(batch)[1].sum())
        batch.flux[0, :2], batch.upper_limit[1, :2] = torch.nan, True
        x, mask = encoding.encode(batch)
        assert bool(x.isfinite().all())
        assert int(mask.sum()) < whole

    def test_nothing_to_encode(self) -> None:
        """Objects of which nothing is left have an empty mask."""
        batch = example_batch()
        encoding = self.make(batch)
        batch.upper_limit[:] = True
        x, mask = encoding.encode(batch)
        assert len(x) == len(mask) == len(batch)
        assert not bool(mask.any())

    def test_state_dict_carries_everything(self) -> None:
        """A checkpoint rebuilds the encoding from bands, zero point and state."""
        batch = example_batch()
        encoding = self.make(batch)
        again = reloaded(encoding, type(encoding)(batch.bands, batch.zeropoint))
        assert isinstance(again, RowEncoding)
        assert torch.equal(again.encode(batch)[0], encoding.encode(batch)[0])

    def test_phase_has_a_gradient(self) -> None:
        """Shape (B, L, F), from the time columns."""
        batch = example_batch()
        encoding = self.make(batch)
        x, mask = encoding.encode(batch)
        x.requires_grad_()
        phase = encoding.phase(x)
        assert phase.shape == mask.shape
        (slope,) = torch.autograd.grad(phase[mask].sum(), x)
        assert bool(slope[..., : len(batch.bands)].any())

    def test_times_come_from_phases(self) -> None:
        """``from_phase`` undoes ``phase``, and its gradient reaches the phases."""
        batch = example_batch()
        encoding = self.make(batch)
        x, mask = encoding.encode(batch)
        phase = encoding.phase(x).requires_grad_()
        times = encoding.from_phase(phase)
        again = encoding.phase(times)
        torch.testing.assert_close(again[mask], phase[mask], atol=1e-4, rtol=1e-4)
        (slope,) = torch.autograd.grad(times[mask].sum(), phase)
        assert bool(slope[mask].any())

    def test_a_level_can_be_imposed(self) -> None:
        """``with_level`` gives rows of that level."""
        batch = example_batch()
        encoding = self.make(batch)
        x, mask = encoding.encode(batch)
        wanted = torch.linspace(-1, 1, len(x))
        torch.testing.assert_close(
            encoding.level(encoding.with_level(x, mask, wanted), mask), wanted
        )


def example_counts(n: int, n_bands: int) -> Tensor:
    """Unequal numbers of observations, between 2 and 6, shape (n, n_bands)."""
    return 2 + (torch.arange(n)[:, None] * 3 + 2 * torch.arange(n_bands)) % 5


def example_condition(n: int, n_condition: int, shift: float = 0.0) -> Tensor | None:
    """Codes of a condition, moved by ``shift``, shape (n, n_condition); None for no numbers."""
    generator = torch.Generator().manual_seed(1)
    codes = torch.randn(n, n_condition, generator=generator)
    return codes + shift if n_condition else None


def assert_every_gradient(network: nn.Module) -> None:
    """Every parameter has a gradient that is finite and not zero."""
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, f"no gradient for {name}"
        assert bool(parameter.grad.isfinite().all()), f"gradient of {name} is not finite"
        assert bool(parameter.grad.any()), f"gradient of {name} is zero"


def reloaded(network: nn.Module, blank: nn.Module) -> nn.Module:
    """``blank`` with the weights of ``network``, carried through a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pt"
        torch.save(network.state_dict(), path)
        blank.load_state_dict(torch.load(path, weights_only=True))
    return blank
