"""What is written is read back equal: every format, within what it can hold."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from io_strategies import LSST, any_light_curve, numbers, unique_ids

from sntorch.data.io import read, write
from sntorch.data.io.sncosmo import from_table, to_table
from sntorch.data.light_curve import LightCurve

EXAMPLES = settings(max_examples=25, deadline=None)
ANY_ZEROPOINT = numbers(20, 30)
NAN = float("nan")


def back(light_curves: Sequence[LightCurve], name: str, format: str) -> list[LightCurve]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(light_curves, path, format=format)
        return sorted(read(path, format=format, strict=True), key=lambda lc: lc.object_id)


def by_id(light_curves: Sequence[LightCurve]) -> list[LightCurve]:
    return sorted(light_curves, key=lambda lc: lc.object_id)


@EXAMPLES
@given(unique_ids(any_light_curve()))
def test_snana_text_keeps_everything(light_curves: list[LightCurve]) -> None:
    assert back(light_curves, "set", "snana") == by_id(light_curves)


@EXAMPLES
@given(unique_ids(any_light_curve(surveys=("DES",))))
def test_snana_fits_keeps_everything(light_curves: list[LightCurve]) -> None:
    assert back(light_curves, "X_HEAD.FITS.gz", "snana_fits") == by_id(light_curves)


@EXAMPLES
@given(unique_ids(any_light_curve(zeropoints=ANY_ZEROPOINT)))
def test_parquet_keeps_everything(light_curves: list[LightCurve]) -> None:
    assert back(light_curves, "set.parquet", "parquet") == by_id(light_curves)


@EXAMPLES
@given(unique_ids(any_light_curve(zeropoints=ANY_ZEROPOINT)))
def test_ecsv_keeps_everything(light_curves: list[LightCurve]) -> None:
    assert back(light_curves, "set.ecsv", "sncosmo") == by_id(light_curves)


@EXAMPLES
@given(any_light_curve(zeropoints=ANY_ZEROPOINT))
def test_tables_keep_everything(lc: LightCurve) -> None:
    assert from_table(to_table(lc)) == lc


@EXAMPLES
@given(
    unique_ids(any_light_curve(zeropoints=st.just(25.0))), st.sampled_from(["x.csv", "x.csv.gz"])
)
def test_csv_keeps_everything(light_curves: list[LightCurve], name: str) -> None:
    assert back(light_curves, name, "csv") == by_id(light_curves)


@EXAMPLES
@given(
    unique_ids(any_light_curve(LSST, ids=r"[1-9][0-9]{0,8}", surveys=("PLASTICC",), limits=False))
)
def test_plasticc_keeps_what_it_has_columns_for(light_curves: list[LightCurve]) -> None:
    kinds = {"": "", "Ia": "Ia", "SLSN-I": "SLSN-I", "Ia-91bg": "Ia-91bg", "Ibc": "Ibc"}
    expected = [
        replace(lc, redshift_err=NAN, peak_mjd=NAN, type=kinds.get(lc.type, ""))
        for lc in light_curves
    ]
    assert back(light_curves, "x_lightcurves.csv", "plasticc") == by_id(expected)


@EXAMPLES
@given(
    unique_ids(
        any_light_curve(
            ("desg", "desr"), ids="[0-9]{1,9}", surveys=("DES",), limits=False, lowest=1e-3
        )
    )
)
def test_talk_csv_keeps_magnitudes(light_curves: list[LightCurve]) -> None:
    relative = [replace(lc, peak_mjd=0.0, time=lc.time - 50_000) for lc in light_curves]
    relative = [lc.keep(np.abs(lc.time) < 9_000) for lc in relative]
    relative = [lc for lc in relative if len(lc)]
    if not relative:
        return
    for lc, got in zip(by_id(relative), back(relative, "x.csv", "talk"), strict=True):
        want, got = lc.sorted(), got.sorted()
        assert got.object_id == want.object_id
        np.testing.assert_array_equal(got.time, want.time)
        np.testing.assert_array_equal(got.band, want.band)
        np.testing.assert_allclose(got.redshift, want.redshift)
        order = np.lexsort((want.flux, want.band, want.time))
        other = np.lexsort((got.flux, got.band, got.time))
        np.testing.assert_allclose(got.flux[other], want.flux[order], rtol=1e-12)
        np.testing.assert_allclose(got.flux_err[other], want.flux_err[order], rtol=1e-12)


@pytest.mark.parametrize("zeropoint", [25.0, 8.9])
@pytest.mark.parametrize(("name", "format"), [("set", "snana"), ("X_HEAD.FITS", "snana_fits")])
def test_formats_of_one_zeropoint_convert(
    tmp_path: Path, zeropoint: float, name: str, format: str
) -> None:
    lc = LightCurve.from_arrays("a", [55000.0], [10.0], [1.0], ["desg"], zeropoint=zeropoint)
    write([lc], tmp_path / name, format=format)
    (got,) = read(tmp_path / name, format=format, survey="DES")
    assert got.zeropoint == 27.5
    np.testing.assert_allclose(got.flux, 10 ** (0.4 * (27.5 - zeropoint)) * 10.0)
