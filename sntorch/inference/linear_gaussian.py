"""Objects that share a linear Gaussian model: the same few matrices, seen by each in its own data.

Object s has design columns B_s (its data's derivatives, in units of their errors). All objects
mix them alike, and each chain in its own way: with mixing F (any columns) and factor L (of the
first w columns only, of which there are most),

    Z = [B F_1, B_w L],   v = B F_2,   A = D + ZᵀZ = R Rᵀ,

    X = A⁻¹ Zᵀ v,   E = vᵀv - vᵀ Z A⁻¹ Zᵀ v,   n = R⁻ᵀ u,   -ln |R|.

Unknowns y ~ N(0, D⁻¹) seen as data Σ_k c_k v_k have the posterior mean X c, and X c + n is a draw
from it if u is standard normal; E is what is left of the v, once y is marginalised.

Only BᵀB enters, which is computed once: the cost does not depend on the number of observations,
and the products with matrices that all objects share are a few large ones. The gradient is written
out by hand. With P = R⁻¹ Zᵀ v and adjoints of the results marked by bars,

    [T, S] = R⁻¹ [X̄, n̄],   ū = S,   H = -(Ē + Ēᵀ),   Q = T + P H / 2,
    Ā = -1/2 R⁻ᵀ {low(u Sᵀ) + P Qᵀ + Q Pᵀ + l̄ I} R⁻¹,   (Zᵀv)‾ = R⁻ᵀ (T + P H),

where low(K) is K's lower triangle, reflected: what the Cholesky factor's adjoint
(Murray 2016, arXiv:1602.07527) leaves of a product that is upper triangular otherwise.

Letters in shapes: ``S`` objects, ``C`` chains, ``N`` design columns, ``w`` those that L mixes,
``f = k + m`` columns of F = [F_1, F_2], ``e`` of L, ``Y = k + e`` unknowns, ``j`` columns of u.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.linalg import solve_triangular

# Objects times chains at a time: what they need fits a CPU's cache.
CACHED = 160


class Solution(NamedTuple):
    """Results of ``LinearGaussian.solve``.

    Attributes:
        mean: X, shape (C, S, Y, m).
        noise: n, shape (C, S, Y, j).
        left: E, shape (C, S, m, m).
        log_det: -ln |R|, shape (C, S).
    """

    mean: Tensor
    noise: Tensor
    left: Tensor
    log_det: Tensor


class LinearGaussian:
    """The model of S objects.

    Args:
        design: B, those columns first that the factor mixes, shape (S, O, N).
        n_factored: w.
        precision: Diagonal of D, shape (Y,).
        n_first: k.
    """

    def __init__(self, design: Tensor, n_factored: int, precision: Tensor, n_first: int) -> None:
        self.gram = design.mT @ design
        self.n_factored, self.precision, self.n_first = n_factored, precision, n_first
        self._pieces: dict[int, list[_Piece]] = {}

    def solve(self, mixing: Tensor, factor: Tensor, noise: Tensor) -> Solution:
        """X, n, E and -ln |R|, differentiable in everything.

        Args:
            mixing: F, shape (C, N, f).
            factor: L, shape (C, w, e).
            noise: u, shape (C, S, Y, j).
        """
        return Solution(*_Solve.apply(self, mixing, factor, noise))  # pyright: ignore

    def score(self, mixing: Tensor, factor: Tensor, y: Tensor) -> Tensor:
        """Rᵀ y for y of shape (C, S, Y, j), as ``noise`` for which n = y; not differentiable."""
        parts = [
            _factorise(self, piece, _Mixed(mixing, factor)).root.mT @ y[:, piece.rows]
            for piece in self.pieces(len(mixing))
        ]
        return torch.cat(parts, 1)

    def pieces(self, n_chains: int) -> list[_Piece]:
        """The objects, as many at a time as the cache holds."""
        if n_chains not in self._pieces:
            size = len(self.gram)
            if not self.gram.is_cuda:
                size = max(CACHED // n_chains, 1)
            starts = range(0, len(self.gram), size)
            self._pieces[n_chains] = [self._piece(slice(i, i + size)) for i in starts]
        return self._pieces[n_chains]

    def _piece(self, rows: slice) -> _Piece:
        w, part = self.n_factored, self.gram[rows]
        inner = part[:, :w, :w].transpose(0, 1).reshape(w, -1)
        return _Piece(rows, len(part), part.transpose(0, 1).reshape(part.shape[1], -1), inner)


@dataclass(eq=False)
class _Piece:
    """Some objects.

    Attributes:
        rows: Which.
        size: S, their number.
        gram: BᵀB side by side, shape (N, S N).
        inner: The same of the factor's columns, shape (w, S w).
    """

    rows: slice
    size: int
    gram: Tensor
    inner: Tensor


class _Mixed:
    """Shared matrices in the layouts of the products."""

    def __init__(self, mixing: Tensor, factor: Tensor) -> None:
        n_chains, self.n_columns, self.f = mixing.shape
        self.w, self.e = factor.shape[1:]
        self.n_chains, self.factor = n_chains, factor
        self.mixing_rows = mixing.mT.reshape(-1, self.n_columns)
        self.factor_rows = factor.mT.reshape(-1, self.w)
        # [F, L] with L in its rows.
        self.both = mixing.new_zeros(n_chains, self.n_columns, self.f + self.e)
        self.both[..., : self.f] = mixing
        self.both[:, : self.w, self.f :] = factor


class _Factors(NamedTuple):
    """Attributes: R (C, S, Y, Y), P (C, S, Y, m), E; BᵀB F (C, f S, N), BᵀB L (C, e S, w)."""

    root: Tensor
    projected: Tensor
    left: Tensor
    by_mixing: Tensor
    by_factor: Tensor


def _factorise(of: LinearGaussian, piece: _Piece, mixed: _Mixed) -> _Factors:
    k, f, e, c, n = of.n_first, mixed.f, mixed.e, mixed.n_chains, piece.size
    by_mixing = (mixed.mixing_rows @ piece.gram).view(c, f * n, -1)
    first = (by_mixing @ mixed.both).view(c, f, n, f + e).transpose(1, 2)
    by_factor = (mixed.factor_rows @ piece.inner).view(c, e * n, -1)
    square = first.new_empty(c, n, k + e, k + e)
    square[..., :k, :k] = first[:, :, :k, :k]
    square[..., :k, k:] = first[:, :, :k, f:]
    square[..., k:, :k] = first[:, :, :k, f:].mT
    square[..., k:, k:] = (by_factor @ mixed.factor).view(c, e, n, e).transpose(1, 2)
    square.diagonal(dim1=-2, dim2=-1).add_(of.precision)
    # A trajectory that diverges may come with values that are no numbers. What is symmetric is
    # transposed into the order that LAPACK wants.
    root, _ = torch.linalg.cholesky_ex(square.mT)
    right = torch.cat([first[:, :, k:, :k], first[:, :, k:, f:]], -1).mT
    projected = solve_triangular(root, right, upper=False)
    left = first[:, :, k:, k:f] - projected.mT @ projected
    return _Factors(root, projected, left, by_mixing, by_factor)


class _Solve(torch.autograd.Function):
    """``LinearGaussian.solve``."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, of: LinearGaussian, mixing: Tensor, factor: Tensor, noise: Tensor
    ) -> tuple[Tensor, ...]:
        mixed = _Mixed(mixing, factor)
        every, results = [], []
        m = mixed.f - of.n_first
        for piece in of.pieces(len(mixing)):
            found = _factorise(of, piece, mixed)
            right = torch.cat([found.projected, noise[:, piece.rows]], -1)
            solved = solve_triangular(found.root.mT, right, upper=True)
            log_det = found.root.diagonal(dim1=-2, dim2=-1).log().sum(-1).neg_()
            results.append((solved[..., :m], solved[..., m:], found.left, log_det))
            every.append(found)
        ctx.of, ctx.mixed, ctx.every = of, mixed, every
        ctx.save_for_backward(noise)
        return tuple(torch.cat(parts, 1) for parts in zip(*results, strict=True))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        noise = ctx.saved_tensors[0].contiguous()
        of, mixed = ctx.of, ctx.mixed
        needed = ctx.needs_input_grad[1] or ctx.needs_input_grad[2]
        total, by_noise = torch.zeros_like(mixed.both), torch.empty_like(noise)
        for piece, found in zip(of.pieces(mixed.n_chains), ctx.every, strict=True):
            part = [g[:, piece.rows] for g in gradients]
            m = part[0].shape[-1]
            right = solve_triangular(found.root, torch.cat(part[:2], -1), upper=False)
            by_noise[:, piece.rows] = right[..., m:]
            if needed:
                adjoints = _adjoints(found, noise[:, piece.rows], right, part[2], part[3])
                _mix_back(of, piece, mixed, found, *adjoints, part[2], total)
        by_mixing, by_factor = total[..., : mixed.f], total[:, : mixed.w, mixed.f :]
        return None, by_mixing, by_factor, by_noise


def _adjoints(
    found: _Factors, noise: Tensor, right: Tensor, of_left: Tensor, of_log_det: Tensor
) -> tuple[Tensor, Tensor]:
    """2 Ā (C, S, Y, Y) and (Zᵀv)‾ (C, S, Y, m)."""
    root, projected = found.root, found.projected
    direct, score = right.split([projected.shape[-1], noise.shape[-1]], -1)
    half = projected @ (of_left + of_left.mT).mul_(-0.5)
    change = direct + half
    outer = noise * score.mT if score.shape[-1] == 1 else noise @ score.mT
    core = torch.where(_lower(outer), outer, outer.mT)
    core.diagonal(dim1=-2, dim2=-1).add_(of_log_det[..., None])
    left, right = (torch.cat(v, -1) for v in ([projected, change], [change, projected]))
    core = core.flatten(0, 1).baddbmm_(left.flatten(0, 1), right.flatten(0, 1).mT)
    square = solve_triangular(root.mT, core.view_as(outer).mT, upper=True)
    square = solve_triangular(root, square, upper=False, left=False).neg_()
    return square, solve_triangular(root.mT, change + half, upper=True)


def _lower(square: Tensor) -> Tensor:
    index = torch.arange(square.shape[-1], device=square.device)
    return index[:, None] >= index


def _mix_back(
    of: LinearGaussian,
    piece: _Piece,
    mixed: _Mixed,
    found: _Factors,
    of_square: Tensor,
    of_right: Tensor,
    of_left: Tensor,
    total: Tensor,
) -> None:
    """Add the adjoints of F and L: those of [F, L]ᵀ BᵀB [F, L], twice, times BᵀB [F, L]."""
    k, f, e, w, c, n = of.n_first, mixed.f, mixed.e, mixed.w, mixed.n_chains, piece.size
    first = of_square.new_empty(c, f, n, f + e).transpose(1, 2)
    first[:, :, :k, :k] = of_square[..., :k, :k]
    first[:, :, :k, k:f] = of_right[..., :k, :]
    first[:, :, :k, f:] = of_square[..., :k, k:]
    first[:, :, k:, :k] = of_right[..., :k, :].mT
    first[:, :, k:, k:f] = of_left + of_left.mT
    first[:, :, k:, f:] = of_right[..., k:, :].mT
    first = first.transpose(1, 2)
    total += found.by_mixing.mT @ first.reshape(c, f * n, f + e)
    inner = of_square[..., k:, k:].transpose(1, 2).reshape(c, e * n, e)
    total[:, :w, f:] += found.by_factor.mT @ inner
    crossed = first[..., f:].permute(0, 3, 2, 1).reshape(c, e, n * f)
    crossed = (mixed.factor @ crossed).view(c, w, n, f).permute(1, 2, 0, 3).reshape(w * n, c * f)
    outer = piece.gram[:w].reshape(w * n, -1).mT @ crossed
    total[..., :f] += outer.view(-1, c, f).transpose(0, 1)
