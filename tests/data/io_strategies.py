"""Hypothesis strategies for light curves with everything that a file format may have to hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from sntorch.data.io.checks import repeated_rows
from sntorch.data.light_curve import LightCurve

NAN = float("nan")
TYPES = ("", "Ia", "IIn", "Ic-BL", "SLSN-I", "Ia-91bg", "Ibc")
BANDS = ("ps1::g", "desr", "lssti", "cspb", "bessellux", "uvot::uvm2", "2massj")
LSST = ("lsstu", "lsstg", "lsstr", "lssti", "lsstz", "lssty")


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


def known_or_nan(low: float, high: float) -> st.SearchStrategy[float]:
    return st.one_of(st.just(NAN), numbers(low, high))


@st.composite
def any_light_curve(
    draw: st.DrawFn,
    bands: tuple[str, ...] = BANDS,
    ids: str = r"[A-Za-z0-9][A-Za-z0-9_.+\-]{0,15}",
    surveys: tuple[str, ...] = ("", "DES", "Foundation", "MY_SURVEY"),
    zeropoints: st.SearchStrategy[float] | None = None,
    limits: bool = True,
    lowest: float = -1e8,
) -> LightCurve:
    n = draw(st.integers(1, 7))

    def column(values: st.SearchStrategy[Any]) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=n, max_size=n)))

    lc = LightCurve(
        object_id=draw(st.from_regex(ids, fullmatch=True)),
        time=column(numbers(20_000, 90_000)),
        flux=column(numbers(lowest, 1e8)),
        flux_err=column(numbers(1.0, 1e6)),
        band_index=column(st.integers(0, len(bands) - 1)),
        bands=bands,
        zeropoint=draw(zeropoints) if zeropoints is not None else 27.5,
        upper_limit=column(st.booleans()) if limits else None,
        redshift=draw(known_or_nan(0, 5)),
        redshift_err=draw(known_or_nan(1e-6, 1)),
        mwebv=draw(known_or_nan(0, 3)),
        peak_mjd=draw(known_or_nan(20_000, 90_000)),
        type=draw(st.sampled_from(TYPES)),
        survey=draw(st.sampled_from(surveys)),
    )
    return lc.keep(~repeated_rows(lc))


def unique_ids(strategy: st.SearchStrategy[LightCurve]) -> st.SearchStrategy[list[LightCurve]]:
    return st.lists(strategy, min_size=1, max_size=3, unique_by=lambda lc: lc.object_id.lower())
