"""Whether a sample reaches all knots of a model's surfaces: those beyond it would be guesses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sntorch.data.light_curve import LightCurve
from sntorch.errors import DataError
from sntorch.physics.bandpasses import get_bandpass
from sntorch.physics.sed import SEDModel

Array = NDArray[np.float64]


def check_knots(light_curves: Sequence[LightCurve], sed: SEDModel) -> None:
    """Refuse knots with no observation closer than the next knots.

    Args:
        light_curves: What the model is trained on, headers complete.
        sed: With the knots.

    Raises:
        DataError: A knot that no observation reaches; the message names it.
    """
    phase = np.concatenate([(lc.time - lc.peak_mjd) / (1 + lc.redshift) for lc in light_curves])
    edges = np.concatenate([_rest_edges(lc) for lc in light_curves])
    for name, knots, low, high, unit in (
        ("time_knots", sed.time_knots, phase, phase, "days"),
        ("wave_knots", sed.wave_knots, edges[:, 0], edges[:, 1], "Å"),
    ):
        lonely = unreached(knots.cpu().numpy(), low, high)
        if len(lonely):
            named = ", ".join(f"{knot:g}" for knot in lonely)
            raise DataError(
                f"{name}: no observation reaches {named} {unit}; the data span "
                f"{low.min():.4g} to {high.max():.4g} {unit}: leave such knots out"
            )


def unreached(knots: Array, low: Array, high: Array) -> Array:
    """Knots for which no interval from ``low`` (N,) to ``high`` (N,) comes closer than the
    neighbouring knots, of ``knots`` (K,).
    """
    padded = np.concatenate([[-np.inf], knots, [np.inf]])
    before, after = padded[:-2, None], padded[2:, None]
    return knots[~((high > before) & (low < after)).any(1)]


def _rest_edges(light_curve: LightCurve) -> Array:
    """First and last rest-frame wavelength of the bands that were used, Å, shape (F, 2)."""
    used = [light_curve.bands[i] for i in np.unique(light_curve.band_index)]
    edges = np.array([get_bandpass(name).edges for name in used]).reshape(-1, 2)
    return edges / (1 + light_curve.redshift)
