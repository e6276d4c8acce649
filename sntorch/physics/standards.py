"""Spectra that define magnitude systems, and the zero points of bands in them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sntorch.errors import ConfigError
from sntorch.physics.splines import cubic_interpolation, second_derivatives

DATA = Path(__file__).parent / "data"
SPEED_OF_LIGHT = 2.99792458e18
AB_SCALE = 48.6
Array = NDArray[np.float64]


def standard_flux(system: str, wave: Array) -> Array:
    """Flux density f_λ of a magnitude system's standard source, erg/s/cm²/Å.

    Args:
        system: ``ab`` (analytic), ``vega`` (alpha_lyr_stis_010) or ``bd17``
            (bd_17d4708_stisnic_007), or a name given to ``register_standard``.
        wave: Wavelength, Å, shape (N,).

    Raises:
        ConfigError: Unknown system.
    """
    if system == "ab":
        return SPEED_OF_LIGHT / wave**2 * 10 ** (-0.4 * AB_SCALE)
    spectra = _spectra()
    if system not in spectra:
        accepted = ", ".join(["ab", *spectra])
        raise ConfigError(f"magnitude system {system!r}: accepted are {accepted}")
    spectrum = spectra[system]
    return cubic_interpolation(spectrum[0], spectrum[1], wave, spectrum[2])


def register_standard(system: str, wave: Array, flux: Array) -> None:
    """Add a magnitude system by its standard's spectrum (f_λ, erg/s/cm²/Å).

    Raises:
        ConfigError: The name ``ab``, wavelengths (Å) that do not increase, or a number that is not
            finite.
    """
    spectrum = np.array([wave, flux], dtype=np.float64)
    if system == "ab":
        raise ConfigError("magnitude system ab: its standard is fixed; another name is accepted")
    if spectrum.shape[1] < 3 or not (np.diff(spectrum[0]) > 0).all() or np.isnan(spectrum).any():
        raise ConfigError(
            f"magnitude system {system}: three or more finite values at increasing wavelengths "
            "are accepted"
        )
    _spectra()[system] = _with_second_derivatives(spectrum)


def zero_point(system: str, wave: Array, transmission: Array) -> float:
    """2.5 log10 of the standard's mean f_λ through a band that counts photons, mag.

    Both integrals, of λ F T and of λ T, are Simpson sums on the curve's own grid.

    Raises:
        ConfigError: Unknown system, or a standard without flux in the band.
    """
    standard = simpson(wave * standard_flux(system, wave) * transmission, wave)
    if not standard > 0:
        span = f"{wave[0]:.0f} and {wave[-1]:.0f} Å"
        raise ConfigError(f"the standard of magnitude system {system} has no flux between {span}")
    return float(2.5 * np.log10(standard / simpson(wave * transmission, wave)))


def simpson(y: Array, x: Array) -> float:
    """Simpson's rule on an irregular grid; an even number of points ends with Cartwright's
    correction.

    Cartwright (2017, J. Math. Sci. Math. Educ. 12, 1), equation 8.
    """
    if len(x) < 3:
        return float(np.trapezoid(y, x))
    odd = len(x) - (len(x) + 1) % 2
    h0, h1 = np.diff(x)[: odd - 1 : 2], np.diff(x)[1 : odd - 1 : 2]
    y0, y1, y2 = y[: odd - 2 : 2], y[1 : odd - 1 : 2], y[2:odd:2]
    total = (
        (h0 + h1) / 6 * ((2 - h1 / h0) * y0 + (h0 + h1) ** 2 / (h0 * h1) * y1 + (2 - h0 / h1) * y2)
    )
    value = float(total.sum())
    if odd < len(x):
        g, h = x[-2] - x[-3], x[-1] - x[-2]
        value += y[-1] * (2 * h**2 + 3 * g * h) / (6 * (g + h))
        value += y[-2] * (h**2 + 3 * g * h) / (6 * g)
        value -= y[-3] * h**3 / (6 * g * (g + h))
    return value


@cache
def _spectra() -> dict[str, Array]:
    with np.load(DATA / "standards.npz", allow_pickle=False) as file:
        return {name: _with_second_derivatives(file[name]) for name in file.files}


def _with_second_derivatives(spectrum: Array) -> Array:
    return np.vstack([spectrum, second_derivatives(spectrum[0], spectrum[1])])
