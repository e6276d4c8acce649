"""The structured guide, where the posterior is one of its members, and where it is not."""

from __future__ import annotations

import math

import pytest
import torch
from fake_normals import OBJECTS, OWN, KnownSpread, Normals, answer, coordinates
from targets import generator

from sntorch.inference.hierarchical import Conditional, HierarchicalDensity
from sntorch.inference.structured import fit_structured

PARTS = ("mean", "scale_tril", "own_mean", "own_scale")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def off(model):
    """A guide that is too wide, in another place, and with another correlation; own ones too."""
    mean, covariance = model.law()
    factor = torch.linalg.cholesky(covariance)
    factor[1, 0] -= 0.03
    shape = OBJECTS, OWN
    return Conditional(
        HierarchicalDensity(model),
        mean + 0.8 * covariance.diagonal().sqrt() * torch.tensor([1.0, -1.0]),
        1.3 * factor,
        torch.full(shape, 0.04).double(),
        torch.full(shape, 1.05).double(),
    )


def test_recovers_a_normal_posterior():
    model = KnownSpread()
    start = off(model)
    fit = fit_structured(start, generator(0), iterations=500)
    found = fit.coordinates
    mean, covariance = model.law()
    sd = covariance.diagonal().sqrt()
    # Along the paths of the draws the gradient is zero at the answer: it is found without noise.
    assert float(((found.mean - mean) / sd).abs().max()) < 0.02
    relative = found.scale_tril @ found.scale_tril.T / (sd[:, None] * sd)
    assert torch.allclose(relative, covariance / (sd[:, None] * sd), atol=0.03)
    assert float(found.own_mean.abs().max()) < 0.01
    assert float((found.own_scale - 1).abs().max()) < 0.01


def test_the_bound_rises_to_the_evidence():
    """Where the guide is the posterior, ln p - ln q is the same everywhere: the bound's value."""
    model = KnownSpread()
    fit = fit_structured(off(model), generator(1), iterations=300)
    mean, covariance = model.law()
    density = HierarchicalDensity(model)
    exact = Conditional.around(density, mean, torch.linalg.cholesky(covariance))
    x = torch.randn(1, 5, density.dim, generator=generator(2), dtype=torch.float64)
    level = exact.evaluate(density, x)[0] + 0.5 * x.square().sum(-1)
    assert float(level.max() - level.min()) < 1e-9
    assert fit.elbo.shape == (300,)
    assert float(fit.elbo[-50:].mean()) > float(fit.elbo[:10].mean()) + 0.3
    constant = 0.5 * math.log(2 * math.pi) * density.dim
    wanted = level[0, 0] + exact.scale_tril.logdet() + constant
    assert float(fit.elbo[-50:].mean()) == pytest.approx(float(wanted), abs=0.02)


def test_what_is_already_right_stays():
    model = KnownSpread()
    mean, covariance = model.law()
    factor = torch.linalg.cholesky(covariance)
    start = Conditional.around(HierarchicalDensity(model), mean, factor)
    found = fit_structured(start, generator(0), iterations=20).coordinates
    for name in PARTS:
        # Adam makes steps of rounding errors.
        assert torch.allclose(getattr(found, name), getattr(start, name), atol=5e-3), name


def test_a_posterior_that_is_not_normal():
    """ln τ is skewed, and the whitening is too wide: the guide is close, and no worse for it."""
    model = Normals(1.3)
    density = HierarchicalDensity(model)
    fit = fit_structured(coordinates(density), generator(3), iterations=400)
    assert float(fit.elbo[-40:].mean()) > float(fit.elbo[:5].mean())
    wanted = answer(model)
    mean, variance = (torch.stack([*wanted["mu"][i], wanted["log_tau"][i]]) for i in (0, 1))
    sd = variance.sqrt()
    found = fit.coordinates
    assert float(((found.mean - mean) / sd).abs().max()) < 0.25
    assert torch.allclose(found.scale_tril.norm(dim=1), sd, rtol=0.25)
    # 1 / 1.3 would be right.
    assert float(found.own_scale.mean()) < 0.95


def test_a_seed_gives_the_same_guide():
    first, again, other = (
        fit_structured(off(KnownSpread()), generator(seed), iterations=6) for seed in (1, 1, 2)
    )
    assert torch.equal(first.elbo, again.elbo)
    assert not torch.equal(first.elbo, other.elbo)
    for name in PARTS:
        assert torch.equal(getattr(first.coordinates, name), getattr(again.coordinates, name))


def test_the_start_is_left_and_progress_is_told():
    start, told = off(KnownSpread()), []
    before = {name: getattr(start, name).clone() for name in PARTS}
    fit = fit_structured(start, generator(0), 4, 2, told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]
    assert fit.elbo.shape == (4,)
    for name, value in before.items():
        assert torch.equal(getattr(start, name), value), name
        assert not torch.equal(getattr(fit.coordinates, name), value), name


class Cliff(Normals):
    """No number beyond a limit."""

    def shared(self, phi):
        shared, prior = super().shared(phi)
        return shared, torch.where(phi[:, 2] > 0.5, torch.nan, prior)


def test_a_draw_that_is_no_number_does_no_harm():
    density = HierarchicalDensity(Cliff())
    found = fit_structured(coordinates(density), generator(0), iterations=20).coordinates
    assert all(bool(getattr(found, name).isfinite().all()) for name in PARTS)
