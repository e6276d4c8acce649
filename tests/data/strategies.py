"""Hypothesis strategies for light curves that any format can hold."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from sntorch.data.light_curve import LightCurve

BANDS = ("desg", "desi", "desr", "desz")
times = st.floats(50000, 60000, allow_nan=False, allow_infinity=False)
fluxes = st.floats(-1e6, 1e6, allow_nan=False, allow_infinity=False)
errors = st.floats(1e-3, 1e5, allow_nan=False, allow_infinity=False)


@st.composite
def light_curves(
    draw: st.DrawFn, max_size: int = 12, bands: tuple[str, ...] = BANDS
) -> LightCurve:
    """A light curve of up to ``max_size`` observations, unsorted, epochs possibly repeated."""
    n = draw(st.integers(1, max_size))
    column = {
        k: draw(st.lists(v, min_size=n, max_size=n))
        for k, v in (("t", times), ("f", fluxes), ("e", errors))
    }
    index = draw(st.lists(st.integers(0, len(bands) - 1), min_size=n, max_size=n))
    limits = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return LightCurve(
        object_id=draw(st.from_regex(r"[A-Za-z0-9_\-]{1,12}", fullmatch=True)),
        time=np.array(column["t"]),
        flux=np.array(column["f"]),
        flux_err=np.array(column["e"]),
        band_index=np.array(index),
        bands=bands,
        upper_limit=np.array(limits),
        redshift=draw(st.floats(0.001, 2, allow_nan=False, allow_infinity=False)),
        mwebv=draw(st.floats(0, 1, allow_nan=False, allow_infinity=False)),
        peak_mjd=draw(times),
        type=draw(st.sampled_from(["", "Ia", "Ic"])),
    )
