"""What is particular to one format: headers, aliases, units, letters, options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from io_strategies import any_light_curve

from sntorch.data.io import Stream, guess_format, parquet, read, write
from sntorch.data.io.snana import to_text
from sntorch.data.io.sncosmo import from_table, to_table
from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.data.magnitudes import native_system, offset
from sntorch.errors import DataError, SntorchWarning

SNANA = """\
DOCUMENTATION:
  PURPOSE: SNID: not_this_one
DOCUMENTATION_END:
SURVEY: PS1_LOWZ_COMBINED(CFA3S)   # comment
SNID:  1999ab
RA: 10.5 deg
DEC: -3.25  deg
MWEBV: 0.066 MW E(B-V)
REDSHIFT_HELIO: 0.02 +- 0.00015 (Hel)
REDSHIFT_CMB: -9 +- -9
SEARCH_PEAKMJD: 51400.5  # at brightest
SNTYPE: 1
PRIVATE(COSMO): 1
# OBS: 51399 a NULL 1 1 1
NVAR: 6
VARLIST:  FLUXCALERR FIELD MJD MAG FLUXCAL FLT
OBS: 10.5 NULL 51400.25 17.1 1000.5 b
OBS: -9 NULL 51401.25 -9 -9 c
OBS: 11.5   NULL   51402.25 17.1 -5.5 d  # trailing
END:
"""


def three(band: tuple[str, ...] = ("desg", "desr", "desg"), **header: object) -> LightCurve:
    times, flux, err = [55000.0, 55001.0, 55003.5], [100.0, 250.0, 80.0], [3.0, 4.0, 5.0]
    return LightCurve.from_arrays("1", times, flux, err, list(band), **header)


def test_snana_header_and_columns_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "a.DAT").write_text(SNANA)
    (lc,) = read(tmp_path / "a.DAT")
    assert lc.object_id == "1999ab"
    assert lc.survey == "PS1_LOWZ_COMBINED(CFA3S)"
    assert (lc.redshift, lc.redshift_err, lc.mwebv, lc.peak_mjd) == (0.02, 0.00015, 0.066, 51400.5)
    assert lc.type == "Ia"
    assert lc.time.tolist() == [51400.25, 51402.25]
    assert lc.flux.tolist() == [1000.5, -5.5]
    assert lc.band.tolist() == ["bessellb", "bessellr"]
    assert lc.meta["RA"] == 10.5
    assert lc.meta["DEC"] == -3.25
    assert np.isnan(lc.meta["REDSHIFT_CMB"])


def test_snana_old_format_equals_the_new(shared: Path) -> None:
    folder = shared / "data" / "pantheon_plus" / "CSPDR3_anthony"
    (new,) = read(folder / "CSP2_2011iv.dat")
    (old,) = read(folder / "CSP2_2011iv.dat_oldformat")
    np.testing.assert_array_equal(new.flux, old.flux)
    assert new.band.tolist() == old.band.tolist()


def test_snana_list_is_strict_about_its_names(shared: Path) -> None:
    with pytest.warns(SntorchWarning, match=r"Foundation_DR1_AT2016aj.txt: no such file"):
        light_curves = read(shared / "data" / "foundation_dr1" / "Foundation_DR1.LIST")
    assert len(light_curves) == 179


def test_snana_meta_is_written_and_read(tmp_path: Path) -> None:
    lc = three(
        survey="DES", meta={"RA": 1.5, "TRUTH_theta": -0.25, "NOTE": "ok", "bad key": "x y"}
    )
    LightCurves([lc]).write(tmp_path / "a.dat")
    (got,) = read(tmp_path / "a.dat")
    assert got.meta["RA"] == 1.5
    assert got.meta["TRUTH_theta"] == -0.25
    assert got.meta["NOTE"] == "ok"
    assert "OBS: 55000.0 g NULL 100.0 3.0" in (tmp_path / "a.dat").read_text()


def test_snana_names_of_files(tmp_path: Path) -> None:
    names = ["a/b", "a?b", "A_b", "../x"]
    light_curves = [LightCurve(**{**vars(three()), "object_id": n}) for n in names]
    write(light_curves, tmp_path / "out")
    assert sorted(lc.object_id for lc in read(tmp_path / "out")) == sorted(names)
    assert (tmp_path / "out" / "out.LIST").read_text().split() == [
        "a_b.DAT",
        "a_b_2.DAT",
        "A_b_3.DAT",
        "_x.DAT",
    ]
    write(light_curves[:1], tmp_path / "out")
    assert len(read(tmp_path / "out")) == 1


@pytest.mark.parametrize("name", ["two words", "", " x", "#1"])
def test_snana_needs_a_name_of_one_word(name: str) -> None:
    with pytest.raises(DataError, match="name of one word"):
        to_text(LightCurve(**{**vars(three()), "object_id": name}))


@settings(max_examples=25, deadline=None)
@given(any_light_curve())
def test_sncosmo_reads_our_snana_text(
    tmp_path_factory: pytest.TempPathFactory, lc: LightCurve
) -> None:
    sncosmo = pytest.importorskip("sncosmo")
    path = tmp_path_factory.mktemp("snana") / "a.dat"
    write([lc], path)
    meta, tables = sncosmo.read_snana_ascii(str(path), default_tablename="OBS")
    table = tables["OBS"]
    assert str(meta["SNID"]) == str(_as_sncosmo(lc.object_id))
    for column, values in {"MJD": lc.time, "FLUXCAL": lc.flux, "FLUXCALERR": lc.flux_err}.items():
        np.testing.assert_array_equal(np.asarray(table[column], dtype=float), values)
    assert len(table) == len(lc)
    if np.isfinite(lc.redshift):
        assert meta["REDSHIFT_HELIO"] == lc.redshift


def _as_sncosmo(word: str) -> object:
    """sncosmo turns a name that looks like a number into one."""
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def test_fits_without_a_survey_takes_it_from_the_folder(shared: Path) -> None:
    head = shared / "data" / "des_mini" / "SIM_Ia-0001_HEAD.FITS.gz"
    assert read(head, survey="PS1").bands == ("ps1::g", "ps1::i", "ps1::r", "ps1::z")
    with pytest.raises(DataError, match="name the HEAD file"):
        read(head.with_name("SIM_Ia-0001_PHOT.FITS.gz"))


def test_fits_pointers_and_markers(tmp_path: Path) -> None:
    from astropy.io import fits

    write(
        [three(survey="DES"), LightCurve(**{**vars(three(survey="DES")), "object_id": "2"})],
        tmp_path / "X_HEAD.FITS",
    )
    head: Any = fits.getdata(tmp_path / "X_HEAD.FITS")
    phot: Any = fits.getdata(tmp_path / "X_PHOT.FITS")
    assert head["PTROBS_MIN"].tolist() == [1, 5]
    assert head["PTROBS_MAX"].tolist() == [3, 7]
    assert phot["MJD"][[3, 7]].tolist() == [-777.0, -777.0]
    assert [s.strip() for s in phot["FLT"]] == ["g", "r", "g", "-"] * 2
    with pytest.raises(DataError, match="one survey a file"):
        write([three(), three(survey="DES")], tmp_path / "Y_HEAD.FITS")


def test_fits_is_read_by_sncosmo(tmp_path: Path) -> None:
    sncosmo = pytest.importorskip("sncosmo")
    lc = three(survey="DES", redshift=0.25)
    write([lc], tmp_path / "X_HEAD.FITS")
    (table,) = sncosmo.read_snana_fits(
        str(tmp_path / "X_HEAD.FITS"), str(tmp_path / "X_PHOT.FITS")
    )
    np.testing.assert_array_equal(table["FLUXCAL"], lc.flux)
    assert table.meta["REDSHIFT_HELIO"] == 0.25


@pytest.mark.parametrize(
    "names",
    [
        ("mjd", "filter", "flux", "flux_error", "zeropt", "magsys"),
        ("Date", "FLT", "F", "FE", "ZPT", "ZPMAGSYS"),
        ("mjdobs", "bandpass", "flux", "fluxerror", "zero_point", "zpsys"),
    ],
)
def test_sncosmo_aliases(names: tuple[str, ...]) -> None:
    table = to_table(three())
    for old, new in zip(("time", "band", "flux", "fluxerr", "zp", "zpsys"), names, strict=True):
        table.rename_column(old, new)
    assert from_table(table) == three()


def test_sncosmo_zero_points_and_systems() -> None:
    table = to_table(three())
    table["zp"] = [25.0, 27.5, 25.0]
    lc = from_table(table)
    assert lc.zeropoint == 27.5
    np.testing.assert_allclose(lc.flux, [1000.0, 250.0, 800.0])
    table["zpsys"] = ["vega", "vega", "vega"]
    shift = offset("desg", "vega")
    assert shift == pytest.approx(-0.1, abs=0.05)
    np.testing.assert_allclose(from_table(table).flux[0], 1000.0 * 10 ** (-0.4 * shift))
    table["zpsys"] = ["st", "st", "st"]
    with pytest.raises(DataError, match="magnitude system 'st' is not known"):
        from_table(table)


def test_sncosmo_agrees_on_flux_in_ab(shared: Path) -> None:
    """A CSP flux in its natural system, as sncosmo and as we bring it to AB."""
    sncosmo = pytest.importorskip("sncosmo")
    assert native_system("cspb") == ("bd17", 9.896)
    table = to_table(three(("cspb", "cspb", "cspb")))
    assert table["zp"][0] == pytest.approx(27.5 - 9.896)
    ab = sncosmo.photdata.photometric_data(table).normalized(zp=25.0, zpsys="ab")
    back = to_table(three(("cspb", "cspb", "cspb")))
    back["flux"], back["fluxerr"] = ab.flux, ab.fluxerr
    back["zp"], back["zpsys"] = 25.0, "ab"
    # The two use other versions of BD+17's spectrum and other quadratures.
    np.testing.assert_allclose(from_table(back).with_zeropoint(27.5).flux, three().flux, rtol=0.02)


def test_vega_to_ab_offsets_are_blanton_and_roweis() -> None:
    """m_AB - m_Vega of the Bessell and SDSS bands, Blanton & Roweis 2007, table 1."""
    known = {
        "bessellux": 0.79,
        "bessellb": -0.09,
        "bessellv": 0.02,
        "bessellr": 0.21,
        "besselli": 0.45,
    }
    for band, value in known.items():
        assert -offset(band, "ab") == pytest.approx(value, abs=0.04)
    for band, value in {"sdssg": -0.08, "sdssr": 0.16, "sdssi": 0.37, "sdssz": 0.54}.items():
        assert offset(band, "vega") == pytest.approx(value, abs=0.04)


def test_masked_cells_of_a_table_are_missing() -> None:
    from astropy.table import Table

    table = Table(to_table(three()), masked=True)
    column: Any = table["flux"]
    column.mask = [False, True, False]
    with pytest.raises(DataError, match="flux is nan"):
        from_table(table)


def test_parquet_columns_and_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    monkeypatch.setattr(parquet, "ROW_GROUP", 2)
    light_curves = [
        LightCurve(**{**vars(three(meta={"a": [1, 2]})), "object_id": str(i)}) for i in range(5)
    ]
    write(light_curves, tmp_path / "a.parquet")
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3
    table = pq.read_table(tmp_path / "a.parquet")
    assert table["time"].to_pylist()[0] == [55000.0, 55001.0, 55003.5]
    assert table["band"].to_pylist()[0] == ["desg", "desr", "desg"]
    first = next(iter(Stream(tmp_path / "a.parquet")))
    assert first == light_curves[0]
    assert first.meta == {"a": [1, 2]}
    assert list(read(tmp_path)) == light_curves


def test_a_stream_reads_what_read_reads_in_chunks(tmp_path: Path) -> None:
    curves = [LightCurve(**{**vars(three()), "object_id": str(i)}) for i in range(5)]
    write(curves, tmp_path / "a.parquet")
    write(curves[:2], tmp_path / "b.ecsv")
    stream = Stream(tmp_path / "a.parquet")
    assert stream.total == 5
    assert [[lc.object_id for lc in chunk] for chunk in stream.chunks(2)] == [
        ["0", "1"],
        ["2", "3"],
        ["4"],
    ]
    assert Stream(tmp_path / "b.ecsv").total is None
    assert list(Stream(tmp_path / "b.ecsv")) == curves[:2]
    with pytest.raises(DataError, match="unknown option colour"):
        Stream(tmp_path / "a.parquet", colour="red")
    with pytest.raises(DataError, match="no such file"):
        Stream(tmp_path / "none.parquet")


def test_a_stream_counts_what_it_left_out(tmp_path: Path) -> None:
    bad = three()
    bad.flux_err[:] = -1.0
    curves = [LightCurve(**{**vars(three()), "object_id": "good"}), bad]
    write(curves, tmp_path / "a.parquet")
    with pytest.warns(SntorchWarning, match="left out 1 of 2 objects"):
        assert [lc.object_id for lc in Stream(tmp_path / "a.parquet")] == ["good"]
    write(curves[1:], tmp_path / "a.parquet")
    with pytest.raises(DataError, match="flux_err"):
        list(Stream(tmp_path / "a.parquet"))


def test_parquet_missing_meta_is_valid_json(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write([three(meta={"mass": float("nan"), "ra": 1.5})], tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet")["meta"].to_pylist() == [
        '{"mass": null, "ra": 1.5}'
    ]
    assert np.isnan(read(tmp_path / "a.parquet")[0].meta["mass"])


def test_snana_spectra_after_the_photometry_are_left_alone(tmp_path: Path) -> None:
    spectra = "END_PHOTOMETRY:\nNSPECTRA: 1\nVARNAMES_SPEC: LAM FLAM\nSPEC: 4000 1\nEND:\n"
    (tmp_path / "a.DAT").write_text(SNANA.removesuffix("END:\n") + spectra)
    (lc,) = read(tmp_path / "a.DAT")
    assert "NSPECTRA" not in lc.meta


def test_parquet_with_a_nested_column(tmp_path: Path) -> None:
    """As nested-pandas and LSDB write: one struct of lists, and columns that we do not know."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = {
        "time": [55000.0, 55001.0],
        "flux": [1.0, 2.0],
        "flux_err": [1.0, 1.0],
        "band": ["ztfg", "ztfr"],
    }
    table = pa.table({"object_id": [7], "lightcurve": [rows], "ra": [1.5]})
    pq.write_table(table, tmp_path / "a.parquet")
    (lc,) = read(tmp_path / "a.parquet")
    assert lc.object_id == "7"
    assert lc.band.tolist() == ["ztfg", "ztfr"]
    assert lc.zeropoint == 27.5
    assert lc.meta == {"ra": 1.5}


CSV = """\
# a comment
name, mjd, band, magnitude, e_magnitude, system, upperlimit, type, redshift
SN1, 55001.5, B, 20.0, 0.1, Vega, , Ia, 0.1
SN1, 55002.5, r, 21.0, , AB, T, Ia, 0.1
SN2, 55003.5, r, 99.0, 0.1, AB, , II P, 0.2
SN1, 55000.5, r, 21.5, 0.2, AB, , Ia, 0.1
SN2, 55004.5, r, 22.5, 0.2, , , II P, 0.2
"""


def test_csv_of_magnitudes_with_limits(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    bands = {"B": "bessellb", "r": "sdssr"}
    with pytest.warns(SntorchWarning, match="dropped 1 bad observations"):
        one, two = read(tmp_path / "a.csv", bands=bands, bad_rows="drop")
    assert (one.object_id, one.type, one.redshift) == ("SN1", "Ia", 0.1)
    assert (two.object_id, two.type, two.redshift) == ("SN2", "IIP", 0.2)
    assert one.upper_limit is not None
    assert one.upper_limit.tolist() == [False, True, False]
    np.testing.assert_allclose(one.flux, 10 ** (-0.4 * (np.array([20.0, 21.0, 21.5]) - 27.5)))
    np.testing.assert_allclose(one.flux_err[0] / one.flux[0], 0.1 * np.log(10) / 2.5)
    np.testing.assert_allclose(one.flux_err[1], one.flux[1] / 3)
    assert len(two) == 1


def test_csv_of_limits_by_sign_and_of_junk(tmp_path: Path) -> None:
    rows = "1,55000,ztfr,>20.5,\n1,55001,ztfr,19.5,0.1\n1,55002,ztfr,faint,0.1\n"
    (tmp_path / "a.csv").write_text("id,mjd,band,mag,magerr\n" + rows)
    with pytest.warns(SntorchWarning, match="dropped 1 bad observations"):
        (lc,) = read(tmp_path / "a.csv", bad_rows="drop")
    assert lc.upper_limit is not None
    assert lc.upper_limit.tolist() == [True, False]
    np.testing.assert_allclose(lc.flux, 10 ** (0.4 * np.array([7.0, 8.0])))
    (tmp_path / "b.csv").write_text("id,mjd,band,mag,magerr,system\n1,55000,ztfr,20,0.1,ST\n")
    with pytest.raises(DataError, match=r"b.csv: magnitude system 'ST' is not known; accepted"):
        read(tmp_path / "b.csv")
    with pytest.raises(DataError, match=r"unknown band 'nope'"):
        read(tmp_path / "a.csv", bands={"g": "nope"})


def test_csv_in_another_system_is_converted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mjd,band,mag,magerr\n55000,bessellb,20,0.1\n")
    (vega,) = read(tmp_path / "a.csv")
    (ab,) = read(tmp_path / "a.csv", magsys="ab")
    np.testing.assert_allclose(-2.5 * np.log10(ab.flux / vega.flux), offset("bessellb", "ab"))
    assert vega.object_id == "a"


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_csv_of_fluxes_and_named_columns(tmp_path: Path, delimiter: str) -> None:
    text = "sn,jd,filt,counts,err,zp\n007,2455000.5,ztfg,1.5,0.5,25\n".replace(",", delimiter)
    (tmp_path / "a.csv").write_text(text)
    (lc,) = read(tmp_path / "a.csv", columns={"flux": "counts", "flux_err": "err"})
    assert lc.object_id == "007"
    assert lc.time.tolist() == [55000.0]
    assert (lc.zeropoint, lc.flux[0]) == (25.0, 1.5)
    with pytest.raises(DataError, match="columns= names colour; accepted are object_id"):
        read(tmp_path / "a.csv", columns={"colour": "x"})
    with pytest.raises(DataError, match="missing column nothing"):
        read(tmp_path / "a.csv", columns={"flux": "nothing"})


def test_csv_letters_of_a_survey(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,mjd,band,flux,fluxerr\n1,55000,g,5,1\n")
    assert read(tmp_path / "a.csv", survey="ZTF").bands == ("ztfg",)
    with pytest.raises(DataError, match=r"unknown band 'g' .the file names no survey"):
        read(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"unknown band 'g' for survey BESSELL; accepted are U, B"):
        read(tmp_path / "a.csv", survey="Bessell")


def test_csv_catalog_columns(tmp_path: Path) -> None:
    rows = ["a,55000,V,17,0.1,Vega,UVOT", "a,55001,R,17,0.1,,PTF48", "a,55002,i,17,0.1,AB,GPC"]
    header = "name,mjd,band,magnitude,e_magnitude,system,instrument"
    (tmp_path / "photometry.csv").write_text("\n".join([header, *rows]) + "\n")
    (tmp_path / "objects.csv").write_text("name,type,redshift,ebv\na,IIn/Ibn,0.05,0.02\n")
    (lc,) = read(tmp_path)
    assert lc.band.tolist() == ["uvot::v", "bessellr", "ps1::i"]
    assert (lc.type, lc.redshift, lc.mwebv) == ("CC", 0.05, 0.02)
    mags = 27.5 - 2.5 * np.log10(lc.flux)
    np.testing.assert_allclose(mags, [17.0, 17.0 + offset("bessellr", "ab"), 17.0])


def test_csv_unicode_names(tmp_path: Path) -> None:
    lc = LightCurve(**{**vars(three()), "object_id": 'Ängström, "42"'})
    write([lc], tmp_path / "a.csv")
    assert list(read(tmp_path / "a.csv")) == [lc]


def test_talk_round_trip_of_the_demo(shared: Path, tmp_path: Path) -> None:
    import pandas as pd

    source = shared / "data" / "sngan_demo" / "SNe_Ic_50.csv"
    with pytest.warns(SntorchWarning, match="repeated"):
        light_curves = read(source)
    write(light_curves, tmp_path / "a.csv", format="talk")
    want, got = pd.read_csv(source), pd.read_csv(tmp_path / "a.csv")
    assert list(got.columns) == list(want.columns)
    want = want[want["sn"] != 15894102].reset_index(drop=True)  # has the repeated row
    got = got[got["sn"] != 15894102].reset_index(drop=True)
    np.testing.assert_allclose(got.to_numpy(), want.to_numpy(), rtol=1e-13)


def test_talk_shorter_bands_and_cut(tmp_path: Path) -> None:
    from sntorch.data.io import talk

    lc = three(("desg", "desr", "desg"), survey="DES", peak_mjd=55001.0)
    write([lc], tmp_path / "a.csv", format="talk")
    assert guess_format(tmp_path / "a.csv") == "talk"
    (got,) = read(tmp_path / "a.csv")
    assert sorted(got.time.tolist()) == [-1.0, 0.0, 2.5]
    assert got.peak_mjd == 0.0
    talk.write([lc], tmp_path / "b.csv", cut=True)
    assert len(read(tmp_path / "b.csv")[0]) == 2


def test_talk_leaves_out_what_has_no_magnitude(tmp_path: Path) -> None:
    peak = {"peak_mjd": 55001.0}
    faint = replace(three(), object_id="faint", flux=-np.ones(3))
    objects = [replace(three(), object_id="whole", **peak), replace(negative(), **peak), faint]
    with pytest.warns(
        SntorchWarning,
        match=r"c.csv: left out 4 observations without .* and 1 of 3 objects that have no other",
    ) as told:
        write(objects, tmp_path / "c.csv", format="talk")
    assert len(told) == 1
    found = read(tmp_path / "c.csv")
    assert [(lc.object_id, len(lc)) for lc in found] == [("whole", 3), (negative().object_id, 2)]
    with pytest.raises(DataError, match=r"d.csv: no observation with a positive flux"):
        write([faint], tmp_path / "d.csv", format="talk")
    assert not (tmp_path / "d.csv").exists()


def test_ecsv_names_units(tmp_path: Path) -> None:
    from astropy.table import Table

    for n in (1, 2):
        objects = [replace(three(), object_id=f"sn{i}") for i in range(n)]
        write(objects, tmp_path / f"{n}.ecsv")
        table = Table.read(tmp_path / f"{n}.ecsv")
        assert (str(table["time"].unit), str(table["zp"].unit)) == ("d", "mag")
        assert table["flux"].unit is None
        assert list(read(tmp_path / f"{n}.ecsv")) == objects


def negative() -> LightCurve:
    lc = three()
    lc.flux[0] = -1.0
    return lc


def test_plasticc_without_metadata(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "object_id,mjd,passband,flux,flux_err,detected_bool\n5,59000,1,2,1,0\n"
    )
    (lc,) = read(tmp_path / "a.csv")
    assert (lc.type, lc.survey, lc.bands) == ("", "PLASTICC", ("lsstg",))
    (tmp_path / "m.csv").write_text("object_id,hostgal_specz,mwebv,target\n5,-9.0,0.01,90\n")
    (lc,) = read(tmp_path / "a.csv", metadata=tmp_path / "m.csv")
    assert lc.type == "Ia"
    assert np.isnan(lc.redshift)
    assert lc.meta["target"] == 90


def test_plasticc_cannot_hold_everything(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with pytest.raises(DataError, match="names are whole numbers"):
        write([LightCurve(**{**vars(three()), "object_id": "x"})], path, format="plasticc")
    with pytest.raises(DataError, match="band 'desg' is not a passband"):
        write([three()], path, format="plasticc")
    limit = three(("lsstg",) * 3, upper_limit=[True, False, False])
    with pytest.raises(DataError, match="no upper limits"):
        write([limit], path, format="plasticc")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", ["csv", "sncosmo"])
def test_tables_need_different_names(tmp_path: Path, format: str) -> None:
    with pytest.raises(DataError, match="two objects have the same name"):
        write([three(), three()], tmp_path / "a", format=format)
