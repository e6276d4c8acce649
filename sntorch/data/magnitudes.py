"""Magnitude systems at the border: fluxes in sntorch are in their bandpass's own system.

A flux of ``10**(-0.4 * (m - zeropoint))`` stands for the magnitude m in the bandpass's native
system (AB for Pan-STARRS, Vega for Bessell, CSP's natural system for CSP): this is SNANA's
FLUXCAL. A table in another system is brought to it with the difference of the two zero points,
computed with the bandpass's own curve.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sntorch.errors import DataError

SYSTEMS = ("ab", "vega", "bd17")
# Names for "the band's own": sncosmo calls CSP's natural system csp.
NATIVE = ("", "native", "csp")
# Magnitudes of a relative change of flux by 1, to first order: 2.5 / ln 10; and its inverse.
POGSON = 2.5 / math.log(10)
LN_PER_MAG = 0.4 * math.log(10)


@cache
def native_system(band: str) -> tuple[str, float]:
    """A bandpass's magnitude system and its standard's magnitude, ``("bd17", 9.896)`` for cspb."""
    from sntorch.physics.bandpasses import get_bandpass

    bandpass = get_bandpass(band)
    return bandpass.magsys.lower(), float(bandpass.magzero)


@cache
def offset(band: str, system: str) -> float:
    """What to add to a magnitude in ``system`` to have it in the bandpass's native system.

    Args:
        band: Name of a bandpass.
        system: ``ab``, ``vega``, ``bd17`` (whose standard has magnitude 0 in every band), or
            ``native``.

    Raises:
        DataError: Another system.
    """
    name = system.lower()
    if name in NATIVE:
        return 0.0
    if name not in SYSTEMS:
        accepted = ", ".join((*SYSTEMS, *NATIVE[1:]))
        raise DataError(f"magnitude system {system!r} is not known; accepted are {accepted}")
    native, magzero = native_system(band)
    if name == native:
        return magzero
    return _zeropoint(band, native) - _zeropoint(band, name) + magzero


def to_flux(magnitude: ArrayLike, zeropoint: float) -> NDArray[np.float64]:
    """Flux at a zero point, shape as ``magnitude``."""
    return 10 ** (-0.4 * (np.asarray(magnitude, dtype=np.float64) - zeropoint))


def to_flux_err(flux: ArrayLike, magnitude_err: ArrayLike) -> NDArray[np.float64]:
    """Error of a flux from that of its magnitude, to first order."""
    return (
        LN_PER_MAG
        * np.asarray(flux, dtype=np.float64)
        * np.asarray(magnitude_err, dtype=np.float64)
    )


def to_magnitude(flux: ArrayLike, zeropoint: float) -> NDArray[np.float64]:
    """Magnitude of a positive flux."""
    return zeropoint - 2.5 * np.log10(np.asarray(flux, dtype=np.float64))


@cache
def _zeropoint(band: str, system: str) -> float:
    """2.5 log10 of a standard's mean flux density through the bandpass."""
    from sntorch.physics.bandpasses import get_bandpass
    from sntorch.physics.standards import zero_point

    bandpass = get_bandpass(band)
    return zero_point(system, bandpass.wave, bandpass.transmission)
