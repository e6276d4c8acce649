"""Natural cubic splines as matrices: values at the knots in, values anywhere out.

The spline has zero second derivative at both end knots and goes on as a straight line outside
them. With the tridiagonal system K y'' = D y of the inner knots, y'' = M y is linear in the knot
values, and so is the spline at any point: y(x) = J(x) y. See Press et al., Numerical Recipes,
section 3.3; Mandel et al. (2022, arXiv:2008.07538), section 2.2, uses such matrices for BayeSN's
surfaces.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sntorch.errors import ConfigError


def second_derivative_matrix(knots: Tensor) -> Tensor:
    """Matrix M with y'' = M y at the knots, shape (K, K).

    Args:
        knots: Strictly increasing knots, shape (K,), K >= 2.

    Raises:
        ConfigError: Fewer than two knots, or knots that do not increase.
    """
    step = knots.diff()
    if knots.ndim != 1 or len(knots) < 2 or not bool((step > 0).all()):
        raise ConfigError(
            f"spline knots {knots.tolist()}: two or more, strictly increasing, are accepted"
        )
    n = len(knots)
    matrix = knots.new_zeros(n, n)
    if n == 2:
        return matrix
    k = (
        torch.diag((step[1:] + step[:-1]) / 3)
        + torch.diag(step[1:-1] / 6, 1)
        + torch.diag(step[1:-1] / 6, -1)
    )
    d = knots.new_zeros(n - 2, n)
    inner = torch.arange(n - 2, device=knots.device)
    d[inner, inner] = 1 / step[:-1]
    d[inner, inner + 1] = -1 / step[:-1] - 1 / step[1:]
    d[inner, inner + 2] = 1 / step[1:]
    matrix[1:-1] = torch.linalg.solve(k, d)
    return matrix


def spline_matrix(knots: Tensor, x: Tensor, second: Tensor | None = None) -> Tensor:
    """Rows J with spline(x) = J y, shape (..., K); differentiable in ``x``.

    Args:
        knots: Strictly increasing knots, shape (K,).
        x: Where to evaluate, any shape.
        second: ``second_derivative_matrix(knots)`` if it is at hand.
    """
    if second is None:
        second = second_derivative_matrix(knots)
    n = len(knots)
    inside = x.clamp(knots[0], knots[-1])
    left = (torch.searchsorted(knots, inside.detach().contiguous(), right=True) - 1).clamp(
        0, n - 2
    )
    h = knots[left + 1] - knots[left]
    b = (inside - knots[left]) / h
    a = 1 - b
    unit = torch.eye(n, dtype=knots.dtype, device=knots.device)
    rows = a[..., None] * unit[left] + b[..., None] * unit[left + 1]
    bend = h.square() / 6
    rows = rows + ((a**3 - a) * bend)[..., None] * second[left]
    rows = rows + ((b**3 - b) * bend)[..., None] * second[left + 1]
    return rows + (x - inside)[..., None] * _edge_slopes(knots, second, unit, x)


def _edge_slopes(knots: Tensor, second: Tensor, unit: Tensor, x: Tensor) -> Tensor:
    """The slope beyond the nearer end, as a row for every x, shape (..., K)."""
    first, last = knots[1] - knots[0], knots[-1] - knots[-2]
    low = (unit[1] - unit[0]) / first - second[1] * first / 6
    high = (unit[-1] - unit[-2]) / last + second[-2] * last / 6
    return torch.where((x < knots[0])[..., None], low, high)


def cubic_interpolation(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    at: NDArray[np.float64],
    second: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Natural cubic spline through many points, for setting up; 0 outside the points.

    Args:
        x: Knots, shape (N,), increasing.
        y: Values, shape (..., N).
        at: Where to evaluate, shape (M,).
        second: ``second_derivatives(x, y)`` if it is at hand, shape (..., N).

    Returns:
        Values at ``at``, shape (..., M).
    """
    if second is None:
        second = second_derivatives(x, y)
    left = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    h = x[left + 1] - x[left]
    b = (at - x[left]) / h
    a = 1 - b
    bend = ((a**3 - a) * second[..., left] + (b**3 - b) * second[..., left + 1]) * h**2 / 6
    value = a * y[..., left] + b * y[..., left + 1] + bend
    return np.where((at < x[0]) | (at > x[-1]), 0.0, value)


def second_derivatives(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Second derivatives at the knots, shape of ``y``, by Thomas' algorithm: K would be large."""
    h = np.diff(x)
    right = np.diff(np.diff(y) / h)
    diagonal, side = (h[1:] + h[:-1]) / 3, h[1:-1] / 6
    for i in range(1, len(diagonal)):
        factor = side[i - 1] / diagonal[i - 1]
        diagonal[i] -= factor * side[i - 1]
        right[..., i] -= factor * right[..., i - 1]
    second = np.zeros_like(y, dtype=np.float64)
    for i in range(len(diagonal) - 1, -1, -1):
        above = side[i] * second[..., i + 2] if i < len(side) else 0.0
        second[..., i + 1] = (right[..., i] - above) / diagonal[i]
    return second
