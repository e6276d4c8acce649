"""Modes and curvatures of densities where both are known."""

from __future__ import annotations

import pytest
import torch
from targets import double_well, factors, log_gamma, means, normal, zero_truncated

from sntorch.inference.coordinates import Affine, Truncated
from sntorch.inference.laplace import hessian, laplace, maximise, truncated_laplace
from sntorch.inference.preconditioning import at_mode

N, DIM = 4, 3


def far(n, dim):
    return torch.linspace(-4, 4, n * dim, dtype=torch.float64).view(n, dim)


def test_a_normal_is_its_own_approximation():
    mean, factor = means(N, DIM), 0.3 * factors(N, DIM)
    target = normal(mean, factor)
    found = laplace(target, mean + far(N, DIM))
    assert bool(found.converged.all())
    assert torch.allclose(found.mean, mean, atol=1e-6)
    assert torch.allclose(found.scale_tril, factor, rtol=1e-5, atol=1e-6)
    assert torch.allclose(found.log_density, target(mean[:, None])[:, 0])


def test_a_direction_without_information_gets_a_width_that_is_bounded():
    flat = 1e3 * torch.eye(DIM).double().expand(N, DIM, DIM)
    found = laplace(normal(torch.zeros(N, DIM).double(), flat), far(N, DIM))
    sd = found.scale_tril.diagonal(dim1=1, dim2=2)
    assert bool((sd == 10).all())


def test_the_curvature_is_the_derivative_of_the_gradient():
    shape = 1 + torch.rand(N, DIM, generator=torch.Generator().manual_seed(0)).double()
    z = far(N, DIM) / 4
    found = hessian(log_gamma(shape), z, torch.full_like(z, 1e-4))
    assert torch.allclose(found, torch.diag_embed(-z.exp()), rtol=1e-6, atol=1e-8)


def test_from_a_start_where_the_density_is_not_concave():
    separation = torch.tensor([1.0, 2.0, 0.7, 3.0], dtype=torch.float64)
    start = torch.tensor([0.05, -0.1, -0.02, 0.3], dtype=torch.float64)[:, None]
    found = laplace(double_well(separation), start)
    assert bool(found.converged.all())
    assert torch.allclose(found.mean, (separation * start[:, 0].sign())[:, None], atol=1e-3)
    # At the mode the second derivative is -8 times the square of the separation.
    width = found.scale_tril[:, 0, 0]
    assert torch.allclose(width, 1 / (8 * separation**2).sqrt(), rtol=0.05)


def test_what_does_not_converge_is_said_to():
    mean = torch.tensor([[0.0], [1e4]], dtype=torch.float64)
    target = normal(mean, torch.ones(2, 1, 1).double())
    _, converged = maximise(target, torch.zeros(2, 1).double(), iterations=3)
    assert converged.tolist() == [True, False]


@pytest.mark.parametrize("first", [-4.0, -1.0, 0.0, 1.0, 5.0])
def test_of_a_zero_truncated_normal(first):
    factor = 0.3 * factors(N, DIM)
    mean = means(N, DIM)
    mean[:, 0] = first * factor[:, 0, 0]
    target = zero_truncated(mean, factor)
    start = mean.clone()
    start[:, 0] = factor[:, 0, 0].log()
    mode = laplace(target, start)
    found = truncated_laplace(target, mode)
    assert bool(mode.converged.all())
    assert torch.allclose(found.scale_tril, factor, rtol=1e-4, atol=1e-5)
    # The mode is as good as the search's last step.
    off = (found.mean - mean) / torch.linalg.norm(factor, dim=2)
    assert off.abs().max() < 0.02


def test_the_family_follows_from_the_first_variable():
    mean, factor = means(N, DIM), 0.3 * factors(N, DIM)
    assert isinstance(at_mode(normal(mean, factor), mean).coordinates, Affine)
    mean[:, 0] = 1.0
    found = at_mode(zero_truncated(mean, factor), torch.zeros(N, DIM).double())
    assert isinstance(found.coordinates, Truncated)
