import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sntorch.physics.quadrature import gauss_nodes, lagrange, positive, stand_in

X = np.linspace(-1, 1, 400)


def test_legendre_nodes():
    """Gauss-Legendre nodes are those of a constant weight."""
    midpoints = (np.arange(200_000) + 0.5) / 100_000 - 1
    found = gauss_nodes(midpoints, np.ones_like(midpoints), 6)
    np.testing.assert_allclose(found, np.polynomial.legendre.leggauss(6)[0], atol=1e-9)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_gauss_nodes_integrate_to_twice_the_degree(n_nodes, seed):
    weight = np.random.default_rng(seed).random(len(X))
    nodes = gauss_nodes(X, weight, n_nodes)
    assert (np.diff(nodes) > 0).all()
    weights = weight @ lagrange(nodes, X)
    assert (weights > 0).all()
    for degree in range(2 * n_nodes):
        assert weights @ nodes**degree == pytest.approx(weight @ X**degree, abs=1e-10 * len(X))


def test_as_many_nodes_as_points():
    points = np.array([-0.5, 0.1, 0.9])
    np.testing.assert_allclose(gauss_nodes(points, np.ones(3), 3), points, atol=1e-14)


def test_polynomials_are_a_partition_of_unity_and_one_at_their_node():
    nodes = gauss_nodes(X, np.ones_like(X), 9)
    np.testing.assert_allclose(lagrange(nodes, X).sum(1), 1, atol=1e-10)
    np.testing.assert_allclose(lagrange(nodes, nodes), np.eye(9), atol=1e-12)


@settings(deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**32 - 1), st.floats(0, 1.5))
def test_positive_weights_keep_their_sum(n_nodes, seed, shift):
    rules = torch.from_numpy(stand_in(gauss_nodes(X, np.ones_like(X), n_nodes)))
    random = np.random.default_rng(seed).random((4, 5, n_nodes)) - shift / n_nodes
    weights = torch.from_numpy(random)
    kept = positive(weights, rules)
    assert (kept >= 0).all()
    total = weights.sum(-1).clamp(min=0)
    torch.testing.assert_close(kept.sum(-1), total, rtol=1e-9, atol=1e-12)
    good = (weights >= 0).all(-1)
    assert torch.equal(kept[good], weights[good])


def test_a_slightly_negative_weight_costs_little():
    """A smooth function is summed far better than with the weight set to zero."""
    nodes = gauss_nodes(X, np.ones_like(X), 8)
    weights = torch.from_numpy(lagrange(nodes, X).mean(0))
    weights[2] = -1e-3
    function = torch.exp(2 * torch.from_numpy(nodes))
    wanted = weights @ function
    clipped = weights.clamp(min=0) @ function / weights.clamp(min=0).sum() * weights.sum()
    kept = positive(weights, torch.from_numpy(stand_in(nodes))) @ function
    assert (kept - wanted).abs() < 1e-3 * (clipped - wanted).abs()


def test_nan_weights_stay_and_gradients_pass():
    rules = torch.from_numpy(stand_in(gauss_nodes(X, np.ones_like(X), 4)))
    weights = torch.tensor([[0.4, -0.001, 0.3, 0.3], [torch.nan] * 4], dtype=torch.float64)
    assert positive(weights, rules)[1].isnan().all()
    first = weights[:1].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda w: positive(w, rules), first)
