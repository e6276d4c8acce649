"""Where training begins: surfaces at other knots, none at all, and the unconstrained start."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fake_hierarchy import POPULATIONS, coarse, model, t21

from sntorch.bayesn.joint_density import JointDensity
from sntorch.bayesn.starting_surfaces import (
    CORRELATION,
    LEAST_SIGMA,
    POSITIVE,
    SIGMA,
    at_knots,
    from_scratch,
    starting_point,
)
from sntorch.errors import ConfigError
from sntorch.inference.hierarchical import HierarchicalDensity
from sntorch.physics.parameters import SEDParameters
from sntorch.physics.sed import SEDModel
from sntorch.physics.splines import spline_matrix

KNOTS = ("wave_knots", "time_knots")
ARRAYS = ("w0", "w1", "epsilon_cholesky")


@pytest.fixture(scope="module")
def parameters():
    return SEDParameters.from_name("t21")


def warped(parameters, wave, days):
    """W0 where it is asked for."""
    basis = [
        spline_matrix(torch.from_numpy(knots), torch.as_tensor(at).double()).numpy()
        for knots, at in ((parameters.wave_knots, wave), (parameters.time_knots, days))
    ]
    return basis[0] @ parameters.w0 @ basis[1].T


# ---- other knots ----


def test_no_knots_are_the_models_own(parameters):
    assert at_knots(parameters) is parameters


def test_own_knots_give_the_same_surfaces(parameters):
    found = at_knots(parameters, parameters.wave_knots.tolist(), parameters.time_knots.tolist())
    for name in (*KNOTS, "w0", "w1"):
        np.testing.assert_allclose(getattr(found, name), getattr(parameters, name), atol=1e-12)
    for name in ("sigma0", "tau_a", "m0", "rv", "sigma_r"):
        assert getattr(found, name) == getattr(parameters, name), name
    size = len(parameters.epsilon_cholesky)
    np.testing.assert_array_equal(found.epsilon_cholesky, SIGMA * np.eye(size))


def test_other_knots_lie_on_the_models_splines(parameters):
    wave, days = [3700.0, 5200.0, 6800.0, 9000.0], [-8.0, 3.0, 17.0, 36.0]
    found = at_knots(parameters, wave, days)
    np.testing.assert_allclose(found.w0, warped(parameters, wave, days), atol=1e-12)
    assert found.w1.shape == (4, 4)
    assert found.epsilon_cholesky.shape == (8, 8)
    # And nothing is lost where own knots are kept and others added.
    finer = np.sort([*parameters.wave_knots, 5500.0, 8000.0])
    fine = at_knots(parameters, finer)
    np.testing.assert_array_equal(fine.time_knots, parameters.time_knots)
    own = np.isin(finer, parameters.wave_knots)
    np.testing.assert_allclose(fine.w0[own], parameters.w0, atol=1e-12)
    assert np.abs(fine.w1[~own]).max() < 2 * np.abs(parameters.w1).max()


def test_beyond_its_knots_a_surface_goes_on_as_it_ends(parameters):
    first, last = parameters.time_knots[[0, -1]]
    found = at_knots(parameters, time_knots=[first - 5, *parameters.time_knots, last + 5])
    np.testing.assert_allclose(found.w0[:, 0], parameters.w0[:, 0], atol=1e-12)
    np.testing.assert_allclose(found.w0[:, -1], parameters.w0[:, -1], atol=1e-12)


def test_it_is_a_model(parameters, tmp_path):
    found = at_knots(parameters, [3500, 5000, 7000, 9500], [-10, 10, 40])
    found.to_yaml(tmp_path / "BAYESN.YAML")
    again = SEDModel.from_yaml(tmp_path / "BAYESN.YAML")
    assert again.wave_knots.tolist() == [3500, 5000, 7000, 9500]
    np.testing.assert_array_equal(again.w0.numpy(), found.w0)


@pytest.mark.parametrize(
    ("knots", "words"),
    [
        ({"wave_knots": [5000, 4000, 9000]}, "wave_knots=.*3 or more increasing numbers"),
        ({"wave_knots": [5000, 5000, 9000]}, "3 or more increasing numbers"),
        ({"wave_knots": [4000, 9000]}, "3 or more increasing numbers"),
        ({"wave_knots": []}, "3 or more increasing numbers"),
        ({"wave_knots": [4000, float("nan"), 9000]}, "3 or more increasing numbers"),
        ({"wave_knots": "blue"}, "wave_knots=blue: a list of numbers"),
        ({"wave_knots": 5000}, "wave_knots=5000: a list of numbers"),
        ({"wave_knots": [[4000, 5000], [6000, 7000], [8000, 9000]]}, "numbers"),
        ({"wave_knots": [500, 5000, 9000]}, "the template reaches from 1000 to 25000"),
        ({"wave_knots": [3000, 5000, float("inf")]}, "the template reaches from"),
        ({"time_knots": [-10, 10, 400]}, "time_knots=.*the template reaches from -19 to 85"),
        ({"time_knots": [10, -10, 40]}, "time_knots=.*3 or more increasing"),
    ],
)
def test_knots_that_are_not_accepted(parameters, knots, words):
    with pytest.raises(ConfigError, match=words):
        at_knots(parameters, **knots)


# ---- nothing at all ----


def test_from_scratch_is_flat(parameters):
    found = from_scratch(parameters)
    for name in ("w0", "w1"):
        assert getattr(found, name).shape == getattr(parameters, name).shape
        assert not getattr(found, name).any()
    np.testing.assert_array_equal(found.epsilon_cholesky, SIGMA * np.eye(24))
    for name in KNOTS:
        assert getattr(found, name) is getattr(parameters, name)
    assert np.abs(parameters.w0).max() > 0


# ---- the unconstrained start ----


@pytest.mark.parametrize("population", POPULATIONS)
def test_starting_point_there_and_back(population):
    joint = JointDensity(model(population))
    phi = starting_point(joint)
    assert phi.shape == (joint.n_shared,)
    found, sed = joint.constrain(phi), t21()
    assert torch.allclose(found["w0"], sed.w0, atol=1e-12)
    assert torch.allclose(found["w1"], sed.w1, atol=1e-12)
    covariance = sed.epsilon_cholesky @ sed.epsilon_cholesky.T
    sigma = covariance.diagonal().sqrt().clamp(min=LEAST_SIGMA)
    assert torch.allclose(found["sigma_epsilon"], sigma)
    mixed = found["l_omega"] @ found["l_omega"].T
    # Half of the correlations, by the model's own widths where those are not too small.
    wide = covariance.diagonal().sqrt() > LEAST_SIGMA
    half = CORRELATION * covariance / (sigma[:, None] * sigma)
    pairs = wide[:, None] & wide & ~torch.eye(len(sigma), dtype=torch.bool)
    assert bool(pairs.any())
    assert torch.allclose(mixed[pairs], half[pairs])
    assert torch.allclose(mixed.diagonal(), torch.ones_like(sigma))
    for name, value in found.items():
        assert bool(value.isfinite().all()), name
        if name.split("_low")[0].split("_high")[0] in ("tau_a", "sigma0", "sigma_r"):
            assert float(value) == pytest.approx(POSITIVE), name
    again = joint.unconstrain(found)
    assert torch.allclose(again, phi, atol=1e-8)


def test_starting_point_of_held_surfaces_is_the_population_alone():
    joint = JointDensity(model(trained=False))
    found = joint.constrain(starting_point(joint))
    assert list(found) == ["sigma0", "tau_a", "rv"]
    # The middle of its range.
    assert float(found["rv"]) == pytest.approx(3.0)


def test_a_flat_first_component_gets_a_small_one():
    """At zero W1 and θ have no gradient."""
    flat = SEDModel(from_scratch(SEDParameters.from_name("t21")))
    joint = JointDensity(model(n=4, sed=flat))
    density = HierarchicalDensity(joint)
    phi, again, other = (starting_point(joint, seed) for seed in (0, 0, 1))
    w1 = joint.constrain(phi)["w1"]
    assert bool((w1 != 0).all())
    assert 0.02 < float(w1.std()) < 0.1
    assert torch.equal(phi, again)
    assert not torch.equal(phi, other)
    x = phi.new_zeros(density.size, 1, joint.n_own)
    value, gradient, _ = density.whitened_value_and_gradient(phi[None], x)
    assert bool(value.isfinite().all() and gradient.isfinite().all())
    assert bool((gradient != 0).all())


@pytest.mark.parametrize("sed", [coarse, t21])
def test_residuals_without_width_get_some(sed):
    """A covariance of zeros, or one that is not of full rank, has a factor all the same."""
    given = sed()
    joint = JointDensity(model(n=4, sed=given))
    whole = given.epsilon_cholesky.clone()
    try:
        given.epsilon_cholesky.zero_()
        found = joint.constrain(starting_point(joint))
        assert torch.allclose(found["sigma_epsilon"], torch.full_like(whole[0], LEAST_SIGMA))
        assert torch.allclose(found["l_omega"], torch.eye(len(whole)).double())
        given.epsilon_cholesky[:, 0] = 0.1
        found = joint.constrain(starting_point(joint))
        assert float((found["l_omega"] @ found["l_omega"].T)[0, 1]) == pytest.approx(CORRELATION)
    finally:
        given.epsilon_cholesky.copy_(whole)
