"""Photometry of tabulated spectral time series, batched over objects.

For object b, band f and template wavelengths λ_l the weights
w_l = T_f(λ_l (1+z)) λ_l 10^{-0.4 [A_host(λ_l) + A_MW(λ_l (1+z))]} / Σ_l T_f(λ_l (1+z)) λ_l
depend on neither time nor brightness; the mean flux density is Σ_l w_l S(t, λ_l) / (1 + z), with S
linear between the phases of a fine table. This is synthetic photometry on the template's own
wavelengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from sntorch.physics.bandpasses import Bandpass, get_bandpass
from sntorch.physics.extinction import MILKY_WAY_RV, fitzpatrick99
from sntorch.physics.photometry import flux_units

MILKY_WAY_STEP = 2.0


@dataclass
class SpectralTable:
    """N spectral time series on one grid of phases and wavelengths.

    Attributes:
        flux: Flux density at 10 pc but for a factor, shape (N, P, L), f_λ; 0 before the explosion.
        first_phase: Phase of the first row, rest-frame days.
        phase_step: Days between rows.
        first_wave: First wavelength, Å.
        wave_step: Å between columns.
    """

    flux: Tensor
    first_phase: float
    phase_step: float
    first_wave: float
    wave_step: float

    @property
    def wave(self) -> Tensor:
        """Wavelengths, shape (L,), Å."""
        steps = torch.arange(self.flux.shape[2], dtype=self.flux.dtype, device=self.flux.device)
        return self.first_wave + self.wave_step * steps

    def to(self, device: torch.device) -> SpectralTable:
        """The same table on another device."""
        self.flux = self.flux.to(device)
        return self

    def integrate(self, series: Tensor, phase: Tensor, start: Tensor, weights: Tensor) -> Tensor:
        """Σ_l w_l S(t, λ_l) for every observation.

        Args:
            series: Which time series, shape (B,).
            phase: Rest-frame days, shape (B, T).
            start: Column of the first weight, shape (B, T).
            weights: shape (B, T, W).

        Returns:
            Mean flux density, shape (B, T); 0 before the table begins, its last row beyond the
            end.
        """
        _, n_phase, n_wave = self.flux.shape
        place = (phase - self.first_phase) / self.phase_step
        row = place.floor().clamp(0, n_phase - 2)
        share = (place - row).clamp(0, 1)
        column = start[..., None] + torch.arange(weights.shape[-1], device=phase.device)
        base = ((series[:, None] * n_phase + row.long()) * n_wave)[..., None] + column
        flat = self.flux.reshape(-1)
        below = (flat[base] * weights).sum(-1)
        above = (flat[base + n_wave] * weights).sum(-1)
        return torch.where(place < 0, 0.0, below + share * (above - below))


@dataclass
class BandWeights:
    """Weights of the template's wavelengths in F bands for B objects.

    Attributes:
        start: First column of the table that counts, shape (B, F).
        values: Weights of W columns from there, shape (B, F, W).
    """

    start: Tensor
    values: Tensor


def band_weights(
    table: SpectralTable,
    bands: Sequence[str],
    redshift: Tensor,
    mwebv: Tensor,
    attenuation: Tensor,
) -> BandWeights:
    """Weights that turn spectra at 10 pc into observed mean flux densities, but for distance.

    Args:
        table: Gives the wavelengths.
        bands: Names of F bands.
        redshift: shape (B,).
        mwebv: Milky-Way E(B-V), shape (B,), mag.
        attenuation: Dust in the host at the table's wavelengths, shape (B, L), mag.
    """
    stretch = (1 + redshift)[:, None]
    curves = [get_bandpass(name) for name in bands]
    ends = torch.tensor([_support(curve) for curve in curves]).to(redshift)
    n_wave = table.flux.shape[2]
    start = ((ends[:, 0] / stretch - table.first_wave) / table.wave_step).floor().long()
    count = int(((ends[:, 1] - ends[:, 0]) / stretch / table.wave_step).max()) + 3
    count = min(count, n_wave)
    start = start.clamp(0, n_wave - count)
    column = start[..., None] + torch.arange(count, device=redshift.device)
    rest = table.first_wave + table.wave_step * column
    observed = rest * stretch[..., None]
    through = torch.stack([_transmission(c, observed[:, i]) for i, c in enumerate(curves)], dim=1)
    photons = through * rest
    dust = attenuation.gather(1, column.flatten(1)).reshape(column.shape)
    dust = dust + MILKY_WAY_RV * mwebv[:, None, None] * _milky_way(observed)
    norm = photons.sum(-1, keepdim=True).clamp(min=torch.finfo(photons.dtype).tiny)
    return BandWeights(start, photons / norm * 10 ** (-0.4 * dust) / stretch[..., None])


def photometry(
    table: SpectralTable,
    terms: Sequence[tuple[Tensor, Tensor]],
    phase: Tensor,
    band: Tensor,
    bands: Sequence[str],
    weights: BandWeights,
) -> Tensor:
    """FLUXCAL at 10 pc of a sum of time series, shape (B, T).

    Args:
        table: The time series.
        terms: Pairs of coefficient (B,) and number of the series (B,).
        phase: Rest-frame days, shape (B, T).
        band: Index into ``bands``, shape (B, T).
        bands: Names of F bands.
        weights: From ``band_weights`` for the same bands.
    """
    start = weights.start.gather(1, band)
    mine = weights.values[torch.arange(len(phase), device=phase.device)[:, None], band]
    mean = torch.zeros_like(phase)
    for coefficient, series in terms:
        mean = mean + coefficient[:, None] * table.integrate(series, phase, start, mine)
    return mean * flux_units(bands, phase)[band]


def rest_photometry(spectra: Tensor, wave: Tensor, band: str) -> Tensor:
    """FLUXCAL of spectra (P, L) on an even grid of wavelengths (L,) at redshift 0; shape (P,)."""
    photons = _transmission(get_bandpass(band), wave) * wave
    return (spectra * photons).sum(-1) / photons.sum() * flux_units([band], wave)


def covered(bands: Sequence[str], redshift: Tensor, low: float, high: float) -> Tensor:
    """Whether ``low`` … ``high`` holds each band where it transmits over 1 % of its maximum.

    Args:
        bands: Names of F bands.
        redshift: shape (B,).
        low: First wavelength of a model, rest-frame Å.
        high: Last wavelength of a model, rest-frame Å.

    Returns:
        bool, shape (B, F).
    """
    ends = torch.tensor([get_bandpass(name).edges for name in bands]).to(redshift)
    rest = ends / (1 + redshift)[:, None, None]
    return (rest[..., 0] >= low) & (rest[..., 1] <= high)


@cache
def _milky_way_table() -> tuple[Tensor, Tensor]:
    """Wavelengths, Å, and the Milky Way's A(λ)/A_V, shape (N,) each."""
    wave = torch.arange(1000.0, 60000.0, MILKY_WAY_STEP, dtype=torch.float64)
    return wave, fitzpatrick99(wave, MILKY_WAY_RV)


def _milky_way(wave: Tensor) -> Tensor:
    """A(λ)/A_V at any wavelengths, linear in the table; good to 1e-6 redwards of 2700 Å."""
    first, law = (t.to(wave) for t in _milky_way_table())
    place = (wave - first[0]) / MILKY_WAY_STEP
    cell = place.floor().long().clamp(0, len(law) - 2)
    return torch.lerp(law[cell], law[cell + 1], place - cell)


def _support(bandpass: Bandpass) -> tuple[float, float]:
    """First and last wavelength at which a band transmits anything, Å."""
    inside = bandpass.wave[bandpass.transmission > 0]
    return float(inside[0]), float(inside[-1])


def _transmission(bandpass: Bandpass, wave: Tensor) -> Tensor:
    """Transmission at any wavelengths, linear between the curve's own, 0 outside."""
    grid = torch.as_tensor(bandpass.wave).to(wave)
    through = torch.as_tensor(bandpass.transmission).to(wave)
    cell = (torch.searchsorted(grid, wave.contiguous()) - 1).clamp(0, len(grid) - 2)
    share = (wave - grid[cell]) / (grid[cell + 1] - grid[cell])
    value = through[cell] + share * (through[cell + 1] - through[cell])
    return torch.where((wave >= grid[0]) & (wave <= grid[-1]), value, 0.0)
