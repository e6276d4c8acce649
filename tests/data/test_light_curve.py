from __future__ import annotations

import numpy as np
import pytest

from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.errors import DataError


def make(**changes):
    columns = {
        "object_id": "a",
        "time": [3.0, 1.0, 2.0],
        "flux": [30.0, 10.0, 20.0],
        "flux_err": [1.0, 4.0, 1.0],
        "band": ["desr", "desg", "desg"],
    }
    return LightCurve.from_arrays(**{**columns, **changes})


def test_columns_and_bands():
    lc = make()
    assert lc.bands == ("desg", "desr")
    assert lc.band.tolist() == ["desr", "desg", "desg"]
    assert len(lc) == 3
    assert "3 observations in desg,desr" in repr(lc)


def test_sorted_by_time():
    assert make().sorted().time.tolist() == [1.0, 2.0, 3.0]
    assert make().sorted().band.tolist() == ["desg", "desg", "desr"]


def test_equal_times_are_sorted_by_band_name():
    lc = make(time=[1.0, 1.0, 1.0], band=["desr", "desg", "desi"]).sorted()
    assert lc.band.tolist() == ["desg", "desi", "desr"]


def test_unequal_lengths_are_refused():
    with pytest.raises(DataError, match="of one length"):
        make(flux=[1.0, 2.0])


def test_reference_time_prefers_the_header():
    assert make(peak_mjd=7.0).reference_time == 7.0
    assert make().reference_time == 2.0  # the first with S/N > 5
    assert make(flux=[1.0, 1.0, 1.0]).reference_time == 1.0


def test_zeropoint_keeps_magnitudes():
    lc = make()
    other = lc.with_zeropoint(25.0)
    np.testing.assert_allclose(25 - 2.5 * np.log10(other.flux), 27.5 - 2.5 * np.log10(lc.flux))
    np.testing.assert_allclose(other.snr, lc.snr)


def test_equality_ignores_the_order_of_bands():
    lc = make()
    other = LightCurve("a", lc.time, lc.flux, lc.flux_err, 1 - lc.band_index, ("desr", "desg"))
    assert lc == other
    assert lc != make(redshift=0.1)
    assert lc != make(flux=[30.0, 10.0, 21.0])


def test_a_collection_filters_maps_and_slices():
    sample = LightCurves([make(), make(object_id="b", type="Ia")], skipped=["c: no observations"])
    assert [lc.object_id for lc in sample.filter(lambda lc: lc.type == "Ia")] == ["b"]
    assert sample.map(LightCurve.sorted)[0].time[0] == 1.0
    assert isinstance(sample[:1], LightCurves)
    assert sample.n_observations == 6
    assert sample.bands == ("desg", "desr")
    assert "2 objects, 6 observations" in repr(sample)
