"""The spectral template of a normal SN Ia by Hsiao et al. (2007, ApJ 663, 1187), version 3.

One spectrum a day from -19 to +85 rest-frame days after B maximum, 1000 to 25000 Å. Between days
it is linear in time, in wavelength a natural cubic spline, as BayeSN uses it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from sntorch.physics.splines import cubic_interpolation
from sntorch.physics.standards import DATA

Array = NDArray[np.float64]
FIRST_DAY, LAST_DAY = -19, 85


def template_spectra(wave: Array) -> Array:
    """The template's spectra on its own days, shape (105, N), template units.

    Args:
        wave: Rest-frame wavelength, Å, shape (N,); 0 outside 1000-25000 Å.
    """
    grid, flux = _template()
    return cubic_interpolation(grid, flux, np.asarray(wave, dtype=np.float64))


@cache
def _template() -> tuple[Array, Array]:
    with np.load(DATA / "hsiao.npz", allow_pickle=False) as file:
        return file["wave"], file["flux"].astype(np.float64)
