"""SuperNNova's networks: the contract, the authors' size, inputs, draws."""

from __future__ import annotations

import pytest
import torch

from sntorch.classification.networks.supernnova import (
    BayesianSuperNNova,
    SuperNNova,
    VariationalSuperNNova,
)
from sntorch.classification.networks.supernnova_inputs import NightInputs
from sntorch.data.nights import by_night
from sntorch.errors import ConfigError
from sntorch.simulation.testing import example_batch
from sntorch.testing import ClassifierNetworkContract

SMALL = {"n_hidden": 8}
GRIZ = ("desg", "desr", "desi", "desz")
DRAWN = (VariationalSuperNNova, BayesianSuperNNova)


class TestSuperNNova(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return SuperNNova(bands, n_classes, n_context, **SMALL)


class TestCosmo(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return SuperNNova(bands, n_classes, n_context, normalisation="cosmo", **SMALL)


class TestVariational(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return VariationalSuperNNova(bands, n_classes, n_context, n_samples=2, **SMALL)


class TestBayesian(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return BayesianSuperNNova(bands, n_classes, n_context, n_samples=2, **SMALL)


def test_as_many_weights_as_the_authors_network_in_four_bands_and_two_classes():
    count = sum(p.numel() for p in SuperNNova(GRIZ, 2).parameters())
    assert count == 40_066
    assert NightInputs(4).n_outputs == 24


def fitted(kind, batch):
    torch.manual_seed(0)
    network = kind(batch.bands, 2, 0, **SMALL).eval()
    network.fit_inputs(batch)
    return network


@pytest.mark.parametrize("kind", [SuperNNova, *DRAWN])
def test_many_objects_at_once_are_as_few(kind):
    batch = example_batch(n=100, bands=GRIZ[:2])
    network, none = fitted(kind, batch), torch.zeros(100, 0)
    some = torch.tensor([3, 50, 99])
    few = network(batch[some].trim(), none[:3])
    torch.testing.assert_close(network(batch, none)[some], few, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", DRAWN)
def test_a_prediction_is_the_mean_probability_of_draws_that_differ(kind):
    batch = example_batch(n=4, bands=GRIZ[:2])
    network, none = fitted(kind, batch), torch.zeros(4, 0)
    state = torch.get_rng_state()
    draws = network.draws(batch, none, network.n_samples)
    mean = draws.softmax(-1).mean(0)
    torch.testing.assert_close(network(batch, none).softmax(-1), mean)
    assert bool((draws.std(0) > 0).all())
    assert torch.equal(torch.get_rng_state(), state)
    network.n_samples = 0
    assert not torch.allclose(network(batch, none).softmax(-1), mean, atol=1e-6)


def test_inputs_are_those_of_the_authors():
    batch = example_batch(n=30, bands=GRIZ[:2])
    inputs, nights = NightInputs(2), by_night(batch)
    inputs.fit(batch)
    numbers = inputs(nights)[nights.mask]
    flux, error = numbers[:, :2], numbers[:, 2:4]
    seen = nights.seen[nights.mask]
    for part in (flux, error):
        assert abs(float(part.mean())) < 1e-4
        assert float(part.std(correction=0)) == pytest.approx(1, abs=1e-4)
    combination = numbers[:, 5:]
    assert torch.equal(combination.argmax(1) + 1, seen[:, 0] + 2 * seen[:, 1])
    assert torch.equal(combination.sum(1), torch.ones(len(combination)))


@pytest.mark.parametrize("name", ["cosmo", "cosmo_quantile"])
def test_brightness_is_not_read_when_normalised_by_the_light_curve(name):
    batch = example_batch(n=20, bands=GRIZ[:2])
    inputs, nights = NightInputs(2, name), by_night(batch)
    inputs.fit(batch)
    brighter = nights._replace(flux=3 * nights.flux, flux_err=3 * nights.flux_err)
    torch.testing.assert_close(inputs(brighter), inputs(nights))


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(ConfigError, match="normalisation=log"):
        NightInputs(2, "log")


def test_the_divergence_weighs_less_the_more_objects_there_are():
    few, many = (example_batch(n=n, bands=GRIZ[:2]) for n in (4, 40))
    losses = []
    for batch in (few, many):
        network = fitted(BayesianSuperNNova, batch)
        torch.manual_seed(1)
        losses.append(network.auxiliary_loss(batch, torch.zeros(len(batch), 0)).item())
    assert losses[0] == pytest.approx(10 * losses[1])
