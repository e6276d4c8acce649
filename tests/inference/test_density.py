"""A Pyro model's plate as a batched density, against Pyro's own potential."""

from __future__ import annotations

import pyro
import pytest
import torch
from pyro import distributions as dist
from pyro.infer.mcmc.util import initialize_model
from targets import generator

from sntorch.errors import ConfigError
from sntorch.inference.density import ModelDensity
from sntorch.inference.truncated import ZeroTruncatedMultivariateNormal
from sntorch.testing import BatchedDensityContract

N = 3
X = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None]
Y = torch.randn(5, N, generator=generator(5), dtype=torch.float64)


def number(value):
    return torch.tensor(value, dtype=torch.float64)


def scalars():
    """Three kinds of support, and data in a plate inside."""
    with pyro.plate("sn", N, dim=-1):
        slope = pyro.sample("slope", dist.Exponential(number(2.0)))
        level = pyro.sample("level", dist.Normal(number(0.5), 2.0))
        width = pyro.sample("width", dist.Uniform(number(0.5), 3.0))
        with pyro.plate("nights", len(X), dim=-2):
            pyro.sample("y", dist.Normal(level + slope * X, width), obs=Y)


def vectors():
    """Event dimensions, one of whose transforms has fewer variables than values."""
    with pyro.plate("sn", N, dim=-1):
        shape = pyro.sample("shape", dist.Normal(torch.zeros(2, 3).double(), 1.0).to_event(2))
        share = pyro.sample("share", dist.Dirichlet(torch.ones(4).double()))
        scaled = shape.sum((-1, -2)) + share[..., 0]
        pyro.sample("y", dist.Normal(scaled, 0.3), obs=Y[0])


def plate_on_the_left():
    """The plate over objects is not the last batch dimension."""
    with pyro.plate("sn", N, dim=-2):
        level = pyro.sample("level", dist.Normal(number(0.5), 2.0))
        with pyro.plate("nights", len(X), dim=-1):
            pyro.sample("y", dist.Normal(level, 0.7), obs=Y.T)


def truncated():
    """A multivariate site of our own."""
    loc = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    with pyro.plate("sn", N, dim=-1):
        x = pyro.sample("x", ZeroTruncatedMultivariateNormal(loc, torch.eye(3).double()))
        pyro.sample("y", dist.Normal(x.sum(-1), 0.3), obs=Y[0])


MODELS = {m.__name__: m for m in (scalars, vectors, plate_on_the_left, truncated)}


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request):
    return request.param


def points_of(density, n=4):
    shape = len(density), n, density.dim
    return torch.randn(shape, generator=generator(7), dtype=torch.float64)


def test_sum_over_objects_is_pyros_potential(model):
    density = ModelDensity(model, "sn")
    _, potential, transforms, _ = initialize_model(model)
    z = points_of(density)
    values, gradients = density.value_and_gradient(z)
    constrained = density.constrain(z)
    for c in range(z.shape[1]):
        site_values = {}
        for name in density.sites:
            value = constrained[name][:, c]
            shape = (N, 1) if model is plate_on_the_left else value.shape
            site_values[name] = transforms[name](value.reshape(shape)).detach().requires_grad_()
        expected = -potential(site_values)
        torch.testing.assert_close(values[:, c].sum(), expected, rtol=1e-10, atol=1e-10)
        expected.backward()
        found = gradients[:, c].split(list(density.sites.values()), -1)
        for name, part in zip(density.sites, found, strict=True):
            torch.testing.assert_close(
                part.reshape(site_values[name].shape), site_values[name].grad, rtol=1e-9, atol=1e-9
            )


def test_objects_are_independent(model):
    density = ModelDensity(model, "sn")
    z = points_of(density)
    moved = z.clone()
    moved[0] += 0.3
    same = density(z) == density(moved)
    assert bool(same[1:].all())
    assert not bool(same[0].any())


def test_constrain_and_unconstrain_are_inverse(model):
    density = ModelDensity(model, "sn")
    z = points_of(density)
    values = density.constrain(z)
    assert list(values) == list(density.sites)
    assert torch.allclose(density.unconstrain(values), z, atol=1e-8)


def test_what_the_density_says_of_its_variables():
    density = ModelDensity(scalars, "sn")
    assert density.sites == {"slope": 1, "level": 1, "width": 1}
    assert density.positive
    values = density.constrain(points_of(density))
    assert bool((values["slope"] > 0).all())
    assert bool(((values["width"] > 0.5) & (values["width"] < 3)).all())
    assert ModelDensity(vectors, "sn").sites == {"shape": 6, "share": 3}
    assert not ModelDensity(vectors, "sn").positive
    start = density.prior_medians()
    assert start.shape == (N, 1, 3)
    assert torch.isfinite(start).all()
    assert torch.equal(start, density.prior_medians())


def test_arguments_reach_the_model():
    def model(data, width=1.0):
        with pyro.plate("sn", len(data), dim=-1):
            x = pyro.sample("x", dist.Normal(torch.zeros_like(data), 1.0))
            pyro.sample("y", dist.Normal(x, width), obs=data)

    data = torch.tensor([1.0, 2.0], dtype=torch.float64)
    found = ModelDensity(model, "sn", data, width=0.5)(torch.zeros(2, 1, 1).double())
    x = dist.Normal(number(0.0), number(1.0)).log_prob(number(0.0))
    assert torch.allclose(found[:, 0], x + dist.Normal(0.0, 0.5).log_prob(data))


def outside():
    pyro.sample("population", dist.Normal(number(0.0), 1.0))
    scalars()


def discrete():
    with pyro.plate("sn", N, dim=-1):
        pyro.sample("kind", dist.Bernoulli(number(0.5)))


def inner_latent():
    with pyro.plate("sn", N, dim=-1), pyro.plate("nights", 5, dim=-2):
        pyro.sample("noise", dist.Normal(number(0.0), 1.0))


@pytest.mark.parametrize(
    ("model", "plate", "message"),
    [
        (scalars, "galaxies", "no plate 'galaxies'; its plates: nights, sn"),
        (outside, "sn", "'population' lies outside the plate 'sn'"),
        (discrete, "sn", "'kind' is discrete"),
        (inner_latent, "sn", "'noise' is in the plate 'nights'"),
    ],
)
def test_models_that_cannot_be_batched(model, plate, message):
    with pytest.raises(ConfigError, match=message):
        ModelDensity(model, plate)


def test_values_that_no_distribution_accepts_harm_no_other_point(model):
    density = ModelDensity(model, "sn")
    z = points_of(density)
    clean = density(z)
    z[1, 2] = torch.nan
    found = density(z)
    assert bool(found[1, 2].isnan())
    found[1, 2] = clean[1, 2]
    assert torch.equal(found, clean)


class TestScalars(BatchedDensityContract):
    def make(self):
        return ModelDensity(scalars, "sn")


class TestVectors(BatchedDensityContract):
    def make(self):
        return ModelDensity(vectors, "sn")


class TestPlateOnTheLeft(BatchedDensityContract):
    def make(self):
        return ModelDensity(plate_on_the_left, "sn")
