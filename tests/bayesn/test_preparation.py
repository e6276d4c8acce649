"""What is fitted, what is left out, and why."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from fake_posterior import BANDS, simulated, truth_of

from sntorch.bayesn.preparation import (
    Preparation,
    as_light_curves,
    find_header,
    prepare,
    read_headers,
)
from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.errors import ConfigError, DataError
from sntorch.physics.cosmology import Cosmology

NAN = float("nan")


@pytest.fixture
def curves(t21):
    """Three supernovae as read from files."""
    found = simulated(t21, truth_of(3, seed=1), seed=2).to_light_curves()
    return [replace(lc, source=f"data/{lc.object_id}.txt: {lc.object_id}") for lc in found]


def failure(curves, t21, **options):
    """Why the second one is not fitted."""
    prepared = prepare(curves, t21, Preparation(**options))
    assert [lc.object_id for lc in prepared.light_curves] == ["SN000", "SN002"]
    ((name, reason),) = prepared.failures
    assert name == "SN001"
    return reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"redshift": NAN}, "no redshift in data/SN001.txt"),
        ({"redshift": -0.01}, "no redshift in data/SN001.txt"),
        ({"peak_mjd": NAN}, "no peak_mjd in data/SN001.txt"),
        ({"mwebv": NAN}, "no mwebv in data/SN001.txt"),
        ({"mwebv": NAN, "peak_mjd": NAN}, "no peak_mjd and no mwebv in data/SN001.txt"),
        ({"peak_mjd": 56000.0}, "too few points: 0 of 28"),
    ],
)
def test_why_a_supernova_is_left_out(curves, t21, caplog, change, reason):
    curves[1] = replace(curves[1], **change)
    with caplog.at_level(logging.WARNING):
        assert failure(curves, t21).startswith(reason)
    assert f"SN001 is not fitted: {reason}" in caplog.text


def test_too_few_points_within_the_models_phases(curves, t21):
    curves[1] = curves[1].keep(np.arange(28) < 4)
    found = failure(curves, t21)
    assert found.startswith("too few points: 4 of 4 observations between -10 and 40 rest-frame")
    assert "5 are needed" in found
    assert len(prepare(curves, t21, Preparation(min_observations=4)).light_curves) == 3


def test_bands_outside_the_model_are_dropped_and_named(curves, t21, caplog):
    blue = replace(curves[0], bands=("ps1::g", "ps1::i", "bessellux", "ps1::z"))
    with caplog.at_level(logging.INFO):
        prepared = prepare([blue, *curves[1:]], t21)
    assert prepared.dropped == [("bessellux",), (), ()]
    assert "band bessellux left out of 1 supernovae" in caplog.text
    assert len(prepared.light_curves[0]) == 21
    table = prepared.statistics()
    assert table["dropped_bands"].tolist() == ["bessellux", "", ""]
    assert table["n_observations"].tolist() == [21, 28, 28]
    only = replace(curves[1], bands=("bessellux", "bessellux", "bessellux", "bessellux"))
    reason = failure([curves[0], only, curves[2]], t21)
    assert reason.endswith("bands outside the model: bessellux")


def test_bands_to_drop(curves, t21):
    prepared = prepare(curves, t21, Preparation(drop_bands=("ps1::g",)))
    assert prepared.dropped == [("ps1::g",)] * 3
    for lc in prepared.light_curves:
        assert set(lc.band) == set(BANDS) - {"ps1::g"}


def test_observations_that_cannot_be_used_go(curves, t21):
    lc = curves[0]
    flux, error = lc.flux.copy(), lc.flux_err.copy()
    flux[0], error[1], error[2] = NAN, 0.0, np.inf
    limit = np.zeros(len(lc), dtype=bool)
    limit[3] = True
    spoiled = replace(lc, flux=flux, flux_err=error, upper_limit=limit)
    (found,) = prepare([spoiled], t21).light_curves
    assert len(found) == len(lc) - 4
    assert np.isin(found.flux, lc.flux[4:]).all()


def test_zero_point_becomes_ours(curves, t21):
    (found,) = prepare([curves[0].with_zeropoint(25.0)], t21).light_curves
    np.testing.assert_allclose(found.flux, curves[0].flux)


def test_brightest_observation_stands_in_for_the_peak(curves, t21):
    lost = replace(curves[0], peak_mjd=NAN)
    (found,) = prepare([lost], t21, Preparation(peak="brightest")).light_curves
    assert found.peak_mjd == lost.time[lost.flux.argmax()]
    # The header's is preferred.
    (found,) = prepare(curves[:1], t21, Preparation(peak="brightest")).light_curves
    assert found.peak_mjd == curves[0].peak_mjd
    faint = replace(lost, flux_err=lost.flux)
    with pytest.raises(DataError, match="no peak_mjd"):
        prepare([faint], t21, Preparation(peak="brightest"))


def test_milky_way_dust_of_those_that_have_none(curves, t21):
    curves[1] = replace(curves[1], mwebv=NAN)
    found = prepare(curves, t21, Preparation(mwebv=0.03)).light_curves
    assert [lc.mwebv for lc in found] == [curves[0].mwebv, 0.03, curves[2].mwebv]


def test_expected_distance_uses_the_cmb_frame_where_it_is_known(curves, t21):
    curves[1] = replace(curves[1], meta={"REDSHIFT_CMB": 0.05})
    muhat = prepare(curves, t21, headers={"SN002": {"redshift_cmb": 0.06}}).muhat
    for found, z in zip(muhat, (curves[0].redshift, 0.05, 0.06), strict=True):
        assert found == pytest.approx(float(Cosmology().distmod(np.float64(z))))


def test_header_tables(tmp_path, curves, t21):
    path = tmp_path / "headers.txt"
    path.write_text(
        "SNID SEARCH_PEAKMJD REDSHIFT_HELIO files\n"
        "SN000 57001.5 0.031 a/b/one.txt\n"
        "other 57003.0 0.042 old/SN001.txt,new/more.txt\n"
    )
    headers = read_headers(path)
    by_name, by_file, nothing = (find_header(headers, lc) for lc in curves)
    assert by_name == {"peak_mjd": 57001.5, "redshift": 0.031}
    assert by_file == {"peak_mjd": 57003.0, "redshift": 0.042}
    assert nothing == {}
    found = prepare(curves, t21, headers=headers).light_curves
    assert [lc.peak_mjd for lc in found] == [57001.5, 57003.0, curves[2].peak_mjd]
    assert [lc.redshift for lc in found] == [0.031, 0.042, curves[2].redshift]


def test_header_tables_with_commas_and_gaps(tmp_path, curves, t21):
    path = tmp_path / "headers.csv"
    path.write_text("CID,PEAKMJD,MWEBV,comment\nSN000,,0.5,x\nSN001,57002.0,,y\n")
    found = prepare(curves, t21, headers=read_headers(path)).light_curves
    assert [lc.mwebv for lc in found] == [0.5, curves[1].mwebv, curves[2].mwebv]
    assert [lc.peak_mjd for lc in found[:2]] == [curves[0].peak_mjd, 57002.0]


def test_header_tables_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"none\.txt: no such file"):
        read_headers(tmp_path / "none.txt")
    path = tmp_path / "t.txt"
    path.write_text("name PEAKMJD\nSN0 57000\n")
    with pytest.raises(DataError, match="no column SNID, CID or object_id"):
        read_headers(path)
    path.write_text("SNID PEAKMJD\nSN0 soon\n")
    with pytest.raises(DataError, match="soon"):
        read_headers(path)


def test_unknown_bands_are_named(curves, t21):
    wrong = replace(curves[0], bands=("ps1::g", "ps1::rr", "ps1::i", "ps1::z"))
    with pytest.raises(ConfigError, match=r"ps1::rr.*ps1::r"):
        prepare([wrong], t21)
    with pytest.raises(ConfigError, match="ps1::gg"):
        Preparation(drop_bands=("ps1::gg",))


def test_nothing_left_is_an_error(curves, t21):
    lost = [replace(lc, redshift=NAN) for lc in [*curves, *curves]]
    with pytest.raises(DataError, match=r"SN000: no redshift in data/SN000.*\(and 3 more\)"):
        prepare(lost, t21)
    with pytest.raises(DataError, match="no light curves"):
        prepare([], t21)


def test_options_that_are_not_accepted():
    with pytest.raises(ConfigError, match="peak=first: accepted are header, brightest"):
        Preparation(peak="first")
    with pytest.raises(ConfigError, match="min_observations=0"):
        Preparation(min_observations=0)


def test_take(curves, t21):
    curves[0] = replace(curves[0], redshift=NAN)
    part = prepare(curves, t21).take([1])
    assert [lc.object_id for lc in part.light_curves] == ["SN002"]
    assert len(part.muhat) == len(part.dropped) == 1
    assert part.failures == []


def test_light_curves_from_whatever_there_is(curves, tmp_path):
    assert as_light_curves(curves[0]) == [curves[0]]
    assert as_light_curves(tuple(curves)) == curves
    batch = LightCurveBatch.from_light_curves(curves)
    assert [lc.object_id for lc in as_light_curves(batch)] == batch.object_id
    from sntorch.data.io import write

    path = tmp_path / "one.ecsv"
    write([curves[0]], path)
    for source in (path, str(path)):
        (found,) = as_light_curves(source)
        assert isinstance(found, LightCurve)
        assert sorted(found.flux) == pytest.approx(sorted(curves[0].flux))
