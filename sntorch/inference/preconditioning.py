"""Coordinates for a sampler: from a starting point to a posterior that is nearly standard normal.

A Laplace approximation finds the place; a short variational fit then measures the widths over the
whole posterior. The second step matters where the density has kinks (a template that is linear
between days): at a kink the curvature says nothing about the width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.inference.coordinates import Affine, Truncated
from sntorch.inference.density import BatchedDensity
from sntorch.inference.laplace import Laplace, laplace, truncated_laplace
from sntorch.inference.variational import fit_normal


@dataclass(frozen=True, eq=False)
class Preconditioned:
    """A normal approximation of every posterior, as coordinates, and the mode it started from."""

    coordinates: Affine | Truncated
    mode: Laplace


def at_mode(density: BatchedDensity, start: Tensor) -> Preconditioned:
    """The Laplace approximation, truncated at zero where the first variable is positive.

    Args:
        density: B posteriors; ``density.positive`` says whether their first variable is the
            logarithm of a positive one.
        start: Where to search for the modes from, shape (B, D).
    """
    mode = laplace(density, start)
    if density.positive:
        return Preconditioned(truncated_laplace(density, mode), mode)
    return Preconditioned(Affine(mode.mean, mode.scale_tril), mode)


def precondition(
    density: BatchedDensity,
    start: Tensor,
    generator: torch.Generator,
    iterations: int = 150,
    n_draws: int = 8,
    progress: Callable[[float], None] | None = None,
) -> Preconditioned:
    """The variational fit; arguments as for ``at_mode`` and ``variational.fit_normal``."""
    begun = at_mode(density, start)
    fitted = fit_normal(density, begun.coordinates, generator, iterations, n_draws, progress)
    return Preconditioned(fitted, begun.mode)
