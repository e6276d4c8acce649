"""Minima of many χ² functions at once, by damped Newton steps within bounds.

A step solves (H + λ D) δ = -g (Levenberg 1944, Marquardt 1963), D the diagonal of Jᵀ W J, H the
full Hessian where that is positive definite, else Jᵀ W J. A parameter at a bound that the gradient
pushes outwards is held. Objects that have converged cost nothing more.

χ² jumps in t0 where an observation leaves the model's last day. A step over such a wall that does
not pay makes the walls on both sides bounds; a descent that comes to rest at a wall looks once
whether χ² is less behind it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from sntorch.physics.salt.photometry import T0
from sntorch.simulation.salt.objective import ChiSquare, Expansion

# Stop where the step is below 1e-4 standard deviations: gᵀ H⁻¹ g is its square.
TOLERANCE = 1e-8
MAX_STEPS = 100
DAMPING, LEAST, SMALL = 1e-3, 1e-9, 1e-2
SHRINK, GROW = 0.1, 10.0
# Share of the promised decrease that a step must keep.
ENOUGH = 1e-3
# The objects still moving are put together anew when they are so few.
COMPACT = 0.7
# Distance that is kept from a wall, days.
MARGIN = 1e-6


@dataclass
class Minimum:
    """Where the descent ended.

    Attributes:
        theta: t0, x0, x1, c, shape (B, 4).
        at: χ² there.
        converged: False at a wall, and where steps ran out; shape (B,).
    """

    theta: Tensor
    at: Expansion
    converged: Tensor

    def take(self, rows: Tensor) -> Minimum:
        """The chosen objects."""
        return Minimum(self.theta[rows], self.at.take(rows), self.converged[rows])

    def put(self, rows: Tensor, new: Minimum) -> None:
        """Write ``new`` in the place of the chosen objects."""
        self.theta[rows], self.converged[rows] = new.theta, new.converged
        for f in fields(new.at):
            getattr(self.at, f.name)[rows] = getattr(new.at, f.name)


def minimise(objective: ChiSquare, start: Tensor, lower: Tensor, upper: Tensor) -> Minimum:
    """Descend from ``start``.

    Args:
        objective: χ² of B objects.
        start: shape (B, 4).
        lower, upper: Bounds, shape (B, 4), may be infinite.
    """
    descent = _Descent(objective, start, lower, upper)
    for _ in range(MAX_STEPS):
        if not descent.advance():
            break
    return Minimum(descent.theta, objective(descent.theta), descent.converged)


class _Descent:
    """The objects still moving, and where all of them are."""

    def __init__(self, objective: ChiSquare, start: Tensor, lower: Tensor, upper: Tensor) -> None:
        self.theta = start.clone()
        n, device = len(start), start.device
        self.converged = torch.zeros(n, dtype=torch.bool, device=device)
        self.objective, self.x, self.at = objective, start, objective(start)
        self.rows = torch.arange(n, device=device)
        self.damping = torch.full_like(self.at.value, DAMPING)
        self.limits = lower, upper
        # Bounds of t0 by walls, where these count, and whether the view behind one was tried.
        self.walled = torch.zeros(n, dtype=torch.bool, device=device)
        self.looked = torch.zeros_like(self.walled)
        self.walls = objective.walls()

    def advance(self) -> bool:
        """One step of every object; False when none moves any more."""
        low, high = self._bounds()
        step, decrement = _step(self.at, self.damping, self.x <= low, self.x >= high)
        over = decrement < TOLERANCE
        t0, edges = self.x[:, T0], (low[:, T0], high[:, T0])
        at_wall = self.walled & ((t0 <= edges[0]) | (t0 >= edges[1]))
        self.converged[self.rows] = over & (self.damping <= SMALL) & ~at_wall
        look = over & at_wall & ~self.looked
        over = over & ~look
        if over.all():
            return False
        trial = (self.x + step).clamp(low, high)
        behind = torch.where(t0 <= edges[0], t0 - 2 * MARGIN, t0 + 2 * MARGIN)
        trial[:, T0] = torch.where(look, behind, trial[:, T0])
        self._try(trial, torch.where(look, 0.0, ENOUGH * decrement), look, over)
        if (~over).sum() < COMPACT * len(over):
            self._keep(torch.nonzero(~over).squeeze(1))
        return True

    def _try(self, trial: Tensor, least: Tensor, look: Tensor, over: Tensor) -> None:
        """Go where χ² falls by more than ``least``."""
        new = self.objective(trial)
        better = (new.value < self.at.value - least) & ~over
        before, after = self._piece(self.x)[0], self._piece(trial)[0]
        self.walled = (self.walled & ~(look & better)) | (~better & (before != after))
        self.looked = (self.looked | look) & ~better
        self.x = torch.where(better[:, None], trial, self.x)
        self.at = new.where(better, self.at)
        self.theta[self.rows] = self.x
        shrunk = (self.damping * SHRINK).clamp(min=LEAST)
        # A wall that has just become a bound is no reason for shorter steps.
        grown = torch.where(before != after, self.damping, self.damping * GROW)
        self.damping = torch.where(over, self.damping, torch.where(better, shrunk, grown))

    def _bounds(self) -> tuple[Tensor, Tensor]:
        """Bounds as they are now, shape (B, 4) each."""
        below, above = self._piece(self.x)
        low, high = (limit[self.rows].clone() for limit in self.limits)
        low[:, T0] = torch.where(self.walled, torch.maximum(below, low[:, T0]), low[:, T0])
        high[:, T0] = torch.where(self.walled, torch.minimum(above, high[:, T0]), high[:, T0])
        return low, high

    def _piece(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Ends of the interval of t0 without a jump, shape (B,) each."""
        t0 = x[:, T0, None]
        below = self.walls.masked_fill(self.walls > t0, -torch.inf).amax(1)
        above = self.walls.masked_fill(self.walls <= t0, torch.inf).amin(1)
        return below + MARGIN, above - MARGIN

    def _keep(self, rows: Tensor) -> None:
        self.objective, self.at = self.objective.take(rows), self.at.take(rows)
        for name in ("rows", "x", "damping", "walled", "looked", "walls"):
            setattr(self, name, getattr(self, name)[rows])


def _step(e: Expansion, damping: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Step (B, 4), and gᵀ(H + λD)⁻¹g, the decrease of χ² that it promises, shape (B,)."""
    held = (low & (e.gradient > 0)) | (high & (e.gradient < 0))
    diagonal = e.gauss_newton.diagonal(dim1=1, dim2=2)
    scale = torch.where(held, 0.0, diagonal.clamp(min=torch.finfo(damping.dtype).tiny).rsqrt())
    outer = scale[:, :, None] * scale[:, None]
    more = torch.diag_embed(torch.where(held, 1.0, damping[:, None].expand_as(scale)))
    factor, failed = torch.linalg.cholesky_ex(e.hessian * outer + more)
    if failed.any():
        safe, _ = torch.linalg.cholesky_ex(e.gauss_newton * outer + more)
        factor = torch.where(failed[:, None, None] > 0, safe, factor)
    gradient = e.gradient * scale
    solved = torch.cholesky_solve(gradient[..., None], factor).squeeze(-1)
    return -solved * scale, (gradient * solved).sum(-1)
