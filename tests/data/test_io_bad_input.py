"""Bad input of every kind, in every format: one line that names the file and what is accepted."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sntorch.atomic import atomic_write
from sntorch.data.io import FORMATS, guess_format, parquet, read, write
from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.errors import DataError, SntorchWarning

NAMES = {
    "snana": "set",
    "snana_fits": "X_HEAD.FITS.gz",
    "sncosmo": "set.ecsv",
    "plasticc": "x_lightcurves.csv.gz",
    "parquet": "set.parquet",
    "csv": "set.csv",
}
FORMAT_NAMES = list(NAMES)


def light_curve(name: str = "1", band: str = "lsstr", **changes: object) -> LightCurve:
    n = 6
    columns = {
        "time": 55000.0 + np.arange(n),
        "flux": np.linspace(10.0, 200.0, n),
        "flux_err": np.full(n, 5.0),
    }
    for key, (row, value) in changes.items():  # pyright: ignore[reportGeneralTypeIssues]
        columns[key] = columns[key].copy()
        columns[key][row] = value
    lc = LightCurve.from_arrays(name, **columns, band=[band] * n, survey="LSST", redshift=0.1)
    return lc


def saved(tmp_path: Path, format: str, light_curves: Iterable[LightCurve]) -> Path:
    path = tmp_path / NAMES[format]
    write(light_curves, path, format=format)
    return path


BAD = {
    "nan flux": (light_curve(flux=(2, np.nan)), "flux is nan"),
    "infinite time": (light_curve(time=(5, np.inf)), "time is inf"),
    "zero error": (light_curve(flux_err=(1, 0.0)), "flux_err is 0; a positive error"),
    "negative error": (light_curve(flux_err=(0, -3.0)), "flux_err is -3; a positive error"),
    "JD": (light_curve(time=(slice(None), 2455000.5 + np.arange(6))), "look like JD; MJD = JD"),
    "negative MJD": (light_curve(time=(slice(None), -5.0 - np.arange(6))), "are no MJD; accepted"),
    "absurd MJD": (light_curve(time=(3, 999999.0)), "are no MJD; accepted are 10000 to 100000"),
}


@pytest.mark.parametrize("format", FORMAT_NAMES)
@pytest.mark.parametrize("kind", list(BAD))
def test_bad_object_alone_is_an_error(tmp_path: Path, format: str, kind: str) -> None:
    bad, words = BAD[kind]
    path = saved(tmp_path, format, [bad])
    with pytest.raises(DataError, match=words) as caught:
        read(path, format=format)
    assert "\n" not in str(caught.value)
    assert path.name.split(".")[0].split("_")[0] in str(caught.value)


@pytest.mark.parametrize("format", FORMAT_NAMES)
@pytest.mark.parametrize("kind", list(BAD))
def test_bad_object_among_good_ones_is_left_out(tmp_path: Path, format: str, kind: str) -> None:
    bad, words = BAD[kind]
    bad = LightCurve(**{**vars(bad), "object_id": "13"})
    path = saved(tmp_path, format, [light_curve("7"), bad, light_curve("21")])
    with pytest.warns(SntorchWarning, match="left out 1 of 3 objects") as caught:
        found = read(path, format=format)
    assert len(caught) == 1
    assert [lc.object_id for lc in found] == ["7", "21"] or format == "snana"
    assert len(found) == 2
    assert len(found.skipped) == 1
    assert "13" in found.skipped[0]
    with pytest.raises(DataError, match=words):
        read(path, format=format, strict=True)


@pytest.mark.parametrize("format", FORMAT_NAMES)
@pytest.mark.parametrize("kind", ["nan flux", "zero error"])
def test_bad_rows_can_be_dropped(tmp_path: Path, format: str, kind: str) -> None:
    path = saved(tmp_path, format, [BAD[kind][0]])
    with pytest.warns(SntorchWarning, match="dropped 1 bad observations"):
        (lc,) = read(path, format=format, bad_rows="drop")
    assert len(lc) == 5


@pytest.mark.parametrize("format", FORMAT_NAMES)
def test_repeated_rows(tmp_path: Path, format: str) -> None:
    good = light_curve()
    twice = good.keep(np.array([0, 1, 1, 2, 3, 4, 5]))
    path = saved(tmp_path, format, [twice])
    with pytest.warns(SntorchWarning, match="dropped 1 repeated observations, the first in"):
        (lc,) = read(path, format=format)
    assert len(lc) == 6
    with pytest.raises(DataError, match=r"row 3 .*repeats an earlier row"):
        read(path, format=format, strict=True)


def test_two_exposures_at_one_time_are_kept(tmp_path: Path) -> None:
    lc = light_curve(time=(1, 55000.0))
    assert len(read(saved(tmp_path, "csv", [lc]))[0]) == 6


@pytest.mark.parametrize("format", ["snana", "snana_fits", "sncosmo", "parquet", "csv"])
def test_unknown_band(tmp_path: Path, format: str) -> None:
    path = saved(tmp_path, format, [light_curve(band="lsstq")])
    with pytest.raises(DataError, match="unknown band 'lsstq'") as caught:
        read(path, format=format)
    assert "bands=" in str(caught.value)
    (lc,) = read(path, format=format, bands={"lsstq": "lssti"})
    assert set(lc.band) == {"lssti"}


@pytest.mark.parametrize("format", ["snana", "snana_fits", "parquet"])
def test_empty_light_curve(tmp_path: Path, format: str) -> None:
    good = light_curve()
    empty = LightCurve(**{**vars(good.keep(np.zeros(6, dtype=bool))), "object_id": "9"})
    path = saved(tmp_path, format, [good, empty])
    with pytest.warns(SntorchWarning, match="no observations; at least one is needed"):
        assert len(read(path, format=format)) == 1


@pytest.mark.parametrize("format", list(FORMATS))
def test_missing_file(tmp_path: Path, format: str) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read(tmp_path / "nothing.csv", format=format)


@pytest.mark.parametrize("format", list(FORMATS))
def test_folder_instead_of_a_file(tmp_path: Path, format: str) -> None:
    with pytest.raises(DataError, match="folder"):
        read(tmp_path, format=format)


@pytest.mark.parametrize("format", list(FORMATS))
def test_binary_junk(tmp_path: Path, format: str) -> None:
    name = {"snana": "a.dat", "talk": "t.csv"}.get(format, NAMES.get(format, ""))
    path = tmp_path / name.removesuffix(".gz")
    path.write_bytes(np.random.default_rng(1).integers(0, 256, 5000, dtype=np.uint8).tobytes())
    if format == "snana_fits":
        path.with_name("X_PHOT.FITS").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=path.name.split(".")[0]) as caught:
        read(path, format=format)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("format", list(FORMATS))
def test_empty_file(tmp_path: Path, format: str) -> None:
    name = {"snana": "a.dat", "talk": "t.csv"}.get(format, NAMES.get(format, ""))
    path = tmp_path / name.removesuffix(".gz")
    path.touch()
    if format == "snana_fits":
        path.with_name("X_PHOT.FITS").touch()
    with pytest.raises(DataError, match=path.name.split(".")[0]):
        read(path, format=format)


@pytest.mark.parametrize("format", ["snana_fits", "plasticc", "parquet"])
@pytest.mark.parametrize("part", [0.3, 0.95])
def test_truncated_file(tmp_path: Path, format: str, part: float) -> None:
    many = [light_curve(str(i)) for i in range(1, 60)]
    path = saved(tmp_path, format, many)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(DataError, match=path.name):
        read(path, format=format)


@pytest.mark.parametrize("part", [0.3, 0.7, 0.99])
def test_truncated_plain_fits(tmp_path: Path, part: float) -> None:
    many = [light_curve(str(i)) for i in range(1, 200)]
    write(many, tmp_path / "X_HEAD.FITS")
    phot = tmp_path / "X_PHOT.FITS"
    content = phot.read_bytes()
    phot.write_bytes(content[: int(part * len(content))])
    with pytest.raises(DataError, match=r"X_(PHOT|HEAD)\.FITS"):
        read(tmp_path / "X_HEAD.FITS")


def test_truncated_snana_text(tmp_path: Path) -> None:
    write([light_curve()], tmp_path / "a.dat")
    lines = (tmp_path / "a.dat").read_text().splitlines()
    (tmp_path / "a.dat").write_text("\n".join(lines[:-3]))
    with pytest.raises(DataError, match=r"NOBS is 6 but there are 4 OBS rows; .*truncated"):
        read(tmp_path / "a.dat")
    (tmp_path / "a.dat").write_text("\n".join(lines[:-2])[:-12])
    with pytest.raises(DataError, match=r"OBS row 5 has 3 values, VARLIST has 5"):
        read(tmp_path / "a.dat")


@pytest.mark.parametrize(
    ("format", "name"), [("snana", "a.dat"), ("csv", "a.csv"), ("sncosmo", "a.ecsv")]
)
def test_text_in_another_encoding(tmp_path: Path, format: str, name: str) -> None:
    write([light_curve()], tmp_path / name)
    content = (tmp_path / name).read_bytes().replace(b"LSST", "Länge".encode("latin-1"))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        read(tmp_path / name, format=format)


def test_missing_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,mjd,band,flux\nx,55000,lsstr,1\n")
    with pytest.raises(
        DataError, match=r"a.csv: missing column flux_err \(found: name, mjd, band"
    ):
        read(tmp_path / "a.csv")
    (tmp_path / "p.csv").write_text("object_id,mjd,passband,flux,flux_err\n1,55000,2,1,1\n")
    read(tmp_path / "p.csv")
    (tmp_path / "q.csv").write_text("object_id,mjd,passband,flux\n1,55000,2,1\n")
    with pytest.raises(DataError, match="missing column flux_err"):
        read(tmp_path / "q.csv", format="plasticc")
    (tmp_path / "t.csv").write_text("g_t,g,sn\n1,20,5\n")
    with pytest.raises(DataError, match="missing column g_err"):
        read(tmp_path / "t.csv", format="talk")
    text = "SNID: x\nSURVEY: LSST\nVARLIST: MJD FLT FLUXCAL\nOBS: 55000 r 1\n"
    (tmp_path / "a.dat").write_text(text)
    with pytest.raises(DataError, match=r"missing column FLUXCALERR .VARLIST has: MJD FLT FL"):
        read(tmp_path / "a.dat")


def test_missing_columns_of_binary_formats(tmp_path: Path) -> None:
    import pyarrow.parquet as pq
    from astropy.table import Table

    path = saved(tmp_path, "parquet", [light_curve()])
    pq.write_table(pq.read_table(path).drop_columns(["flux_err"]), path)
    with pytest.raises(DataError, match=r"set.parquet: missing column flux_err"):
        read(path)
    saved(tmp_path, "snana_fits", [light_curve()])
    phot = tmp_path / "X_PHOT.FITS.gz"
    table = Table.read(phot, hdu=1)
    table.remove_column("FLUXCAL")
    table.write(phot, overwrite=True)
    with pytest.raises(DataError, match=r"X_PHOT.FITS.gz: missing column FLUXCAL "):
        read(tmp_path / "X_HEAD.FITS.gz")
    phot.unlink()
    with pytest.raises(DataError, match=r"no X_PHOT.FITS or X_PHOT.FITS.gz beside it"):
        read(tmp_path / "X_HEAD.FITS.gz")
    Table({"time": [55000.0], "flux": [1.0]}).write(tmp_path / "a.ecsv")
    with pytest.raises(DataError, match=r"missing column band, fluxerr \(found: time, flux\)"):
        read(tmp_path / "a.ecsv")


def test_lists_of_different_lengths(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = saved(tmp_path, "parquet", [light_curve()])
    table = pq.read_table(path).drop_columns(["flux"])
    pq.write_table(table.append_column("flux", pa.array([[1.0, 2.0]])), path)
    with pytest.raises(DataError, match="differ in length"):
        read(path)


def test_magnitudes_in_a_flux_column(tmp_path: Path) -> None:
    mags = light_curve(
        flux=(slice(None), np.linspace(17.0, 22.0, 6)), flux_err=(slice(None), 0.05)
    )
    for name in ("a.dat", "b.csv"):
        write([mags], tmp_path / name)
    text = (tmp_path / "b.csv").read_text().replace('"zp"', '"other"')
    (tmp_path / "b.csv").write_text(text)
    for name in ("a.dat", "b.csv"):
        with pytest.raises(DataError, match="look like magnitudes"):
            read(tmp_path / name)
    assert len(read(tmp_path / "b.csv", zeropoint=27.5)) == 1


def test_survey_of_letters_is_needed(tmp_path: Path) -> None:
    text = "SNID: x\nVARLIST: MJD FLT FLUXCAL FLUXCALERR\nOBS: 55000 q 100 1\n"
    (tmp_path / "a.dat").write_text(text)
    with pytest.raises(DataError, match=r"unknown band 'q' .the file names no survey.*survey="):
        read(tmp_path / "a.dat")


def test_unknown_types_are_counted(tmp_path: Path) -> None:
    for i in range(3):
        write([light_curve(str(i))], tmp_path / f"{i}.dat")
        text = (tmp_path / f"{i}.dat").read_text().replace("SURVEY", "SNTYPE: 77\nSURVEY", 1)
        (tmp_path / f"{i}.dat").write_text(text)
    with pytest.warns(SntorchWarning, match=r"unknown types, left empty: 77 \(3\)"):
        assert {lc.type for lc in read(tmp_path)} == {""}
    with pytest.raises(DataError, match="unknown type '77'"):
        read(tmp_path, strict=True)


def test_bad_file_in_a_good_folder(tmp_path: Path) -> None:
    path = saved(tmp_path, "snana", [light_curve("1"), light_curve("2")])
    (path / "3.DAT").write_text("SURVEY: LSST\nSNID: 3\nVARLIST: MJD\n")
    with pytest.warns(SntorchWarning, match=r"left out 1 of 3 objects.*3.DAT: 3: missing column"):
        assert len(read(path)) == 2
    with pytest.raises(DataError, match="missing column"):
        read(path, strict=True)


def test_unknown_format_option_and_name(tmp_path: Path) -> None:
    path = saved(tmp_path, "csv", [light_curve()])
    with pytest.raises(DataError, match=r"unknown format 'hdf5'; accepted are snana"):
        read(path, format="hdf5")
    with pytest.raises(DataError, match="unknown option colour"):
        read(path, colour="red")
    with pytest.raises(DataError, match="bad_rows='maybe': accepted are skip, drop"):
        read(path, bad_rows="maybe")
    with pytest.raises(DataError, match="no format goes with this name"):
        write([light_curve()], tmp_path / "a.xyz")
    (tmp_path / "a.xyz").write_text("hello\n")
    with pytest.raises(DataError, match="no known light-curve format in this file"):
        guess_format(tmp_path / "a.xyz")


def test_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no light curves to write"):
        LightCurves([]).write(tmp_path / "a.parquet")
    assert not list(tmp_path.iterdir())


def half_write(path: Path) -> None:
    path.write_text("half")
    raise ZeroDivisionError


def test_nothing_half_written(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as draft:
        half_write(draft)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    with atomic_write(path) as draft:
        draft.write_text("after")
    assert path.read_text() == "after"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("format", [f for f in FORMAT_NAMES if f != "parquet"])
def test_failed_write_leaves_nothing(tmp_path: Path, format: str) -> None:
    bad = light_curve("two words", band="bessellux")
    bad.time = bad.time[:3]
    with pytest.raises((DataError, ValueError)):
        write([light_curve("1"), bad], tmp_path / NAMES[format], format=format)
    assert not list(tmp_path.iterdir())


def test_failed_stream_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[LightCurve]:
        for i in range(parquet.ROW_GROUP + 1):
            yield light_curve(str(i))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        parquet.write(broken(), tmp_path / "a.parquet")
    assert not list(tmp_path.iterdir())


def test_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match="the folder holds other files"):
        write([light_curve()], tmp_path / "out")
    assert (tmp_path / "out" / "thesis.tex").exists()
    with pytest.raises(DataError, match="is a folder, a file name is needed"):
        write([light_curve()], tmp_path / "out", format="parquet")


@pytest.mark.parametrize(
    ("readme", "extra"),
    [
        (None, None),
        ("DOCUMENTATION:\n  PURPOSE: real photometry of a survey\nDOCUMENTATION_END:\n", None),
        ("DOCUMENTATION:\n  PURPOSE: 2 light curves written by sntorch\n", None),
        ("ours", "survey.IGNORE"),
        ("ours", "b.DAT"),
    ],
)
def test_folder_of_real_snana_files_is_not_replaced(
    tmp_path: Path, readme: str | None, extra: str | None
) -> None:
    folder = tmp_path / "survey"
    write([light_curve()], folder)
    if readme is None:
        (folder / "survey.README").unlink()
    elif readme != "ours":
        (folder / "survey.README").write_text(readme)
    if extra is not None:
        (folder / extra).write_text("mine\n")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(DataError, match="the folder holds other files"):
        write([light_curve("new")], folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_truncated_gzip_of_csv(tmp_path: Path) -> None:
    content = gzip.compress(b"name,mjd,band,flux,flux_err\n" + b"x,55000,lsstr,1,1\n" * 500)
    (tmp_path / "a.csv.gz").write_bytes(content[:-20])
    with pytest.raises(DataError, match=r"a.csv.gz: damaged or truncated gzip"):
        read(tmp_path / "a.csv.gz")
