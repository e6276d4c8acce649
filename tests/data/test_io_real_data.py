"""Every light curve under shared/data, counted by another reader as well."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sntorch.data.io import read
from sntorch.data.light_curve import LightCurves
from sntorch.errors import SntorchWarning

sncosmo = pytest.importorskip("sncosmo")

SNANA_FOLDERS = (
    "foundation_dr1",
    "foundation_dr1_nocosmo",
    "pantheon_plus/CSPDR3_anthony",
    "pantheon_plus/CfA3_DJ20",
)


def quiet(path: Path, **options: object) -> LightCurves:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SntorchWarning)
        return read(path, **options)  # pyright: ignore[reportArgumentType]


def snana_files(folder: Path) -> list[Path]:
    sides = (".LIST", ".README", ".IGNORE")
    return [
        p for p in sorted(folder.iterdir()) if p.suffix not in sides and p.name != "T21_sample.txt"
    ]


@pytest.mark.parametrize("name", SNANA_FOLDERS)
def test_snana_files_against_sncosmo(shared: Path, name: str) -> None:
    folder = shared / "data" / name
    for path in snana_files(folder):
        (lc,) = quiet(path, format="snana")
        meta, tables = sncosmo.read_snana_ascii(str(path), default_tablename="OBS")
        table = tables["OBS"].to_pandas()
        repeated = table.duplicated(["MJD", "FLT", "FLUXCAL", "FLUXCALERR"])
        kept = table[~repeated]
        assert lc.object_id == str(meta["SNID"])
        np.testing.assert_array_equal(lc.time, kept["MJD"].to_numpy(float))
        np.testing.assert_array_equal(lc.flux, kept["FLUXCAL"].to_numpy(float))
        np.testing.assert_array_equal(lc.flux_err, kept["FLUXCALERR"].to_numpy(float))
        assert lc.redshift == meta["REDSHIFT_HELIO"]
        assert lc.mwebv == meta["MWEBV"]
        assert lc.peak_mjd == meta.get("PEAKMJD", meta.get("SEARCH_PEAKMJD"))


COUNTS = list(zip(SNANA_FOLDERS, (180, 45, 136, 186), strict=True))


@pytest.mark.parametrize(("name", "n"), COUNTS)
def test_snana_folders(shared: Path, name: str, n: int) -> None:
    folder = shared / "data" / name
    light_curves = quiet(folder)
    files = [p for p in snana_files(folder) if p.suffix != ".dat_oldformat"]
    assert len(light_curves) == len(files) == n
    assert not light_curves.skipped
    assert all(np.isfinite(lc.redshift) for lc in light_curves)


def test_foundation_is_clean(shared: Path) -> None:
    light_curves = read(shared / "data" / "foundation_dr1", strict=True)
    assert light_curves.bands == ("ps1::g", "ps1::i", "ps1::r", "ps1::z")
    assert {lc.type for lc in light_curves} == {"Ia"}
    assert light_curves.n_observations == 5709


def test_pantheon_plus_as_one_folder(shared: Path) -> None:
    with pytest.warns(SntorchWarning, match="dropped 4 repeated observations"):
        light_curves = read(shared / "data" / "pantheon_plus")
    assert len(light_curves) == 136 + 186


def test_des_mini_against_astropy(shared: Path) -> None:
    from astropy.io import fits

    folder = shared / "data" / "des_mini"
    light_curves = read(folder, strict=True)
    assert {lc.survey for lc in light_curves} == {"DES"}
    found = {lc.object_id: lc for lc in light_curves}
    total = 0
    for kind in ("Ia", "NONIa"):
        head: Any = fits.getdata(folder / f"SIM_{kind}-0001_HEAD.FITS.gz")
        phot: Any = fits.getdata(folder / f"SIM_{kind}-0001_PHOT.FITS.gz")
        total += len(head)
        flux = np.asarray(phot["FLUXCAL"], dtype=float)
        for snid, first, last, n in zip(
            head["SNID"], head["PTROBS_MIN"], head["PTROBS_MAX"], head["NOBS"], strict=True
        ):
            lc = found[str(snid).strip()]
            assert len(lc) == n
            np.testing.assert_array_equal(lc.flux, flux[first - 1 : last])
    assert len(light_curves) == total == 8000
    kinds = Counter(lc.type for lc in light_curves)
    assert (kinds["Ia"], kinds["Ic"]) == (4000, 708)


def test_plasticc_against_pandas(shared: Path) -> None:
    folder = shared / "data" / "plasticc"
    rows = pd.read_csv(folder / "plasticc_train_lightcurves.csv.gz")
    objects = pd.read_csv(folder / "plasticc_train_metadata.csv.gz").set_index("object_id")
    light_curves = read(folder, strict=True)
    assert light_curves.n_observations == len(rows) == 1_421_705
    counts = rows.groupby("object_id").size()
    assert {int(lc.object_id): len(lc) for lc in light_curves} == counts.to_dict()
    flux = np.concatenate([lc.flux for lc in light_curves])
    np.testing.assert_allclose(flux.sum(), rows["flux"].sum(), rtol=1e-9)
    names = {90: "Ia", 67: "Ia-91bg", 52: "Iax", 42: "II", 62: "Ibc", 95: "SLSN-I", 15: "TDE"}
    for lc in light_curves[::500]:
        row: Any = objects.loc[int(lc.object_id)]
        assert lc.redshift == row["hostgal_specz"]
        assert names.get(int(row["target"]), lc.type) == lc.type


def test_osc_against_pandas(shared: Path) -> None:
    folder = shared / "data" / "osc_2010_2014"
    rows = pd.read_csv(folder / "photometry.csv.gz", keep_default_na=False)
    objects = pd.read_csv(folder / "objects.csv").set_index("name")
    with pytest.warns(SntorchWarning) as caught:
        light_curves = read(folder, bad_rows="drop")
    (message,) = [str(w.message) for w in caught]
    # SN2014bi was seen on photographic plates alone, for which there is no bandpass.
    assert "left out 1 of 247 objects" in message
    bad, repeated = (int(n) for n in re.findall(r"dropped (\d+)", message))
    assert light_curves.n_observations + bad + repeated == len(rows) == 23_617
    assert bad < 0.02 * len(rows)
    assert len(light_curves) == len(objects) - 1
    counts: Any = rows["name"].value_counts()
    for lc in light_curves:
        redshift: Any = objects.loc[lc.object_id, "redshift"]
        assert lc.redshift == redshift
        assert len(lc) <= counts[lc.object_id]


def test_talk_demo_against_pandas(shared: Path) -> None:
    path = shared / "data" / "sngan_demo" / "SNe_Ic_50.csv"
    rows = pd.read_csv(path)
    with pytest.warns(SntorchWarning, match="dropped 1 repeated"):
        light_curves = read(path)
    assert len(light_curves) == rows["sn"].nunique() == 50
    assert light_curves.n_observations == 4 * len(rows) - 1
    assert {lc.type for lc in light_curves} == {"Ic"}


def test_sncosmo_spectra_and_fitres_are_no_light_curves(shared: Path) -> None:
    from sntorch.errors import DataError

    with pytest.raises(DataError, match="no known light-curve format"):
        read(shared / "data" / "Foundation_DR1.FITRES.TEXT")
