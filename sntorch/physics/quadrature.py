"""Interpolatory quadrature on the Gauss nodes of a tabulated weight, with weights kept positive.

Golub & Welsch (1969, Math. Comp. 23, 221): the nodes are the eigenvalues of the Jacobi matrix of
the weight's orthogonal polynomials, here by Lanczos' recurrence with full reorthogonalisation.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NEIGHBOURS = (99, 5, 3, 2, 1)
PASSES = 4
MOST_CHANGE = 0.05
Array = NDArray[np.float64]


def gauss_nodes(x: Array, weight: Array, n_nodes: int) -> Array:
    """Gauss nodes of a discrete weight, increasing, shape (Q,).

    Args:
        x: Points, shape (N,).
        weight: Weight of each, shape (N,), >= 0, at least Q of them > 0.
        n_nodes: Q.
    """
    vectors = np.sqrt(weight / weight.sum())[None]
    diagonal, side = [], []
    for _ in range(n_nodes):
        last = vectors[-1]
        diagonal.append(float(last @ (x * last)))
        rest = x * last
        # Once is not enough in floating point, twice is.
        for _ in range(2):
            rest = rest - vectors.T @ (vectors @ rest)
        if len(diagonal) < n_nodes:
            side.append(float(np.linalg.norm(rest)))
            vectors = np.vstack([vectors, rest / side[-1]])
    return np.linalg.eigvalsh(np.diag(diagonal) + np.diag(side, 1) + np.diag(side, -1))


def lagrange(nodes: Array, x: Array) -> Array:
    """Interpolation polynomials ℓ_q on the nodes at points x, shape (N, Q)."""
    basis = np.ones((len(x), len(nodes)))
    for q, node in enumerate(nodes):
        others = np.delete(nodes, q)
        basis[:, q] = ((x[:, None] - others) / (node - others)).prod(1)
    return basis


def stand_in(nodes: Array) -> Array:
    """How other nodes interpolate at each node, shape (len(NEIGHBOURS), Q, Q).

    Row q of matrix i holds the weights of the ``NEIGHBOURS[i]`` nodes nearest to node q.
    """
    rows = np.zeros((len(NEIGHBOURS), len(nodes), len(nodes)))
    for i, n_near in enumerate(NEIGHBOURS):
        for q, node in enumerate(nodes):
            near = np.argsort(np.abs(nodes - node))[1 : 1 + n_near]
            rows[i, q, near] = lagrange(nodes[near], nodes[[q]])[0]
    return rows


def positive(weights: Tensor, stand_ins: Tensor) -> Tensor:
    """Weights without a negative one, so that no positive function has a negative sum.

    An interpolatory weight is slightly negative where the integrand's own weight differs much from
    that of the nodes. Such a node is left out and the others interpolate there: all of them, or
    only the nearest where that would change the weights too much. Setting the weight to zero,
    which is done where nothing else helps, would cost a hundred times more.

    Args:
        weights: shape (..., Q), finite or NaN throughout a row.
        stand_ins: From ``stand_in``.
    """
    flat = weights.reshape(-1, weights.shape[-1])
    rows = (flat < 0).any(-1).nonzero().squeeze(1)
    for rule in stand_ins:
        changed = _without_negative(flat[rows], rule)
        good = (changed >= 0).all(-1)
        good &= (changed - flat[rows]).abs().sum(-1) < MOST_CHANGE * flat[rows].sum(-1)
        flat = flat.index_put((rows[good],), changed[good])
        rows = rows[~good]
    total = flat[rows].sum(-1, keepdim=True).clamp(min=0)
    clipped = flat[rows].clamp(min=0)
    share = clipped / clipped.sum(-1, keepdim=True).clamp(min=torch.finfo(flat.dtype).tiny)
    return flat.index_put((rows,), share * total).view(weights.shape)


def _without_negative(weights: Tensor, rule: Tensor) -> Tensor:
    """Negative weights handed on by a rule, a few times over."""
    for _ in range(PASSES):
        negative = weights.clamp(max=0)
        weights = weights - negative + negative @ rule
    return weights
