"""``sntorch fit model=salt3``: tables on disk, and one line for what is wrong."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import running
from astropy.table import Table

from sntorch.cli import fit as verb
from sntorch.data.io import read, write
from sntorch.data.light_curve import LightCurves
from sntorch.physics.cosmology import Cosmology
from sntorch.sbi.tripp_files import read_tripp

run_here = partial(running.run_here, verb)
NAN = float("nan")


@pytest.fixture(scope="module")
def files(shared, tmp_path_factory):
    """Three good supernovae, one with a band that SALT3 does not reach, and two bad ones."""
    folder = shared / "data" / "foundation_dr1"
    names = ("2016W", "ASASSN-15la", "PS15ahs")
    good = [read(folder / f"Foundation_DR1_{name}.txt")[0] for name in names]
    odd = replace(good[2], bands=tuple(b.replace("ps1::z", "2massh") for b in good[2].bands))
    lost = replace(good[0], object_id="lost", redshift=NAN)
    short = replace(good[1].keep(np.arange(len(good[1])) < 3), object_id="short")
    path = tmp_path_factory.mktemp("salt") / "sne.parquet"
    write(LightCurves([good[0], lost, good[1], short, odd]), path)
    return path


@pytest.fixture(scope="module")
def run(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert run_here(["model=salt3", f"files={files}", "out=fit", "prefix=mine"], folder) == 0
    return folder / "fit"


def test_tables_agree(run):
    table = pd.read_parquet(run / "salt3.parquet")
    assert table["CID"].tolist() == ["2016W", "ASASSN-15la", "PS15ahs"]
    assert table["BAND_DROPPED"].tolist() == ["NULL", "NULL", "2massh"]
    assert table["CONVERGED"].tolist() == [1, 1, 1]
    ecsv = Table.read(run / "salt3.ecsv").to_pandas()
    pd.testing.assert_frame_equal(ecsv, table, check_dtype=False)
    lines = (run / "mine.FITRES.TEXT").read_text().splitlines()
    assert sum("# not fitted: lost: no redshift" in line for line in lines) == 1
    assert sum("# not fitted: short: too few points" in line for line in lines) == 1
    (names,) = (line.split()[1:] for line in lines if line.startswith("VARNAMES:"))
    rows = [line.split()[1:] for line in lines if line.startswith("SN:")]
    fitres = pd.DataFrame(rows, columns=names)
    for name in ("x0", "x0ERR", "x1", "c", "COV_PKMJD_x1", "FITCHI2", "FITPROB"):
        np.testing.assert_allclose(fitres[name].astype(float), table[name], rtol=1e-5)
    np.testing.assert_allclose(fitres["PKMJD"].astype(float), table["PKMJD"], rtol=0, atol=1e-4)


def test_infer_reads_the_table(run):
    table = pd.read_parquet(run / "salt3.parquet").set_index("CID")
    found = read_tripp(run / "mine.FITRES.TEXT", Cosmology(h0=70.0, om0=0.3))
    expected = table.loc[list(found.names), ["mB", "x1", "c"]].to_numpy()
    np.testing.assert_allclose(found.data[0], expected, rtol=1e-4)
    errors = found.covariance.diagonal(dim1=-2, dim2=-1).sqrt()[:, 1:]
    np.testing.assert_allclose(errors, table.loc[list(found.names), ["x1ERR", "cERR"]], rtol=1e-4)


def test_parameters_are_like_the_published_ones(run, shared):
    table = pd.read_parquet(run / "salt3.parquet").head(2)
    lines = (shared / "data" / "Foundation_DR1.FITRES.TEXT").read_text().splitlines()
    (names,) = (line.split()[1:] for line in lines if line.startswith("VARNAMES:"))
    rows = [line.split()[1:] for line in lines if line.startswith("SN:")]
    published = pd.DataFrame(rows, columns=names).set_index("CID").loc[table["CID"]]
    for name, near in (("x1", 0.6), ("c", 0.1), ("PKMJD", 1.2), ("zHEL", 1e-4)):
        off = table[name].to_numpy() - published[name].astype(float).to_numpy()
        assert (np.abs(off) < near).all(), name


def test_header_table_and_dropped_bands(files, tmp_path):
    (tmp_path / "better.txt").write_text("SNID REDSHIFT_HELIO\nlost 0.01925\n")
    words = ["headers=better.txt", "only_headers=true", "preparation.drop_bands=[ps1::z]"]
    arguments = ["model=salt3", "model.model_covariance=true", f"files={files}", "out=fit", *words]
    assert run_here(arguments, tmp_path) == 0
    table = pd.read_parquet(tmp_path / "fit" / "salt3.parquet")
    assert table["CID"].tolist() == ["lost"]
    assert table["NFIT"].item() > 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["sampler=vi"], "sampler=vi: of BayeSN's fits"),
        (["preparation.peak=brightest"], "preparation.peak=brightest: of BayeSN's"),
        (["model.phase_range=[40,-10]"], "phase_range=[40, -10]: two increasing numbers"),
        (["model.source=hsiao"], "source hsiao is no SALT"),
        (["model.min_snr=1e9"], "no supernova can be fitted: 2016W: no detection"),
        (["model.chunk=0"], "chunk=0"),
    ],
)
def test_one_line_for_what_is_wrong(files, tmp_path, capsys, words, line):
    assert run_here(["model=salt3", f"files={files}", "out=fit", *words], tmp_path) == 2
    err = capsys.readouterr().err
    assert line in err
    assert err.count("\n") == 1
