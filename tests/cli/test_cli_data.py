"""The verb ``data``: list, fetch, convert, and its one-line errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from sntorch.cli.data import main
from sntorch.data import catalog
from sntorch.data.io import read
from sntorch.errors import ConfigError, DataError, SntorchError


def test_list(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(catalog.CACHE_VARIABLE, str(tmp_path))
    (tmp_path / "plasticc").mkdir()
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert str(tmp_path) in lines[0]
    assert any(line.strip().startswith("plasticc") and "[here]" in line for line in lines)
    assert any("des_mini" in line and "needs --from PATH" in line for line in lines)
    assert any(line.strip().startswith("parquet") for line in lines)


def test_fetch_from_a_local_copy(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = str(shared / "data" / "foundation_dr1")
    assert main(["fetch", "foundation_dr1", "--from", source, "--to", str(tmp_path / "f")]) == 0
    assert "cite: Foley+18" in capsys.readouterr().out
    assert len(read(tmp_path / "f")) == 180


@pytest.mark.parametrize("target", ["out.parquet", "out.ecsv", "out.csv.gz", "X_HEAD.FITS", "out"])
def test_convert(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    source = shared / "data" / "foundation_dr1_nocosmo"
    assert main(["convert", str(source), str(tmp_path / target), "strict=true"]) == 0
    assert "45 objects, 1465 observations in ps1::g" in capsys.readouterr().out
    assert sorted(lc.object_id for lc in read(tmp_path / target)) == sorted(
        lc.object_id for lc in read(source)
    )


def test_convert_with_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "1,55000,q,5,1\n1,55001,q,nan,1\n2,55001,r,nan,1\n"
    (tmp_path / "a.csv").write_text("id,mjd,band,flux,fluxerr\n" + rows)
    words = ["survey=ZTF", "bands.q=ztfi", "bad_rows=drop", "format=csv", "to_format=sncosmo"]
    assert main(["convert", str(tmp_path / "a.csv"), str(tmp_path / "b.tbl"), *words]) == 0
    out, err = capsys.readouterr()
    assert "1 objects, 1 observations in ztfi, 1 objects left out" in out
    assert "left out 1 of 2 objects" in err
    assert "dropped 2 bad observations" in err
    assert read(tmp_path / "b.tbl", format="sncosmo")[0].band.tolist() == ["ztfi"]


def test_strict_conversion_writes_nothing(tmp_path: Path) -> None:
    rows = "1,55000,ztfg,5,1\n2,55001,ztfr,nan,1\n"
    (tmp_path / "a.csv").write_text("id,mjd,band,flux,fluxerr\n" + rows)
    with pytest.raises(DataError, match=r"a.csv: 2: row 1 \(ztfr\): flux is nan"):
        main(["convert", str(tmp_path / "a.csv"), str(tmp_path / "b.parquet"), "strict=true"])
    assert not (tmp_path / "b.parquet").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "list | fetch | convert"),
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["fetch"], "NAME"),
        (["fetch", "sdss"], "no data set 'sdss'"),
        (["fetch", "des_mini", "--to", "x"], "no public address"),
        (["convert", "a"], "OUT"),
        (["convert", "a.csv", "b.csv", "colour=red"], "'colour=red'; accepted are KEY=VALUE"),
        (["convert", "a.csv", "b.csv", "strict=maybe"], "accepted are true and false"),
        (["convert", "nothing.csv", "b.csv"], "nothing.csv: no such file"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SntorchError) as caught:
        main(words)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, (ConfigError, DataError))
    assert not list(tmp_path.iterdir())
