"""Integrals of the SALT surfaces over bands, once for each object.

The flux of one object in one band, with zero point 27.5, is

    x0 Σ_k W_k 10^{-0.4 c CL(λ_k)} [M0(t, λ_k) + x1 M1(t, λ_k)],   λ_k = λ_k^obs / (1 + z),
    W_k ∝ λ_k^obs T(λ_k^obs) 10^{-0.4 A_MW(λ_k^obs)},

on midpoints at most 5 Å apart, as in sncosmo. The surfaces are linear in their nodes, so that the
sum over k can be made at the nodes in phase (``kernel``), once. With the band's mean C̄ of CL,

    10^{-0.4 c CL_k} = 10^{-0.4 c C̄} Σ_n (-0.4 ln 10 · (CL_k - C̄))^n / n! · c^n,

a series that ends where the next term, averaged over the band, is below ``SERIES`` at |c| =
``COLOR_MAX``. Deviations from sncosmo: CL is taken at the nodes of the surface, not between them;
and where a wavelength lies in the first or last interval of the model's grid, sncosmo interpolates
linearly in phase too, here it is linear in wavelength only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sntorch.physics.bandpasses import Bandpass, get_bandpass
from sntorch.physics.extinction import MILKY_WAY_RV, fitzpatrick99
from sntorch.physics.photometry import FLUXCAL_ZEROPOINT, LN, flux_units
from sntorch.physics.salt.kernel import (
    EDGES,
    PADDING,
    TAPS,
    cubic_taps,
    linear_taps,
    locate,
    phase_taps,
)
from sntorch.physics.salt.surfaces import Grid, SALTSurfaces

SPACING = 5.0
COLOR_MAX = 1.5
SERIES = 1e-6


@dataclass
class BandIntegrals:
    """Integrals of M0 and M1 for B objects and F bands.

    Attributes:
        series: Coefficients of c^n at the nodes in phase, two at either edge more than the
            surface has (``kernel.phase_taps``): shape (B, N, F, 2, P + 4), FLUXCAL.
        color: Mean C̄ of the colour law in the band, mag, shape (B, F).
    """

    series: Tensor
    color: Tensor


@dataclass(frozen=True)
class Midpoints:
    """A band's own grid: midpoints ``wave`` (K,), Å, and ``photons`` λ T / Σ λ T there (K,)."""

    wave: Tensor
    photons: Tensor


def band_integrals(
    surfaces: SALTSurfaces, bands: Sequence[str], redshift: Tensor, mwebv: Tensor
) -> BandIntegrals:
    """Integrate the surfaces over bands.

    Args:
        surfaces: The model.
        bands: Names of F bands.
        redshift: shape (B,).
        mwebv: Milky-Way E(B-V), mag, shape (B,), with R_V = 3.1.
    """
    stretch = (1 + redshift)[:, None]
    stack = Stack([surfaces.m0, surfaces.m1])
    weights, away, means = [], [], []
    for name, unit in zip(bands, flux_units(bands, redshift), strict=True):
        grid = midpoints(get_bandpass(name), redshift)
        dust = MILKY_WAY_RV * fitzpatrick99(grid.wave, MILKY_WAY_RV) * mwebv[:, None]
        photons = grid.photons * torch.exp(-LN * dust) * unit / stretch
        weights.append(stack.node_weights(grid.wave / stretch, photons))
        law = surfaces.color_law(weights[-1].wave)
        shares = weights[-1].inner / weights[-1].inner.sum(-1, keepdim=True)
        means.append((shares * law).sum(-1))
        away.append((-LN * (law - means[-1][:, None]), shares.abs()))
    n_terms = max(_terms(*pair) for pair in away)
    series = []
    for weight, (x, _) in zip(weights, away, strict=True):
        powers = [torch.ones_like(x)]
        for n in range(1, n_terms):
            powers.append(powers[-1] * x / n)
        series.append(stack.sum(weight, torch.stack(powers, 1)))
    return BandIntegrals(torch.stack(series, 2), torch.stack(means, -1))


def _terms(exponent: Tensor, share: Tensor) -> int:
    """Terms that the series of exp(c · exponent) needs, averaged with weights ``share``."""
    term = share
    largest, n = COLOR_MAX * exponent.abs(), 0
    while term.sum(-1).max() > SERIES:
        n += 1
        term = term * largest / n
    return n


def midpoints(bandpass: Bandpass, like: Tensor) -> Midpoints:
    """The midpoints on which a band is integrated."""
    low, high = bandpass.support
    count = math.ceil((high - low) / SPACING)
    step = (high - low) / count
    wave = low + step * (np.arange(count) + 0.5)
    through = np.interp(wave, bandpass.wave, bandpass.transmission)
    photons = wave * through / (wave * through).sum()
    return Midpoints(torch.as_tensor(wave).to(like), torch.as_tensor(photons).to(like))


def rest_blue_magnitude(surfaces: SALTSurfaces) -> float:
    """Bessell B magnitude (Vega), at rest and at peak, of x0 = 1, x1 = c = 0."""
    zero = torch.zeros(1, dtype=surfaces.m0.value.dtype, device=surfaces.m0.value.device)
    nodes = band_integrals(surfaces, ["bessellb"], zero, zero).series[0, 0, 0, 0]
    base, weights = phase_taps(locate(surfaces.m0.phase, zero), 0)
    flux = (nodes[int(base) : int(base) + TAPS] * weights[0, :, 0]).sum()
    return FLUXCAL_ZEROPOINT - 2.5 * float(flux.log10())


@dataclass
class NodeWeights:
    """Weights of a surface's values at its J nodes in wavelength that a band sees.

    Attributes:
        first: Index of the first of these nodes.
        wave: Rest-frame Å, shape (J,).
        inner: Where the interpolation in phase is cubic, shape (B, J).
        edge: Where it is linear, shape (B, J).
    """

    first: int
    wave: Tensor
    inner: Tensor
    edge: Tensor


class Stack:
    """Surfaces on one grid, ready for sums over wavelengths.

    Args:
        grids: S surfaces that share phases and wavelengths.
    """

    def __init__(self, grids: Sequence[Grid]) -> None:
        self.wave = grids[0].wave
        values = torch.stack([g.value for g in grids])
        # Wavelength first: (L, S, P) and, of the rows that edge intervals need, (L, S, 4).
        self.inner = values.permute(2, 0, 1).contiguous()
        self.edges = self.inner[..., list(EDGES)].contiguous()

    def node_weights(self, wave: Tensor, weights: Tensor) -> NodeWeights:
        """From weights (B, K) at rest-frame wavelengths (B, K), Å, to weights at the nodes."""
        place = locate(self.wave, wave)
        low = max(int(place.cell.min()) - 1, 0)
        high = min(int(place.cell.max()) + 3, len(self.wave))
        sums = []
        for base, share in (cubic_taps(place), linear_taps(place)):
            nodes = weights.new_zeros(len(wave), high - low)
            for j in range(share.shape[-2]):
                nodes.scatter_add_(1, base - low + j, weights * share[:, j])
            sums.append(nodes)
        return NodeWeights(low, self.wave[low:high], *sums)

    def sum(self, weights: NodeWeights, factors: Tensor) -> Tensor:
        """Σ_j weights_j · factors_j · surface(node in phase, λ_j).

        Args:
            weights: Of B objects.
            factors: N sets of them, shape (B, N, J).

        Returns:
            shape (B, N, S, P + 4); the first and last two nodes are the edges'.
        """
        last = weights.first + len(weights.wave)
        values = zip((weights.inner, weights.edge), (self.inner, self.edges), strict=True)
        inner, edges = (
            ((w[:, None] * factors).flatten(0, 1) @ v[weights.first : last].flatten(1)).view(
                *factors.shape[:2], *v.shape[1:]
            )
            for w, v in values
        )
        half = PADDING // 2
        return torch.cat([edges[..., :half], inner, edges[..., half:]], -1)
