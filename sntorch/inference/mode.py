"""The mode of a hierarchical posterior's shared parameters, the objects' own integrated out.

The joint mode of a hierarchical model is no estimate: scales of populations go to zero there. In
coordinates that whiten the objects' own variables (``hierarchical``) the joint density at x = 0 is
the marginal density of the shared ones, up to a constant and as far as the whitening is exact
(Laplace's approximation of the integral, as in INLA: Rue et al. 2009,
doi:10.1111/j.1467-9868.2008.00700.x).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sntorch.errors import DataError
from sntorch.inference.hierarchical import HierarchicalDensity

# Directions that the data say less about than this standard deviation keep it.
WIDEST = 2.0
STEP = 1e-3
TOGETHER = 16


def shared_mode(
    density: HierarchicalDensity,
    start: Tensor,
    iterations: int = 200,
    progress: Callable[[float], None] | None = None,
) -> tuple[Tensor, float, int]:
    """The mode, its log-density and the number of evaluations, by L-BFGS.

    Args:
        density: The posterior.
        start: Where to begin, φ, shape (G,).
        iterations: At most.
        progress: Called with the fraction of the iterations done.

    Raises:
        DataError: The density is no number at the start.
    """
    phi = start.detach().clone().requires_grad_()
    count = 0
    # The last point of a line search need not be the one that it settles on.
    best, lowest, highest = phi.detach().clone(), torch.inf, -torch.inf

    def closure() -> Tensor:
        nonlocal count, best, lowest, highest
        count += 1
        value, gradient = _marginal(density, phi.detach()[None])
        if count == 1 and not (torch.isfinite(value).all() and torch.isfinite(gradient).all()):
            raise DataError(
                "the density is no number at the initial point: initialise from another model, "
                "or look for observations with errors near zero"
            )
        phi.grad = torch.nan_to_num(-gradient[0], 0, 0, 0)
        found = -value[0]
        if not torch.isfinite(found):
            # The line search interpolates, which infinity does not allow.
            return torch.full_like(found, highest + 1)
        highest = max(highest, float(found))
        if found < lowest:
            best, lowest = phi.detach().clone(), float(found)
        if progress is not None:
            progress(min(count / iterations, 1.0))
        return found

    optimiser = torch.optim.LBFGS(
        [phi], max_iter=iterations, history_size=50, line_search_fn="strong_wolfe"
    )
    optimiser.step(closure)
    return best, -lowest, count


def laplace_factor(density: HierarchicalDensity, phi: Tensor) -> Tensor:
    """Cholesky factor of the inverse Hessian of the marginal density at φ (G,), shape (G, G).

    The Hessian is taken by differences of gradients; where it is flat or bends the wrong way the
    factor is ``WIDEST``.
    """
    size = len(phi)
    hessian = phi.new_empty(size, size)
    unit = torch.eye(size, dtype=phi.dtype, device=phi.device)
    for rows in torch.arange(size, device=phi.device).split(TOGETHER):
        step = STEP * unit[rows]
        _, above = _marginal(density, phi + step)
        _, below = _marginal(density, phi - step)
        hessian[rows] = (below - above) / (2 * STEP)
    curvature, directions = torch.linalg.eigh(0.5 * (hessian + hessian.T))
    variance = 1 / curvature.clamp(min=WIDEST**-2)
    return torch.linalg.cholesky((directions * variance) @ directions.T)


def _marginal(density: HierarchicalDensity, phi: Tensor) -> tuple[Tensor, Tensor]:
    """ln p at φ (C, G) with all own variables at their conditional means, and its gradient."""
    zero = phi.new_zeros(density.size, len(phi), density.hierarchy.n_own)
    value, gradient, _ = density.whitened_value_and_gradient(phi, zero)
    return value, gradient
