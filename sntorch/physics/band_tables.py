"""Bandpasses on a model's wavelength grid: what photometry needs of a band, made once per model.

The model's wavelengths λ_k are equidistant in log λ. A band is tabulated on a grid 51 times finer,
so that at any redshift the observed wavelengths λ_k (1+z) lie at the positions 51 k + s(z) of the
fine grid, where s(z) = log(1+z) / step. Between two fine points everything is linear, so a product
of the transmission with any function of the observed wavelength can be tabulated beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sntorch.physics.bandpasses import Bandpass
from sntorch.physics.extinction import MILKY_WAY_RV, fitzpatrick99
from sntorch.physics.quadrature import NEIGHBOURS, gauss_nodes, lagrange, stand_in

GRID_SIZE = 300
OVERSAMPLING = 51
REDDEST = 5.0
CUT = OVERSAMPLING
N_CUTS = 1000
MARGIN = 0.5
LEAST_NODES = 2
FAINT_SHARE = 5
LEAK_SHARE, NOTICED = 3, 1e-3
FAINT, GAP, FAR = 1e-3, 0.05, 0.5
BINS_PER_NODE = 3
Array = NDArray[np.float64]


@dataclass(frozen=True)
class BandTable:
    """A band on the fine grid, in double precision; N fine points, the outer two of them zero.

    Attributes:
        start: Index on the fine grid of the first point.
        photons: λ T dλ, of sum 1 over the whole band, shape (N,).
        dust: A(λ)/E(B-V) of the Milky Way, shape (N,).
        nodes: Observed wavelengths of the quadrature, Å, shape (Q,).
        basis: ``photons`` times the interpolation polynomials on the nodes, shape (N, Q).
        stand_in: Other nodes in place of a node, shape (·, Q, Q); see ``quadrature.stand_in``.
    """

    start: int
    photons: Tensor
    dust: Tensor
    nodes: Tensor
    basis: Tensor
    stand_in: Tensor


@dataclass(frozen=True)
class Positions:
    """Where the model's wavelengths fall on a band's table when redshifted.

    Attributes:
        grid: The K' model wavelengths that any of the objects sees through the band.
        lower: Row before each of them, shape (B, K').
        fraction: How far beyond it, shape (B,).
    """

    grid: slice
    lower: Tensor
    fraction: Tensor

    def sample(self, table: Tensor) -> Tensor:
        """Rows of a table (N, ...) at the positions, shape (B, K', ...)."""
        below, above = (
            table.index_select(0, rows.flatten()).view(*rows.shape, *table.shape[1:])
            for rows in (self.lower, self.lower + 1)
        )
        return torch.lerp(below, above, self.fraction.view(-1, *[1] * table.ndim))


def fine_step(first: float, last: float) -> float:
    """Step of the fine grid in log10 λ, of a model that reaches from ``first`` to ``last`` Å."""
    return float(np.log10(last) - np.log10(first)) / (GRID_SIZE - 1) / OVERSAMPLING


@dataclass(frozen=True)
class Group:
    """Objects that share the table of a band.

    Attributes:
        rows: Which of the B objects, shape (G,).
        table: Theirs.
        place: Positions of the model's wavelengths on it.
    """

    rows: Tensor
    table: BandTable
    place: Positions


def groups(
    band: Bandpass, wave_range: tuple[float, float], n_nodes: int, redshift: Tensor
) -> list[Group]:
    """Objects by what the model sees of a band: all of it, or less at the blue or the red end.

    Args:
        band: The band.
        wave_range: First and last wavelength of the model, Å.
        n_nodes: Quadrature nodes.
        redshift: shape (B,), double precision.
    """
    step = fine_step(*wave_range)
    first = (torch.log10(1 + redshift.detach()) / step).nan_to_num()
    start, wave, _ = _fine_photons(band, *wave_range)
    low, high = start, start + len(wave)
    blue = ((first - low) / CUT - MARGIN).floor().clamp(0, N_CUTS - 1)
    red = (
        ((high - first - OVERSAMPLING * (GRID_SIZE - 1)) / CUT - MARGIN)
        .floor()
        .clamp(0, N_CUTS - 1)
    )
    kinds, kind = torch.unique((blue * N_CUTS + red).long().cpu(), return_inverse=True)
    found = []
    for i, code in enumerate(kinds.tolist()):
        cuts = divmod(code, N_CUTS)
        table = band_table(band, *wave_range, n_nodes, cuts, redshift.device)
        rows = (kind == i).nonzero().squeeze(1).to(redshift.device)
        found.append(Group(rows, table, positions(table, step, redshift[rows])))
    return found


def positions(table: BandTable, step: float, redshift: Tensor) -> Positions:
    """Positions of the model's wavelengths on a table, for redshifts (B,) in double precision."""
    shift = torch.log10(1 + redshift) / step
    whole = shift.detach().floor()
    offset = whole.long() - table.start
    n = len(table.photons)
    # Python's floor division: the first and last k whose row 51 k + offset is on the table.
    low, high = (int(v) for v in offset.aminmax())
    first = min(max(-high // OVERSAMPLING, 0), GRID_SIZE - 1)
    last = min(max((n - low) // OVERSAMPLING, first), GRID_SIZE - 1)
    k = torch.arange(first, last + 1, device=redshift.device)
    # Off the table stand its outer rows, which are zero.
    lower = (OVERSAMPLING * k + offset[:, None]).clamp(-1, n - 1)
    lower = torch.where((lower >= 0) & (lower <= n - 2), lower, 0)
    return Positions(slice(first, last + 1), lower, shift - whole)


@lru_cache(maxsize=512)
@torch.inference_mode(False)
def band_table(
    band: Bandpass,
    first: float,
    last: float,
    n_nodes: int,
    cuts: tuple[int, int],
    device: torch.device,
) -> BandTable:
    """The table of a band for a model from ``first`` to ``last`` Å.

    Args:
        band: The band.
        first, last: Ends of the model, Å.
        n_nodes: Quadrature nodes.
        cuts: How many times ``CUT`` points the model does not see at the band's blue and red end.
            The nodes lie in the rest; nodes where nothing is seen would spoil the interpolation.
        device: Where the table will be used.
    """
    start, wave, photons = _fine_photons(band, first, last)
    seen = np.zeros_like(photons)
    inner = slice(cuts[0] * CUT, len(photons) - cuts[1] * CUT)
    seen[inner] = photons[inner]
    nodes, basis, rows = _interpolation(np.log(wave), seen, n_nodes)
    arrays = photons, _milky_way(wave), np.exp(nodes), photons[:, None] * basis, rows
    return BandTable(start, *(torch.from_numpy(a).to(device) for a in arrays))


@lru_cache(maxsize=512)
def _fine_photons(band: Bandpass, first: float, last: float) -> tuple[int, Array, Array]:
    """First index on the fine grid, wavelengths and photons, from the first to the last photon."""
    step = fine_step(first, last)
    wave = 10 ** np.arange(np.log10(first), np.log10(REDDEST * last), step)
    transmission = np.interp(wave, band.wave, band.transmission, left=0, right=0)
    photons = wave * transmission * np.diff(wave, append=2 * wave[-1] - wave[-2])
    used = np.flatnonzero(photons) if photons.any() else np.array([0, len(wave) - 1])
    # Two points more at each end: the outer rows have to be zero, and so has the next one.
    start, stop = int(used[0]) - 2, int(used[-1]) + 3
    inside = slice(max(start, 0), min(stop, len(wave)))
    pad = (inside.start - start, stop - inside.stop)
    photons = np.pad(photons[inside], pad)
    total = max(photons.sum(), np.finfo(np.float64).tiny)
    return start, np.pad(wave[inside], pad, mode="edge"), photons / total


def _interpolation(x: Array, photons: Array, n_nodes: int) -> tuple[Array, Array, Array]:
    """Nodes in ln λ (Q,), their polynomials at the points (N, Q), and the stand-ins (·, Q, Q).

    Far leaks have nodes of their own: one polynomial would swing in the gaps before them. Nodes
    that a narrow band does not need repeat the last one, with polynomial zero.
    """
    # Some measured curves are slightly negative here and there; that too wants nodes near it.
    weight = np.abs(photons)
    nodes, basis = np.empty(0), np.zeros((len(x), n_nodes))
    rows = np.zeros((len(NEIGHBOURS), n_nodes, n_nodes))
    parts = _parts(x, weight)
    faint = max(n_nodes // FAINT_SHARE, LEAST_NODES)
    leaking = [weight[part].sum() > NOTICED * weight.sum() for part, leak in parts if leak]
    for_leak = [n_nodes // LEAK_SHARE if noticed else faint for noticed in leaking]
    left = iter(for_leak)
    for part, leak in parts:
        most = next(left) if leak else n_nodes - sum(for_leak)
        own = _nodes(x[part], weight[part], max(most, LEAST_NODES))
        block = slice(len(nodes), len(nodes) + len(own))
        basis[part, block], rows[:, block, block] = lagrange(own, x[part]), stand_in(own)
        nodes = np.append(nodes, own)
    return np.pad(nodes, (0, n_nodes - len(nodes)), mode="edge"), basis, rows


def _parts(x: Array, weight: Array) -> list[tuple[slice, bool]]:
    """Ranges of points from blue to red: the band proper, and leaks far from it (True)."""
    everything: list[tuple[slice, bool]] = [(slice(0, len(x)), False)]
    bright = np.flatnonzero(weight > FAINT * weight.max())
    if not len(bright):
        return everything
    runs = np.split(bright, np.flatnonzero(np.diff(x[bright]) > GAP) + 1)
    proper = max(runs, key=lambda run: weight[run].sum())
    first, last, lit = proper[0], proper[-1], np.flatnonzero(weight)
    far = FAR * (x[last] - x[first])
    start = int(first) if x[first] - x[lit[0]] > far else 0
    stop = int(last) + 1 if x[lit[-1]] - x[last] > far else len(x)
    found = [(slice(0, start), True), (slice(start, stop), False), (slice(stop, len(x)), True)]
    return [(part, leak) for part, leak in found if part.stop > part.start]


def _nodes(x: Array, weight: Array, most: int) -> Array:
    """Gauss nodes, fewer where the light spans few of the model's wavelengths.

    Nodes closer than those see a sum of few terms, whose interpolatory weights are not positive.
    """
    n_points = int(np.count_nonzero(weight))
    if not n_points:
        return np.linspace(x[0], x[-1], LEAST_NODES)
    few = max(LEAST_NODES, n_points // (OVERSAMPLING * BINS_PER_NODE))
    return gauss_nodes(x, weight, min(most, few, n_points))


def _milky_way(wave: Array) -> Array:
    return MILKY_WAY_RV * fitzpatrick99(torch.from_numpy(wave), MILKY_WAY_RV).numpy()
