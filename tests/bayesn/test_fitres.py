"""SNANA's table of fits, read back by two parsers."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import ascii as astropy_ascii
from fake_posterior import fake_posterior

from sntorch.bayesn.fitres import fitres_table, write
from sntorch.errors import ConfigError

META = {
    "SURVEY": "FOUNDATION",
    "IDSURVEY": 150,
    "SNTYPE": 1,
    "FIELD": "deep 3",
    "REDSHIFT_FINAL": 0.0391,
    "REDSHIFT_FINAL_ERR": 0.0002,
    "VPEC": -120.5,
    "VPEC_ERR": 250.0,
    "HOSTGAL_LOGMASS": 10.25,
    "HOSTGAL_LOGMASS_ERR": 0.01,
    "SIM_DLMU": 36.1,
    "SIM_TYPE_NAME": "SN Ia",
}


def parse(path):
    """Names, and one dictionary of words for each row."""
    lines = [line.split() for line in path.read_text().splitlines()]
    (names,) = (words[1:] for words in lines if words[:1] == ["VARNAMES:"])
    rows = [words[1:] for words in lines if words[:1] == ["SN:"]]
    return names, [dict(zip(names, row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def posterior():
    return fake_posterior(3, length=30, epsilon=False)


def written(posterior, tmp_path, meta=None):
    summary = posterior.summary()
    table = fitres_table(summary[: len(posterior)], posterior.batch, meta)
    write(table, tmp_path / "out.FITRES.TEXT", posterior.failures)
    return tmp_path / "out.FITRES.TEXT", summary


def test_fitted_values_come_back(posterior, tmp_path):
    path, summary = written(posterior, tmp_path, [META] * 3)
    names, rows = parse(path)
    first = "CID IDSURVEY TYPE FIELD zHEL zHELERR zHD zHDERR VPEC VPECERR MWEBV HOST_LOGMASS"
    assert " ".join(names).startswith(first)
    assert names[-2:] == ["MEANRHAT", "MAXRHAT"]
    for i, row in enumerate(rows):
        assert row["CID"] == f"SN{i:03d}"
        for ours, theirs in (("MU_LCFIT", "mu_mean"), ("MUERR_LCFIT", "mu_sd"), ("AV", "av_mean")):
            assert float(row[ours]) == pytest.approx(summary[theirs][i], rel=1e-5)
        assert float(row["PKMJD"]) == pytest.approx(summary["peak_mjd_mean"][i], abs=1e-4)
        assert float(row["zHEL"]) == pytest.approx(float(posterior.batch.redshift[i]), rel=1e-5)
        fitted = [summary[f"{p}_rhat"][i] for p in ("ds", "theta", "av", "tmax")]
        assert float(row["MEANRHAT"]) == pytest.approx(np.mean(fitted), rel=1e-5)
        assert float(row["MAXRHAT"]) == pytest.approx(summary["rhat_max"][i], rel=1e-5)


def test_the_header_and_the_truth_are_kept(posterior, tmp_path):
    _, rows = parse(written(posterior, tmp_path, [META, {}, META])[0])
    expected = {
        "IDSURVEY": "150",
        "TYPE": "1",
        "FIELD": "deep_3",
        "zHD": "0.0391",
        "zHDERR": "0.0002",
        "VPEC": "-120.5",
        "VPECERR": "250",
        "HOST_LOGMASS": "10.25",
        "HOST_LOGMASS_ERR": "0.01",
        "SIM_DLMU": "36.1",
        "SIM_TYPE_NAME": "SN_Ia",
    }
    assert expected.items() <= rows[0].items()
    for name in set(expected) - {"FIELD", "SIM_TYPE_NAME"}:
        assert float(rows[1][name]) == -9
    assert rows[1]["FIELD"] == "NULL"


def test_a_truth_that_some_lack_or_that_is_a_word_for_some(posterior, tmp_path):
    metas = [{"SIM_x": "Ia 91bg"}, {"SIM_x": float("nan")}, {"SIM_x": 3.5, "SIM_y": None}]
    _, rows = parse(written(posterior, tmp_path, metas)[0])
    assert [row["SIM_x"] for row in rows] == ["Ia_91bg", "-9", "3.5"]
    assert [row["SIM_y"] for row in rows] == ["-9"] * 3


def test_signal_to_noise_of_the_best_three_bands(posterior, tmp_path):
    _, rows = parse(written(posterior, tmp_path)[0])
    for i, one in enumerate(posterior.batch.to_light_curves()):
        best = sorted((max(one.snr[one.band == b]) for b in one.bands), reverse=True)
        found = [float(rows[i][f"SNRMAX{k}"]) for k in (1, 2, 3)]
        np.testing.assert_allclose(found, best[:3], rtol=1e-5)


def test_bands_that_are_not_there_have_no_signal(posterior, tmp_path):
    batch = posterior.batch.where(posterior.batch.band < 2)
    summary = posterior.summary()[:3]
    table = fitres_table(summary, batch)
    assert (table["SNRMAX2"] > 0).all()
    assert (table["SNRMAX3"] == -9).all()


def test_nan_becomes_minus_nine(posterior, tmp_path):
    batch = posterior.batch[:]
    batch.redshift_err[1] = float("nan")
    summary = posterior.summary()[:3]
    summary.loc[1, "mu_sd"] = float("nan")
    table = fitres_table(summary, batch)
    write(table, tmp_path / "x.FITRES.TEXT")
    _, rows = parse(tmp_path / "x.FITRES.TEXT")
    assert rows[1]["zHELERR"] == rows[1]["MUERR_LCFIT"] == "-9"
    assert "nan" not in (tmp_path / "x.FITRES.TEXT").read_text().lower()


def test_astropy_reads_it(posterior, tmp_path):
    path, summary = written(posterior, tmp_path, [META] * 3)
    table = astropy_ascii.read(path, format="basic", comment="#", guess=False)
    assert list(table["CID"]) == posterior.batch.object_id
    np.testing.assert_allclose(table["THETA"], summary["theta_mean"][:3], rtol=1e-5)


def test_objects_that_were_not_fitted_are_comments(posterior, tmp_path):
    path, _ = written(posterior, tmp_path)
    assert "# not fitted: SNbad: 2 points, 5 are needed" in path.read_text().splitlines()


def test_headers_must_be_as_many_as_supernovae(posterior):
    with pytest.raises(ConfigError, match=r"3 supernovae.*2 headers"):
        fitres_table(posterior.summary()[:3], posterior.batch, [META] * 2)
