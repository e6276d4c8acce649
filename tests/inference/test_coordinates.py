"""What a change of coordinates has to keep, and what the truncated one is made for."""

from __future__ import annotations

import pytest
import torch
from targets import LOG_2PI, factors, generator, means, normal, student, zero_truncated

from sntorch.inference.coordinates import FARTHEST, Affine, Natural, Truncated
from sntorch.testing import BatchedDensityContract

N, DIM = 4, 3
FIRST = torch.tensor([-5.0, -0.5, 0.0, 3.0], dtype=torch.float64)


def truncated(first=FIRST):
    """First variable from deep in the tail to far from zero, in units of its width."""
    factor = factors(len(first), DIM)
    mean = means(len(first), DIM)
    mean[:, 0] = first * factor[:, 0, 0]
    return Truncated(mean, factor)


COORDINATES = {"Affine": Affine(means(N, DIM), factors(N, DIM)), "Truncated": truncated()}


@pytest.fixture(params=COORDINATES.values(), ids=COORDINATES.keys())
def coordinates(request):
    return request.param


@pytest.fixture
def target():
    return student(torch.linspace(0.7, 5, N * DIM, dtype=torch.float64).view(N, DIM))


def points(n=6, seed=3):
    return torch.randn(N, n, DIM, generator=generator(seed), dtype=torch.float64)


def determinant(coordinates, x):
    """ln|det dz/dx| by automatic differentiation, shape (B, C)."""
    rows = []
    for c in range(x.shape[1]):
        every = torch.autograd.functional.jacobian(
            lambda one: coordinates.outside(one[:, None])[:, 0].sum(0), x[:, c]
        )
        rows.append(torch.linalg.slogdet(every.movedim(1, 0)).logabsdet)
    return torch.stack(rows, 1)


def test_inside_undoes_outside(coordinates):
    x = points()
    assert torch.allclose(coordinates.inside(coordinates.outside(x)), x, atol=1e-8)


def test_density_has_the_jacobian(coordinates, target):
    x = points()
    value, _ = coordinates.evaluate(target, x)
    expected = target(coordinates.outside(x)) + determinant(coordinates, x)
    # The determinant's constant part is of no use to a sampler.
    rest = expected - value
    assert torch.allclose(rest, rest[:, :1].expand_as(rest), rtol=0, atol=1e-8)


def test_gradient_is_that_of_the_value(coordinates, target):
    x = points(1)
    _, gradient = coordinates.evaluate(target, x)
    moves = 1e-5 * torch.eye(DIM, dtype=x.dtype)
    up, _ = coordinates.evaluate(target, x + moves)
    down, _ = coordinates.evaluate(target, x - moves)
    assert torch.allclose((up - down) / 2e-5, gradient[:, 0], rtol=1e-5, atol=1e-6)


def test_chosen_objects(coordinates, target):
    index, x = torch.tensor([2, 0]), points()
    part = coordinates.take(index)
    assert torch.equal(part.outside(x[index]), coordinates.outside(x)[index])
    found = part.evaluate(target.take(index), x[index])
    for ours, whole in zip(found, coordinates.evaluate(target, x), strict=True):
        assert torch.allclose(ours, whole[index], rtol=1e-12)


def test_composed_of_nothing_is_itself(coordinates):
    x = points()
    nothing = torch.zeros(N, DIM).double(), torch.eye(DIM).double().expand(N, DIM, DIM)
    assert torch.allclose(coordinates.composed(*nothing).outside(x), coordinates.outside(x))


def test_composed_moves_and_stretches():
    mean, factor = means(N, DIM, 5), factors(N, DIM, 6)
    x = points()
    first = COORDINATES["Affine"]
    moved = mean[:, None] + x @ factor.transpose(1, 2)
    assert torch.allclose(first.composed(mean, factor).outside(x), first.outside(moved))
    # With a truncated first variable, where that one stays.
    mean[:, 0], factor[:, 0, 0] = 0, 1
    first = COORDINATES["Truncated"]
    natural, scores = first.natural(x)
    moved = mean[:, None] + scores @ factor.transpose(1, 2)
    expected = first.mean[:, None] + moved @ first.scale_tril.transpose(1, 2)
    assert torch.allclose(expected[..., 0], natural[..., 0])
    assert torch.allclose(first.composed(mean, factor).natural(x)[0], expected)


def test_draws_have_the_coordinates_mean_and_covariance():
    first = COORDINATES["Affine"]
    z = first.draw(50_000, generator())
    x = first.inside(z)
    covariance = x.transpose(1, 2) @ x / x.shape[1]
    assert torch.allclose(x.mean(1), torch.zeros(N, DIM).double(), atol=0.02)
    assert torch.allclose(covariance, torch.eye(DIM).double().expand(N, -1, -1), atol=0.03)


def spread_from_standard_normal(coordinates, target, x):
    """Range over points of ln p - ln N(x; 0, I), and the largest gradient of it."""
    value, gradient = coordinates.evaluate(target, x)
    rest = value + 0.5 * x.square().sum(-1) + 0.5 * DIM * LOG_2PI
    return rest.amax(1) - rest.amin(1), (gradient + x).abs().amax((1, 2))


def test_a_normal_becomes_a_standard_normal():
    coordinates = COORDINATES["Affine"]
    target = normal(coordinates.mean, coordinates.scale_tril)
    spread, pull = spread_from_standard_normal(coordinates, target, points())
    assert spread.max() < 1e-10
    assert pull.max() < 1e-9


@pytest.mark.parametrize("first", [-8.0, -7.0, -3.0, 0.0, 3.0, 8.0])
def test_a_zero_truncated_normal_becomes_a_standard_normal(first):
    coordinates = truncated(torch.full((N,), first, dtype=torch.float64))
    target = zero_truncated(coordinates.mean, coordinates.scale_tril)
    spread, pull = spread_from_standard_normal(coordinates, target, points(20))
    assert spread.max() < 1e-6
    assert pull.max() < 1e-6


def test_a_truncation_farther_out_is_brought_back():
    """There a normal is an exponential, but quantiles run out of floating point."""
    coordinates = truncated(torch.tensor([-500.0, -8.0, 0.0, 1.0], dtype=torch.float64))
    ratio = coordinates.mean[:, 0] / coordinates.scale_tril[:, 0, 0]
    assert torch.allclose(ratio[:2], torch.full((2,), FARTHEST).double())
    assert bool(coordinates.outside(points(50)).isfinite().all())


class TestNatural(BatchedDensityContract):
    def make(self):
        return Natural(zero_truncated(means(N, DIM), factors(N, DIM)))

    def make_points(self, density, n):
        points = super().make_points(density, n)
        return torch.cat([points[..., :1].exp(), points[..., 1:]], -1)


def test_natural_leaves_out_the_jacobian():
    mean, factor = means(N, DIM), factors(N, DIM)
    v = points().abs()
    found, _ = Natural(zero_truncated(mean, factor)).value_and_gradient(v)
    assert torch.allclose(found, normal(mean, factor)(v))
