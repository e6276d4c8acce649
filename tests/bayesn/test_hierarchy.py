"""The hierarchical model in Pyro: its sites, its priors, and what it predicts."""

from __future__ import annotations

from dataclasses import replace

import pyro
import pytest
import torch
from fake_hierarchy import POPULATIONS, coarse, model, normal, points, t21, trained_values
from pyro import poutine
from scipy import stats

from sntorch.bayesn.hierarchy import HierarchicalModel, population_rv
from sntorch.bayesn.joint_density import JointDensity
from sntorch.bayesn.populations import Conditions, GlobalRV
from sntorch.bayesn.surfaces import FixedSED, Surfaces, TrainedSED
from sntorch.inference.hierarchical import HierarchicalDensity


def traced(made, seed=0):
    pyro.set_rng_seed(seed)
    return poutine.trace(made).get_trace()


def own_of(n, sed, seed=1):
    return {
        "theta": normal(n, seed=seed),
        "av": 0.2 * normal(n, seed=seed + 1).abs(),
        "rv": 2.6 + 0.2 * normal(n, seed=seed + 2),
        "tmax": normal(n, seed=seed + 3),
        "e": normal(n, len(sed.epsilon_cholesky), seed=seed + 4),
    }


# ---- sites ----


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("magnitudes", [True, False])
@pytest.mark.parametrize("population", POPULATIONS)
def test_draws_of_the_prior(population, magnitudes, free):
    made = model(population, True, magnitudes, free, n=4)
    trace = traced(made)
    trace.compute_log_prob()
    shapes = {name: tuple(trace.nodes[name]["value"].shape) for name in trace.stochastic_nodes}
    own = {"av": (4,), "theta": (4,), "epsilon": (4, 24), "ds": (4,)}
    own |= {"tmax": (4,)} if free else {}
    own |= {} if population == "GlobalRV" else {"rv_score": (4,)}
    shared = set(JointDensity(made).sites)
    assert {k: v for k, v in shapes.items() if k not in shared and k != "sn"} == own
    assert shared <= set(shapes)
    assert trace.nodes["light_curves"]["log_prob"].shape == (4,)
    again = traced(made)
    assert all(torch.equal(trace.nodes[k]["value"], again.nodes[k]["value"]) for k in own)


def test_surfaces_that_are_trained():
    sed = t21()
    trace = traced(model(n=4))
    assert trace.nodes["w0"]["value"].shape == sed.w0.shape
    factor = trace.nodes["l_omega"]["value"]
    assert torch.allclose(factor.norm(dim=1), torch.ones(24).double())
    surfaces = TrainedSED(sed)(lambda name, prior: trained_values(sed)[name])
    assert torch.allclose(surfaces.epsilon_cholesky, sed.epsilon_cholesky, atol=1e-12)
    assert torch.equal(surfaces.w0, sed.w0)


def test_surfaces_that_are_held():
    sed = t21()
    surfaces = FixedSED(sed)(lambda name, prior: pytest.fail("nothing is drawn"))
    assert surfaces.w0 is sed.w0
    assert surfaces.epsilon_cholesky is sed.epsilon_cholesky


def test_priors_of_the_surfaces():
    """W ~ N(0, 1), σ_ε half-Cauchy, and correlations ~ LKJ(1)."""
    priors = {}

    def draw(name, prior):
        priors[name] = prior
        return prior.sample()

    pyro.set_rng_seed(0)
    sed = coarse()
    TrainedSED(sed, sigma_scale=0.3)(draw)
    assert priors["w0"].event_shape == sed.w0.shape
    assert bool((priors["w1"].variance == 1).all())
    assert bool((priors["sigma_epsilon"].base_dist.scale == 0.3).all())
    assert float(priors["l_omega"].concentration) == 1


# ---- predictions ----


@pytest.mark.parametrize("free", [True, False])
def test_fluxes_are_those_of_the_sed_model(free):
    sed = t21()
    made = model(free_tmax=free, n=4)
    o, own = made.sample.observations, own_of(4, sed)
    own["tmax"] = own["tmax"] * free
    one = torch.ones(1).double()
    surfaces = Surfaces(sed.w0, sed.w1, sed.epsilon_cholesky)
    found = made.flux(surfaces, Conditions(one, one), ds=o.muhat, **own)
    wanted = sed.flux_at(
        o.phase.flatten(1),
        o.band[:, :, None].expand_as(o.phase).flatten(1),
        o.bands,
        redshift=o.redshift,
        mwebv=o.mwebv,
        distmod=o.muhat,
        epsilon=sed.epsilon_surface(own["e"]),
        **{k: own[k] for k in ("theta", "av", "rv", "tmax")},
    ).view_as(found)
    assert torch.allclose(found[o.mask], wanted[o.mask], rtol=1e-10)
    assert bool((found[~o.mask] == 1).all())


def test_groups_have_surfaces_of_their_own():
    sed = t21()
    made = model(n=4)
    o, own = made.sample.observations, own_of(4, sed)
    one, group = torch.ones(1).double(), torch.tensor([0, 1, 1, 0])
    # A constant warp of 1 mag is 1 mag.
    shift = torch.stack([0 * sed.w0, 0 * sed.w0 + 1])
    surfaces = Surfaces(sed.w0, sed.w1, sed.epsilon_cholesky)
    plain = made.flux(surfaces, Conditions(one, one), ds=o.muhat, **own)
    conditions = Conditions(one, one, w0_shift=shift, group=group)
    found = made.flux(surfaces, conditions, ds=o.muhat, **own)
    ratio = found / plain
    for i, number in enumerate(group.tolist()):
        seen = ratio[i][o.mask[i]]
        assert torch.allclose(seen, torch.full_like(seen, 10 ** (-0.4 * number)))


def test_magnitudes_are_those_of_the_fluxes():
    """σ_m = σ / (0.4 ln 10 flux)."""
    sample = model(n=4).sample
    o = sample.observations
    fine = replace(sample, observations=replace(o, flux_err=1e-4 * o.flux.clamp(min=1)))
    found = []
    for magnitudes in (True, False):
        made = HierarchicalModel(fine, FixedSED(t21()), GlobalRV(), magnitudes)
        pyro.set_rng_seed(0)
        with torch.no_grad():
            trace = poutine.trace(made).get_trace()
        noise = trace.nodes["light_curves"]["fn"].base_dist.base_dist
        found.append((noise.loc, noise.scale))
    (magnitude, error), (flux, flux_err) = found
    assert torch.allclose((27.5 - 2.5 * flux.log10())[o.mask], magnitude[o.mask])
    relative = (flux_err / o.flux.clamp(min=1))[o.mask]
    assert torch.allclose(error[o.mask], 2.5 / torch.tensor(10.0).double().log() * relative)


@pytest.mark.parametrize("ratio", [-8.0, -1.0, 0.0, 2.0, 10.0])
def test_rv_of_a_population_is_truncated(ratio):
    sigma = torch.tensor(0.4).double()
    mu = 1.2 + ratio * sigma
    score = torch.tensor([-3.0, -0.5, 0.0, 1.0, 3.0]).double()
    found = population_rv(score, mu, sigma)
    law = stats.truncnorm(-ratio, float("inf"), loc=float(mu), scale=0.4)
    assert found.numpy() == pytest.approx(law.ppf(stats.norm.cdf(score.numpy())), rel=1e-7)
    assert bool((found > 1.2).all())


# ---- blocks ----


def test_some_of_the_supernovae():
    made = model("MassSplit")
    part = made.take(torch.tensor([1, 5, 7]))
    assert len(part.sample) == 3
    assert part.sample.object_id == [made.sample.object_id[i] for i in (1, 5, 7)]
    assert repr(part.population) == repr(made.population)
    assert part.population.knots == made.population.knots


@pytest.mark.parametrize("population", ["GlobalRV", "MassSplitSED", "DustRedshift"])
def test_blocks_of_any_size_say_the_same(population):
    made = model(population, free_tmax=True)
    whole = HierarchicalDensity(JointDensity(made))
    phi, own = points_of(whole)
    wanted = whole.whitened_value_and_gradient(phi, own)
    plain = whole.value_and_gradient(whole.joined(phi, own)[None])
    assert len(whole.hierarchy.blocks(2)) == 1
    for size in (2, 7, 10):
        parts = HierarchicalDensity(JointDensity(made, block=size))
        assert len(parts.hierarchy.blocks(2)) > 1
        for found, expected in zip(
            (
                *parts.whitened_value_and_gradient(phi, own),
                *parts.value_and_gradient(parts.joined(phi, own)[None]),
            ),
            (*wanted, *plain),
            strict=True,
        ):
            assert float((found - expected).abs().max()) < 1e-12 * float(expected.abs().max())


@pytest.mark.parametrize("population", ["GlobalRV", "MassSplitSED"])
def test_threads_change_no_bit(population):
    made = model(population, free_tmax=True)
    one, two = (HierarchicalDensity(JointDensity(made, block=5, threads=n), n) for n in (1, 2))
    phi, own = points_of(one)
    for _ in range(3):
        for found, expected in zip(
            (
                *two.whitened_value_and_gradient(phi, own),
                *two.value_and_gradient(two.joined(phi, own)[None]),
            ),
            (
                *one.whitened_value_and_gradient(phi, own),
                *one.value_and_gradient(one.joined(phi, own)[None]),
            ),
            strict=True,
        ):
            assert torch.equal(found, expected)


def points_of(whole, chains=2):
    return points(whole.hierarchy, chains)
