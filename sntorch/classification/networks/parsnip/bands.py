"""Band weights: photometry of a rest-frame spectrum as a sum over its bins.

With S on bins of equal width in log λ, the flux in band b of an object at redshift z is

    f_b = Σ_k w_bk(z) S_k,   w_bk(z) = 1/(1+z) ∫_{bin k} λ T_b(λ) 10^{-0.4 E(B-V) A(λ)} dλ / N_b

with the observed wavelength λ, the Milky Way's extinction A, and N_b the flux of the magnitude
system's standard. A redshift moves the bins along log λ: their integrals are tabulated once on a
grid 51 times finer and interpolated linearly at 51 k + log(1+z) / step. What of a band lies
outside the spectrum has no light. The dust is taken at the middle of a bin.

Letters in shapes: ``B`` objects, ``F`` bands, ``K`` bins, ``N`` fine points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sntorch.physics.bandpasses import get_bandpass
from sntorch.physics.extinction import MILKY_WAY_RV, fitzpatrick99
from sntorch.physics.photometry import LN, flux_units

FIRST, LAST = 1000.0, 11000.0
N_BINS = 300
OVERSAMPLING = 51
LARGEST_REDSHIFT = 4.0
# Trapezia within a fine step, for bandpasses with sharp edges.
FINER = 4


class BandWeights(nn.Module):
    """Weights of bins for each redshift and Milky-Way extinction.

    Args:
        bands: Names of the F bands.

    Attributes:
        wave: Middles of the bins, Å in the rest frame, shape (K,).
        unit: Factor to a flux with zero point 27.5, of spectra in erg/s/cm²/Å.
    """

    wave: Tensor
    table: Tensor
    dust: Tensor

    def __init__(self, bands: Sequence[str]) -> None:
        super().__init__()
        self.step = float(np.log10(LAST / FIRST)) / (N_BINS - 1) / OVERSAMPLING
        units = flux_units(bands, torch.zeros((), dtype=torch.float64))
        # Bands keep their ratios; the common factor would only make spectra of odd size.
        self.unit = float(units.log().mean().exp())
        table = np.stack([_integrals(band, self.step) for band in bands], axis=1)
        fine = _fine_waves(self.step)
        wave = torch.from_numpy(fine[: N_BINS * OVERSAMPLING : OVERSAMPLING].copy())
        dust = MILKY_WAY_RV * fitzpatrick99(torch.from_numpy(fine), MILKY_WAY_RV)
        weights = torch.from_numpy(table) * units / self.unit
        self.register_buffer("wave", wave.float(), persistent=False)
        self.register_buffer("table", weights.float(), persistent=False)
        self.register_buffer("dust", dust.float()[:, None], persistent=False)

    def forward(self, redshift: Tensor, mwebv: Tensor) -> Tensor:
        """Weights, shape (B, K, F), differentiable in the redshift.

        Args:
            redshift: Between 0 and ``LARGEST_REDSHIFT``, shape (B,).
            mwebv: Milky-Way E(B-V), mag, shape (B,).
        """
        shift = torch.log10(1 + redshift.double()) / self.step
        whole = shift.detach().floor()
        start = torch.arange(N_BINS, device=shift.device) * OVERSAMPLING
        lower = start + whole.long()[:, None]
        fraction = (shift - whole).float()
        weights, dust = (_sampled(values, lower, fraction) for values in (self.table, self.dust))
        dimmed = torch.exp(-LN * mwebv.float()[:, None, None] * dust)
        return weights * dimmed / (1 + redshift.float())[:, None, None]


def _sampled(table: Tensor, lower: Tensor, fraction: Tensor) -> Tensor:
    below, above = (
        table.index_select(0, rows.flatten()).view(*rows.shape, -1) for rows in (lower, lower + 1)
    )
    return torch.lerp(below, above, fraction[:, None, None])


def _fine_waves(step: float) -> np.ndarray:
    """Middles of bins at all redshifts, Å, shape (N,)."""
    n_points = int(np.log10(1 + LARGEST_REDSHIFT) / step) + OVERSAMPLING * (N_BINS - 1) + 3
    return FIRST * 10 ** (step * np.arange(n_points))


def _integrals(band: str, step: float) -> np.ndarray:
    """∫ λ T dλ over the bin around each fine point, over the whole band's, shape (N,)."""
    curve = get_bandpass(band)
    n_points = len(_fine_waves(step))
    half = OVERSAMPLING * FINER // 2
    place = np.arange(-half, FINER * n_points + half) / FINER
    wave = FIRST * 10 ** (step * place)
    photons = wave * np.interp(wave, curve.wave, curve.transmission, left=0, right=0)
    pieces = 0.5 * (photons[1:] + photons[:-1]) * np.diff(wave)
    below = np.concatenate([[0.0], np.cumsum(pieces)])
    first = FINER * np.arange(n_points)
    # The whole of the band, also where it lies outside the grid.
    total = np.trapezoid(curve.wave * curve.transmission, curve.wave)
    return (below[first + 2 * half] - below[first]) / total
