"""The fast joint density against the Pyro model that defines it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fake_hierarchy import POPULATIONS, coarse, model, points, supernovae, trained_values

from sntorch.bayesn.hierarchy import HierarchicalModel, population_rv
from sntorch.bayesn.joint_density import JointDensity
from sntorch.bayesn.populations import GlobalRV, PopulationRV
from sntorch.bayesn.surfaces import FixedSED, TrainedSED
from sntorch.bayesn.testing import named_variables, pyro_log_density
from sntorch.inference.density import BatchedDensity
from sntorch.inference.hierarchical import HierarchicalDensity


def rows(joint, chains=2, seed=5):
    phi, own = points(joint, chains, seed)
    return HierarchicalDensity(joint).joined(phi, own)


def checked_against_pyro(joint, z):
    """Value and gradient at the first row, and the others' values."""
    value, gradient = HierarchicalDensity(joint).value_and_gradient(z[None])
    for c in range(len(z)):
        free = z[c].clone().requires_grad_()
        wanted = pyro_log_density(joint.model, named_variables(joint, free))
        assert torch.allclose(value[0, c], wanted, rtol=1e-10, atol=0)
        if c == 0:
            (slope,) = torch.autograd.grad(wanted, free)
            error = (gradient[0, c] - slope).abs().max()
            assert float(error / slope.abs().max()) < 1e-10


@pytest.mark.parametrize("free", [True, False], ids=["free", "held"])
@pytest.mark.parametrize("magnitudes", [True, False], ids=["magnitude", "flux"])
@pytest.mark.parametrize("trained", [True, False], ids=["trained", "fixed"])
@pytest.mark.parametrize("population", POPULATIONS)
def test_is_the_pyro_model(population, trained, magnitudes, free):
    joint = JointDensity(model(population, trained, magnitudes, free, n=4))
    checked_against_pyro(joint, rows(joint))


def test_is_the_pyro_model_of_another_grid_of_knots():
    joint = JointDensity(model("PopulationRV", free_tmax=True, n=4, sed=coarse()))
    assert joint.n_own == 11
    checked_against_pyro(joint, rows(joint))


def test_gradient_against_differences():
    joint = JointDensity(model("MassSplitSED", free_tmax=True, n=4, sed=coarse()))
    target = HierarchicalDensity(joint)
    z = rows(joint, 1)[None]
    _, gradient = target.value_and_gradient(z)
    moves = 1e-5 * torch.eye(target.dim, dtype=z.dtype)
    up, down = (target.value_and_gradient(z + move)[0] for move in (moves, -moves))
    found = (up - down)[0] / 2e-5
    assert float((found - gradient[0, 0]).abs().max() / gradient.abs().max()) < 1e-6


def test_fluxes_may_be_negative():
    sample = supernovae(4, None, True)
    o = sample.observations
    flux = o.flux.clone()
    flux[:, 0, 0] = -20.0
    sample = replace(sample, observations=replace(o, flux=flux))
    made = HierarchicalModel(sample, FixedSED(coarse()), GlobalRV(), magnitudes=False)
    joint = JointDensity(made)
    checked_against_pyro(joint, rows(joint))


def test_the_grid_integrator_says_the_same():
    """The quadrature's error is far below the photometry's."""
    fast = JointDensity(model("GlobalRV", trained=False, n=4))
    z = rows(fast, 1)[0]
    slow = replace(fast.model, integrator="grid")
    found = pyro_log_density(fast.model, named_variables(fast, z))
    wanted = pyro_log_density(slow, named_variables(fast, z))
    assert float((found - wanted).abs()) < 2e-3 * float(wanted.abs())


def test_names_and_sizes():
    joint = JointDensity(model("PopulationRV", free_tmax=True))
    names = ["w0", "w1", "sigma_epsilon", "l_omega", "sigma0", "tau_a", "mu_r", "sigma_r"]
    assert list(joint.sites) == names
    assert joint.n_shared == 36 + 36 + 24 + 24 * 23 // 2 + 4
    assert joint.own_names == ["av", "rv_score", "tmax", "theta", "epsilon", "ds"]
    assert joint.n_own == 24 + 5
    held = JointDensity(model("GlobalRV", trained=False))
    assert list(held.sites) == ["sigma0", "tau_a", "rv"]
    assert held.own_names == ["av", "theta", "epsilon", "ds"]
    whole = HierarchicalDensity(JointDensity(model("GlobalRV")))
    assert isinstance(whole, BatchedDensity)
    assert whole.dim == whole.hierarchy.n_shared + 12 * whole.hierarchy.n_own


@pytest.mark.parametrize("population", POPULATIONS)
def test_shared_parameters_there_and_back(population):
    joint = JointDensity(model(population))
    values = trained_values(joint.model.sed)
    phi = joint.unconstrain(values)
    assert phi.shape == (joint.n_shared,)
    found = joint.constrain(phi)
    assert list(found) == list(joint.sites)
    for name, value in found.items():
        assert torch.allclose(value, values[name], atol=1e-9), name
    many = joint.constrain(phi.expand(2, 3, -1))
    for name, value in many.items():
        assert value.shape == (2, 3, *values[name].shape), name
        assert torch.allclose(value[1, 2], values[name], atol=1e-9), name


def test_own_parameters():
    joint = JointDensity(model("PopulationRV", free_tmax=True))
    phi, z = points(joint, 3)
    own = joint.own(phi, z)
    assert set(own) == {"theta", "av", "ds", "rv_sn", "tmax", "epsilon"}
    for name, value in own.items():
        assert value.shape == (3, 12) + (24,) * (name == "epsilon"), name
    assert torch.equal(own["av"], z[..., 0].exp().T)
    assert torch.equal(own["ds"], z[..., -1].T)
    shared = joint.constrain(phi)
    wanted = population_rv(z[..., 1], shared["mu_r"], shared["sigma_r"])
    assert torch.allclose(own["rv_sn"], wanted.T)
    assert bool((own["rv_sn"] > 1.2).all())
    assert bool((own["tmax"].abs() < 10).all())
    assert float((own["tmax"] - (20 * torch.sigmoid(z[..., 2]) - 10).T).abs().max()) < 1e-12


def test_a_reference_is_the_point_itself():
    """There the linear magnitudes are the exact ones: see test_linearised."""
    joint = JointDensity(model("PopulationRV", free_tmax=True))
    phi, z = points(joint, 1)
    at, own = joint.reference(phi, z), joint.own(phi, z)
    assert torch.allclose(at.av, own["av"][0])
    assert torch.allclose(at.rv, own["rv_sn"][0])
    assert torch.allclose(at.tmax, own["tmax"][0])
    assert torch.allclose(at.grey, joint.model.sed.m0 + own["ds"][0])
    assert at.warp.shape == (12, 6, 6)


def test_the_reference_of_the_coordinates_changes_no_density():
    joint = JointDensity(model())
    z = rows(joint)
    before, slope = HierarchicalDensity(joint).value_and_gradient(z[None])
    joint.linearise(joint.reference(*points(joint, 1)))
    after, other = HierarchicalDensity(joint).value_and_gradient(z[None])
    assert torch.allclose(after, before, rtol=1e-13)
    assert torch.allclose(other, slope, rtol=1e-10, atol=1e-9)


def test_every_supernova_is_in_one_block():
    joint = JointDensity(model(), block=9)
    for chains in (1, 3, 100):
        blocks = joint.blocks(chains)
        chosen = torch.cat([block.rows for block in blocks])
        assert sorted(chosen.tolist()) == list(range(12))
        assert len(blocks) == min(round(12 * chains / 9), 12)


# ---- padding ----


def poisoned(sample):
    """What stands where there is no observation."""
    o = sample.observations
    columns = {"flux": 1e30, "flux_err": 1e-30, "phase": 70.0}
    changed = {k: torch.where(o.mask, getattr(o, k), bad) for k, bad in columns.items()}
    return replace(sample, observations=replace(o, **changed))


@pytest.mark.parametrize("magnitudes", [True, False])
@pytest.mark.parametrize("free", [True, False])
def test_padding_changes_nothing(magnitudes, free):
    clean = model("PopulationRV", True, magnitudes, free)
    assert not bool(clean.sample.observations.mask.all())
    joint = JointDensity(clean)
    other = JointDensity(replace(clean, sample=poisoned(clean.sample)))
    z = rows(joint)
    phi, own = HierarchicalDensity(joint).split(z)
    for found, wanted in zip(
        HierarchicalDensity(other).value_and_gradient(z[None]),
        HierarchicalDensity(joint).value_and_gradient(z[None]),
        strict=True,
    ):
        assert torch.allclose(found, wanted, rtol=1e-12, atol=1e-9)
    for found, wanted in zip(
        HierarchicalDensity(other).whitened_value_and_gradient(phi, own),
        HierarchicalDensity(joint).whitened_value_and_gradient(phi, own),
        strict=True,
    ):
        assert torch.allclose(found, wanted, rtol=1e-12, atol=1e-9)


# ---- real data ----


def test_is_the_pyro_model_on_real_light_curves(foundation):
    sample, sed = foundation
    few = sample.take(torch.arange(0, 40, 10))
    made = HierarchicalModel(few, TrainedSED(sed), PopulationRV(), free_tmax=True)
    joint = JointDensity(made)
    checked_against_pyro(joint, rows(joint))
