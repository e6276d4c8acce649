"""Coordinates that whiten supernovae: exact as a change of variables, and good ones."""

from __future__ import annotations

import pytest
import torch
from fake_hierarchy import POPULATIONS, coarse, model, normal, points, trained_values

from sntorch.bayesn.conditional import Own
from sntorch.bayesn.hierarchy import HierarchicalModel
from sntorch.bayesn.joint_density import JointDensity
from sntorch.bayesn.populations import GlobalRV
from sntorch.bayesn.surfaces import TrainedSED
from sntorch.inference.hierarchical import HierarchicalDensity
from sntorch.physics.extinction import anchors

SHAPES = [("GlobalRV", False), ("GlobalRV", True), ("PopulationRV", False), ("PopulationRV", True)]
CHAINS = 3


@pytest.mark.parametrize("magnitudes", [True, False])
@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("population", POPULATIONS)
def test_there_and_back(population, free, magnitudes):
    joint = JointDensity(model(population, True, magnitudes, free), block=9)
    density = HierarchicalDensity(joint)
    phi, _ = points(joint, CHAINS)
    x = normal(joint.size, CHAINS, joint.n_own)
    z = density.whiten(phi, x)
    assert bool(z.isfinite().all())
    assert float((density.unwhiten(phi, z) - x).abs().max()) < 1e-7
    assert float((density.whiten(phi, density.unwhiten(phi, z)) - z).abs().max()) < 1e-7


@pytest.mark.parametrize(("population", "free"), SHAPES)
def test_log_jacobian_is_that_of_the_map(population, free):
    """ln |det dz/dx| of one supernova with six residuals, by automatic differentiation."""
    made = model(population, free_tmax=free, n=4, sed=coarse())
    joint = JointDensity(made.take(torch.tensor([1])))
    phi, _ = points(joint, 1)
    shared, _ = joint.shared(phi)
    (block,) = joint.blocks(1)
    for seed in range(3):
        x = normal(joint.n_own, seed=seed)

        def outside(v):
            return block.whiten(shared, v.view(1, 1, -1))[0].flatten()

        jacobian = torch.autograd.functional.jacobian(outside, x)
        _, found = block.whiten(shared, x.view(1, 1, -1))
        assert found.shape == (1,)
        assert float(found) == pytest.approx(float(torch.linalg.slogdet(jacobian)[1]), rel=1e-9)


@pytest.mark.parametrize(("population", "free"), SHAPES)
def test_whitened_density_is_the_density_times_the_jacobian(population, free):
    joint = JointDensity(model(population, free_tmax=free), block=9)
    density = HierarchicalDensity(joint)
    phi, _ = points(joint, CHAINS)
    x = normal(joint.size, CHAINS, joint.n_own)
    value, of_phi, of_x = density.whitened_value_and_gradient(phi, x)
    plain, _ = density.value_and_gradient(density.joined(phi, density.whiten(phi, x))[None])
    shared, _ = joint.shared(phi)
    blocks = joint.blocks(CHAINS)
    jacobian = sum(block.whiten(shared, x[block.rows])[1] for block in blocks)
    assert torch.allclose(value, plain[0] + jacobian, rtol=1e-10)
    # The gradient by the population goes through the map as well.
    direction, step = normal(CHAINS, joint.n_shared, seed=8), 1e-6
    up, down = (
        density.whitened_value_and_gradient(phi + sign * step * direction, x)[0]
        for sign in (1, -1)
    )
    slope = (of_phi * direction).sum(1)
    assert torch.allclose((up - down) / (2 * step), slope, rtol=1e-5, atol=1e-3)
    direction = normal(*x.shape, seed=9)
    up, down = (
        density.whitened_value_and_gradient(phi, x + sign * step * direction)[0]
        for sign in (1, -1)
    )
    slope = (of_x * direction).sum((0, 2))
    assert torch.allclose((up - down) / (2 * step), slope, rtol=1e-5, atol=1e-3)


# ---- how good they are ----


def in_linear_model(linear, shared, z, muhat, distance_err):
    """ln p of own variables (S, C, K) where magnitudes are exactly linear, by hand."""
    own = Own.unpack(z, has_rv=False, has_tmax=False)
    av = own.log_av.exp()
    residual = torch.einsum("cnm,scm->scn", shared["cholesky"], own.epsilon)
    w0, w1 = shared["w0"][:, 0], shared["w1"]
    warp = w0 + own.theta[..., None, None] * w1
    inner = residual.unflatten(-1, (w0.shape[-1], w0.shape[-2] - 2)).mT
    warp = warp + torch.nn.functional.pad(inner, (0, 0, 1, 1))
    rv = shared["rv"].expand_as(av)
    over_rv = anchors(rv) / rv[..., None]
    dust = linear.grey[:, None] + (linear.dust[:, None] @ over_rv[..., None])[..., 0]
    expected = torch.einsum("soij,scij->sco", linear.warp, warp)
    expected = expected + av[..., None] * dust + own.ds[..., None] * linear.grey[:, None]
    chi_square = (linear.constant[:, None] - expected).square().sum(-1)
    scale = (distance_err[:, None].square() + shared["sigma0"].square()).sqrt()
    distance = (own.ds - muhat[:, None]) / scale
    squares = own.theta.square() + own.epsilon.square().sum(-1) + distance.square()
    return own.log_av - av / shared["tau_a"] - 0.5 * (squares + chi_square)


@pytest.mark.parametrize("row", range(4))
def test_in_the_linear_model_they_are_standard_normal(row):
    """With an extinction whose prior is wide, exactly so: ln p + ln |dz/dx| + x²/2 is constant."""
    joint = JointDensity(model(n=4).take(torch.tensor([row])))
    sed, sample = joint.model.sed, joint.model.sample
    given = sample.observations.muhat, sample.distance_err
    (block,) = joint.blocks(1)
    linear = joint.linear.take(block.rows).without_grey(sed.m0)
    values = trained_values(sed) | {"tau_a": torch.tensor(1e4).double()}
    shared, _ = joint.shared(joint.unconstrain(values)[None])
    found = []
    for seed in range(5):
        x = normal(1, 1, joint.n_own, seed=seed)
        z, jacobian = block.whiten(shared, x)
        value = in_linear_model(linear, shared, z, *given)
        found.append(float(value + jacobian + 0.5 * x.square().sum()))
    assert max(found) - min(found) < 1e-8


def leftover(joint, chains=4):
    """rms over all supernovae of gradient + x at standard-normal x: 0 in perfect coordinates."""
    phi = joint.unconstrain(trained_values(joint.model.sed)).expand(chains, -1)
    x = normal(joint.size, chains, joint.n_own)
    _, _, gradient = HierarchicalDensity(joint).whitened_value_and_gradient(phi, x)
    return float((gradient + x).square().mean().sqrt())


def test_magnitudes_are_nearly_standard_normal():
    assert leftover(JointDensity(model())) < 0.2


def test_a_population_of_rv_disturbs_little():
    assert leftover(JointDensity(model("PopulationRV"))) < 0.2


def improved(joint, steps=3):
    """Linearised anew at where the coordinates say the supernovae are."""
    density = HierarchicalDensity(joint)
    phi = joint.unconstrain(trained_values(joint.model.sed))[None]
    for _ in range(steps):
        z = density.whiten(phi, torch.zeros(joint.size, 1, joint.n_own).double())
        joint.linearise(joint.reference(phi, z))
    return joint


@pytest.mark.parametrize(
    ("magnitudes", "free", "bound"),
    [(True, False, 0.03), (True, True, 0.4), (False, False, 0.1), (False, True, 0.4)],
)
def test_a_better_reference_gives_better_coordinates(magnitudes, free, bound):
    joint = JointDensity(model("GlobalRV", True, magnitudes, free))
    before = leftover(joint)
    assert leftover(improved(joint)) < min(bound, before)


def test_on_real_light_curves(foundation):
    sample, sed = foundation
    few = sample.take(torch.arange(0, 150, 5))
    made = HierarchicalModel(few, TrainedSED(sed), GlobalRV())
    assert leftover(JointDensity(made)) < 0.2


# ---- packing ----


@pytest.mark.parametrize("has_rv", [True, False])
@pytest.mark.parametrize("has_tmax", [True, False])
def test_own_variables_there_and_back(has_rv, has_tmax):
    z = normal(4, 3, 9)
    own = Own.unpack(z, has_rv, has_tmax)
    assert torch.equal(own.pack(), z)
    assert (own.rv_score is None, own.tmax is None) == (not has_rv, not has_tmax)
    assert own.epsilon.shape == (4, 3, 6 - has_rv - has_tmax)
