"""Modes and Laplace approximations of many posteriors at once.

The Hessian is a difference of gradients, so nothing but the gradient is asked of a density: its
2 D points are evaluated in one call. Newton's method with |eigenvalues| for a direction that goes
uphill even where the density is not concave (Dauphin et al. 2014, arXiv:1406.2572), and a line
search that tries all step lengths in one call.

Letters in shapes: ``B`` objects, ``D`` variables.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.inference.coordinates import Natural, Truncated
from sntorch.inference.density import BatchedDensity

STEP = 1e-3
OF_SD = 0.2
LENGTHS = (1.0, 0.5, 0.25, 0.1, 0.03, 0.01, 1e-3)
LARGEST_MOVE = 3.0
LEAST_CURVATURE = 1e-2
SMALLEST = 1e-12
ENOUGH = 1e-4


@dataclass(frozen=True, eq=False)
class Laplace:
    """A normal approximation of every posterior.

    Attributes:
        mean: The mode, shape (B, D).
        scale_tril: Lower Cholesky factor of the covariance, shape (B, D, D).
        log_density: ln p at the mode, shape (B,).
        converged: Whether the last step gained next to nothing, shape (B,).
    """

    mean: Tensor
    scale_tril: Tensor
    log_density: Tensor
    converged: Tensor


def laplace(density: BatchedDensity, start: Tensor, iterations: int = 40) -> Laplace:
    """The mode nearest uphill from ``start``, and the covariance there.

    Args:
        density: B posteriors.
        start: shape (B, D).
        iterations: Newton steps at most.
    """
    mode, converged = maximise(density, start, iterations)
    curvature = _eigen(hessian(density, mode, mode.new_full(mode.shape, STEP)))
    sd = _covariance(*curvature).diagonal(dim1=1, dim2=2).sqrt()
    # Over a good part of the posterior's own width, the curvature is the one that matters.
    values, vectors = _eigen(hessian(density, mode, OF_SD * sd))
    covariance = _covariance(values, vectors)
    value, _ = density.value_and_gradient(mode[:, None])
    return Laplace(mode, torch.linalg.cholesky(covariance), value[:, 0], converged)


def truncated_laplace(density: BatchedDensity, normal: Laplace) -> Truncated:
    """A normal truncated at zero in e^{z_1}, from the mode in z and the curvature in e^{z_1}.

    Along A = e^{z_1}, everything else following its best values, ln p(A) has the slope -1/A at the
    mode of ln p(z): so a parabola with the curvature k there has its top at A - 1/(k A).
    """
    sd = normal.scale_tril.diagonal(dim1=1, dim2=2)
    first = normal.mean[:, 0].exp()
    width = first * torch.linalg.norm(normal.scale_tril[:, 0], dim=1)
    natural = torch.cat([first[:, None], normal.mean[:, 1:]], 1)
    step = torch.cat([torch.minimum(OF_SD * width, first / 2)[:, None], OF_SD * sd[:, 1:]], 1)
    values, vectors = _eigen(hessian(Natural(density), natural, step))
    covariance = _covariance(values, vectors)
    move = -covariance[:, :, 0] / first[:, None]
    return Truncated(natural + move, torch.linalg.cholesky(covariance))


def hessian(density: BatchedDensity, z: Tensor, step: Tensor) -> Tensor:
    """Second derivatives of ln p by central differences of its gradient, shape (B, D, D).

    Args:
        density: B posteriors.
        z: Where, shape (B, D).
        step: Step in every variable, shape (B, D).
    """
    moves = torch.diag_embed(step)
    points = torch.cat([z[:, None] + moves, z[:, None] - moves], 1)
    _, gradient = density.value_and_gradient(points)
    up, down = gradient.chunk(2, 1)
    found = (up - down) / (2 * step[..., None])
    return (found + found.transpose(1, 2)) / 2


def maximise(
    density: BatchedDensity, start: Tensor, iterations: int = 40
) -> tuple[Tensor, Tensor]:
    """Modes (B, D) and whether they were reached (B,); arguments as for ``laplace``."""
    mode = start.clone()
    converged = torch.zeros(len(start), dtype=torch.bool, device=start.device)
    left = torch.arange(len(start), device=start.device)
    for _ in range(iterations):
        part = density if len(left) == len(start) else density.take(left)
        mode[left], gain = _newton(part, mode[left])
        done = gain < ENOUGH
        converged[left[done]] = True
        left = left[~done]
        if not len(left):
            break
    return mode, converged


def _newton(density: BatchedDensity, z: Tensor) -> tuple[Tensor, Tensor]:
    """The best point along Newton's direction (B, D), and what it gains in ln p (B,)."""
    value, gradient = density.value_and_gradient(z[:, None])
    values, vectors = _eigen(hessian(density, z, z.new_full(z.shape, STEP)))
    along = (vectors.transpose(1, 2) @ gradient[:, 0, :, None]).squeeze(2)
    # In units of the posterior's width a longer step would leave what the curvature knows.
    length = (along / values.sqrt()).norm(dim=1, keepdim=True)
    shorten = (LARGEST_MOVE * z.shape[1] ** 0.5 / length).clamp(max=1)
    direction = (vectors @ (along / values)[..., None]).squeeze(2) * shorten
    lengths = z.new_tensor(LENGTHS)
    points = z[:, None] + lengths[:, None] * direction[:, None]
    found, _ = density.value_and_gradient(points)
    best, index = torch.nan_to_num(found, nan=-torch.inf).max(1)
    gain = (best - value[:, 0]).clamp(min=0)
    chosen = points[torch.arange(len(z), device=z.device), index]
    return torch.where((gain > 0)[:, None], chosen, z), gain


def _eigen(second: Tensor) -> tuple[Tensor, Tensor]:
    """Curvatures, made positive, and their directions."""
    values, vectors = torch.linalg.eigh(-torch.nan_to_num(second))
    curvature = values.abs().clamp(min=LEAST_CURVATURE)
    # Far from a mode curvatures can differ by more than a factorisation survives.
    return torch.maximum(curvature, SMALLEST * curvature.amax(1, keepdim=True)), vectors


def _covariance(values: Tensor, vectors: Tensor) -> Tensor:
    return (vectors / values[:, None]) @ vectors.transpose(1, 2)
