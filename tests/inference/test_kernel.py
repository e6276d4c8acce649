"""The batched sampler inside Pyro's ``MCMC``, on a model whose posteriors are known."""

from __future__ import annotations

import math

import pyro
import pytest
import torch
from pyro import distributions as dist
from pyro.infer import MCMC, NUTS
from targets import assert_mean, generator

from sntorch.errors import ConfigError
from sntorch.inference.diagnostics import ess_mean, rhat
from sntorch.inference.kernel import BatchedNUTS

N = 5
DATA = 2 * torch.randn(3, N, generator=generator(2), dtype=torch.float64)
COUNTS = torch.tensor([0.0, 1.0, 3.0, 10.0, 40.0], dtype=torch.float64)


def one():
    return torch.ones((), dtype=torch.float64)


def model(data, counts):
    """A level with normal noise, a rate with counts, and a vector without data."""
    with pyro.plate("sn", N, dim=-1):
        rate = pyro.sample("rate", dist.Gamma(2 * one(), one()))
        level = pyro.sample("level", dist.Normal(0 * one(), 3.0))
        pyro.sample("vector", dist.Normal(torch.zeros(2).double(), 1.0).to_event(1))
        pyro.sample("counts", dist.Poisson(rate), obs=counts)
        with pyro.plate("nights", len(data), dim=-2):
            pyro.sample("data", dist.Normal(level, 1.5), obs=data)


def run(n=100, warmup=75, initial=None, **settings):
    kernel = BatchedNUTS(model, plate="sn", **settings)
    if initial is not None:
        kernel.initial_params = initial
    mcmc = MCMC(kernel, num_samples=n, warmup_steps=warmup, disable_progbar=True)
    mcmc.run(DATA, COUNTS)
    return mcmc


@pytest.fixture(scope="module")
def mcmc():
    return run(n=160, warmup=60, chains=8)


def test_shapes(mcmc):
    shapes = {name: tuple(value.shape) for name, value in mcmc.get_samples().items()}
    assert shapes == {
        "rate": (160, 8, N),
        "level": (160, 8, N),
        "vector": (160, 8, N, 2),
    }


def test_posteriors(mcmc):
    draws = {name: value.transpose(0, 2) for name, value in mcmc.get_samples().items()}
    precision = 1 / 3.0**2 + 3 / 1.5**2
    mean = DATA.sum(0) / 1.5**2 / precision
    assert_mean(draws["level"], mean)
    deviation = (draws["level"] - mean[:, None, None]).square()
    assert_mean(deviation, torch.full((N,), 1 / precision).double())
    assert_mean(draws["rate"], (2 + COUNTS) / 2)
    assert_mean(draws["rate"].square(), (2 + COUNTS) * (3 + COUNTS) / 4)
    for d in range(2):
        assert_mean(draws["vector"][..., d], torch.zeros(N).double())


def test_diagnostics(mcmc):
    found = {name: value.get("chain 0") for name, value in mcmc.diagnostics().items()}
    dim = 4
    assert found["rhat"].shape == found["ess_bulk"].shape == found["ess_tail"].shape == (N, dim)
    assert bool((found["rhat"] < 1.03).all())
    assert bool((found["ess_bulk"] > 300).all())
    # Of the samples alone, without the warm-up; the level is its own unconstrained variable.
    level = mcmc.get_samples()["level"].transpose(0, 2)
    assert torch.allclose(found["rhat"][:, 1], rhat(level))
    assert found["divergences"] == [0] * N
    for name in ("tree_depth", "acceptance", "leapfrogs"):
        assert found[name].shape == (N,)
    assert bool(((found["acceptance"] > 0.7) & (found["acceptance"] < 1)).all())
    assert bool((found["leapfrogs"] >= 2 ** found["tree_depth"] - 1).all())


def test_a_seed_gives_the_same_samples():
    first, again, other = (
        run(5, 5, seed=seed, chains=1).get_samples()["level"] for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_search_begins_at_the_initial_parameters(monkeypatch):
    begun = []

    def precondition(density, start, *args):
        begun.append(density.constrain(start[:, None]))
        raise KeyboardInterrupt

    monkeypatch.setattr("sntorch.inference.kernel.precondition", precondition)
    given = {
        "rate": torch.linspace(1, 5, N, dtype=torch.float64),
        "level": torch.linspace(-1, 1, N, dtype=torch.float64),
        "vector": torch.ones(N, 2, dtype=torch.float64),
    }
    with pytest.raises(KeyboardInterrupt):
        run(initial=given)
    for name, value in given.items():
        assert torch.allclose(begun[0][name][:, 0], value)


def test_initial_parameters_are_those_of_the_chains():
    kernel = BatchedNUTS(model, plate="sn", chains=3)
    kernel.setup(5, DATA, COUNTS)
    first = kernel.initial_params
    assert first["vector"].shape == (3, N, 2)
    assert first["level"].shape == (3, N)
    assert bool((first["rate"] > 0).all())
    assert math.isclose(float(kernel.logging()["step size"]), 0.5)


def test_what_is_not_accepted():
    with pytest.raises(ConfigError, match="chains=0: at least 1"):
        BatchedNUTS(model, plate="sn", chains=0)
    with pytest.raises(ConfigError, match="no plate 'objects'"):
        BatchedNUTS(model, plate="objects").setup(5, DATA, COUNTS)


@pytest.mark.slow
def test_agrees_with_pyros_sampler(mcmc):
    pyro.set_rng_seed(0)
    stock = MCMC(NUTS(model), num_samples=600, warmup_steps=200, disable_progbar=True)
    stock.run(DATA, COUNTS)
    for name in ("rate", "level"):
        ours = mcmc.get_samples()[name].transpose(0, 2)
        theirs = stock.get_samples()[name].T[:, None]
        for power in (1, 2):
            one, other = ours**power, theirs**power
            spread = one.flatten(1).var(1) / ess_mean(one) + other.flatten(1).var(1) / ess_mean(
                other
            )
            off = (one.mean((1, 2)) - other.mean((1, 2))).abs() / spread.sqrt()
            assert off.max() < 4.5, name
