import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline

from sntorch.errors import ConfigError
from sntorch.physics.splines import cubic_interpolation, second_derivative_matrix, spline_matrix

values = st.floats(-100, 100, allow_subnormal=False)


@st.composite
def knots_and_values(draw):
    steps = draw(st.lists(st.floats(0.1, 20), min_size=1, max_size=12))
    knots = draw(values) + np.concatenate([[0.0], np.cumsum(steps)])
    heights = draw(st.lists(values, min_size=len(knots), max_size=len(knots)))
    return torch.tensor(knots), torch.tensor(heights, dtype=torch.float64)


def close(found, wanted, size=100.0):
    torch.testing.assert_close(found, torch.as_tensor(wanted), rtol=1e-9, atol=1e-9 * size)


@given(knots_and_values())
@settings(deadline=None, max_examples=50)
def test_passes_through_its_knots(case):
    knots, heights = case
    close(spline_matrix(knots, knots) @ heights, heights)


@given(knots_and_values(), values, values)
@settings(deadline=None, max_examples=50)
def test_straight_line_is_reproduced_everywhere(case, slope, offset):
    knots, _ = case
    x = torch.linspace(float(knots[0]) - 30, float(knots[-1]) + 30, 101, dtype=torch.float64)
    close(spline_matrix(knots, x) @ (slope * knots + offset), slope * x + offset, 1e4)


@given(knots_and_values())
@settings(deadline=None, max_examples=50)
def test_straight_and_smooth_beyond_the_ends(case):
    knots, heights = case
    for end, sign in ((knots[0], -1), (knots[-1], 1)):
        x = end + sign * torch.tensor([1e-6, 0.0, 10.0, 20.0, 30.0], dtype=torch.float64)
        x[0] = end - sign * 1e-6
        inner, edge, *outer = spline_matrix(knots, x) @ heights
        close(outer[2] - outer[1], outer[1] - outer[0])
        slope_inside, slope_outside = (edge - inner) / 1e-6, (outer[1] - outer[0]) / 10
        assert abs(float(slope_inside - slope_outside)) < 1e-4 * (1 + abs(float(slope_outside)))


@given(knots_and_values())
@settings(deadline=None, max_examples=50)
def test_scipy_natural_spline_within_the_knots(case):
    knots, heights = case
    x = torch.linspace(float(knots[0]), float(knots[-1]), 77, dtype=torch.float64)
    theirs = CubicSpline(knots.numpy(), heights.numpy(), bc_type="natural")
    close(spline_matrix(knots, x) @ heights, theirs(x.numpy()))
    second = second_derivative_matrix(knots) @ heights
    close(second, theirs(knots.numpy(), 2), 1e5)


def test_fast_interpolation_is_the_same_spline_and_zero_outside():
    rng = np.random.default_rng(1)
    x = np.sort(rng.uniform(0, 10, 40))
    y = rng.normal(size=(3, 40))
    at = np.linspace(-1, 11, 200)
    found = cubic_interpolation(x, y, at)
    inside = (at >= x[0]) & (at <= x[-1])
    wanted = CubicSpline(x, y, axis=1, bc_type="natural")(at[inside])
    np.testing.assert_allclose(found[:, inside], wanted, atol=1e-10)
    assert (found[:, ~inside] == 0).all()


def test_matrix_has_the_shape_of_x_and_gradients():
    knots = torch.tensor([0.0, 1.0, 3.0, 4.0], dtype=torch.float64)
    assert spline_matrix(knots, torch.zeros(2, 5, dtype=torch.float64)).shape == (2, 5, 4)
    x = torch.tensor([-1.0, 0.3, 2.2, 5.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: spline_matrix(knots, x), x)


@pytest.mark.parametrize("knots", [[1.0], [0.0, 0.0, 1.0], [0.0, 2.0, 1.0], [0.0, float("nan")]])
def test_unusable_knots_are_named(knots):
    with pytest.raises(ConfigError, match="two or more, strictly increasing"):
        second_derivative_matrix(torch.tensor(knots))
