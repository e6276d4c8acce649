"""``sntorch fit``: what it leaves on disk, its one-line errors, and a kill in the middle."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import running
import torch
import yaml
from running import files_in, finished
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sntorch.bayesn import Posterior
from sntorch.cli import fit as verb
from sntorch.data.io import write
from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.physics.bandpasses import get_bandpass
from sntorch.physics.cosmology import Cosmology
from sntorch.physics.sed import SEDModel

BANDS = ("ps1::g", "ps1::r", "ps1::i", "ps1::z")
NAN = float("nan")
LAPLACE = "sampler=laplace"
NO_FIGURES = "figures=0"


def supernova(sed, number):
    """A simulated supernova as a file gives it."""
    rng = np.random.default_rng(number)
    z, phase = 0.02 + 0.01 * number, np.sort(rng.uniform(-8, 35, 8))
    distmod = float(Cosmology().distmod(z))
    one = {"theta": rng.normal(), "av": rng.exponential(0.2), "redshift": z, "mwebv": 0.03}
    flux = sed.flux(phase, BANDS, distmod=distmod, **one).numpy()
    error = np.hypot(0.03 * flux, 20.0)
    return LightCurve.from_arrays(
        f"SN{number}",
        np.tile(57000 + number + phase * (1 + z), len(BANDS)),
        (flux + error * rng.normal(size=flux.shape)).ravel(),
        error.ravel(),
        np.repeat(BANDS, phase.size),
        redshift=z,
        redshift_err=1e-4,
        mwebv=0.03,
        peak_mjd=57000.0 + number,
        type="Ia",
    )


@pytest.fixture(scope="module")
def curves():
    sed = SEDModel.from_name("t21")
    return [supernova(sed, i) for i in range(6)]


@pytest.fixture(scope="module")
def files(curves, tmp_path_factory):
    """A file with three good supernovae, and among them two that cannot be fitted."""
    path = tmp_path_factory.mktemp("files") / "sne.parquet"
    lost = replace(curves[3], redshift=NAN)
    short = curves[4].keep(np.arange(32) < 3)
    odd = replace(curves[2], object_id="AT 2016/ab", bands=(*BANDS[:3], "bessellux"))
    write(LightCurves([curves[0], lost, curves[1], short, odd]), path)
    return path


run_here = partial(running.run_here, verb)
start = partial(running.start, program=("-m", "sntorch.cli.main", "fit"))


def read_fitres(path):
    """Comments and rows of a FITRES table, as SNANA reads it."""
    lines = path.read_text().splitlines()
    (names,) = (line.split()[1:] for line in lines if line.startswith("VARNAMES:"))
    rows = [line.split()[1:] for line in lines if line.startswith("SN:")]
    assert all(len(row) == len(names) for row in rows)
    return [line for line in lines if line.startswith("#")], pd.DataFrame(rows, columns=names)


@pytest.fixture(scope="module")
def run(files, tmp_path_factory):
    """The folder of a run with all products."""
    folder = tmp_path_factory.mktemp("run")
    arguments = [f"files={files}", LAPLACE, "out=fit", "figures=2", "corner=[AT 2016/ab]"]
    assert run_here([*arguments, "prefix=mine"], folder) == 0
    return folder / "fit"


def test_every_supernova_has_a_row(run):
    summary = pd.read_csv(run / "summary.csv")
    assert summary["object_id"].tolist() == ["SN0", "SN1", "AT 2016/ab", "SN3", "SN4"]
    assert summary["flag"][3].startswith("not_fitted: no redshift in ")
    assert summary["flag"][4].startswith("not_fitted: too few points: 3 of 3")
    assert summary["mu_mean"].notna().tolist() == [True] * 3 + [False] * 2
    assert summary["dropped_bands"].fillna("").tolist()[:3] == ["", "", "bessellux"]
    assert summary["n_observations"].tolist()[:3] == [32, 32, 24]


def test_draws_and_tables_agree(run):
    posterior = Posterior.load(run)
    summary = pd.read_csv(run / "summary.csv").head(3)
    assert posterior.batch.object_id == summary["object_id"].tolist()
    assert posterior.failures["object_id"].tolist() == ["SN3", "SN4"]
    for name in ("mu", "ds", "theta", "av", "tmax"):
        mean = posterior.draws[name].mean((1, 2)).numpy()
        np.testing.assert_allclose(summary[f"{name}_mean"], mean, rtol=1e-6)
    comments, table = read_fitres(run / "mine.FITRES.TEXT")
    assert table["CID"].tolist() == ["SN0", "SN1", "AT_2016/ab"]
    np.testing.assert_allclose(table["MU_LCFIT"].astype(float), summary["mu_mean"], rtol=1e-5)
    np.testing.assert_allclose(table["MUERR_LCFIT"].astype(float), summary["mu_sd"], rtol=1e-5)
    peak = table["PKMJD"].astype(float)
    np.testing.assert_allclose(peak, summary["peak_mjd_mean"], rtol=0, atol=1e-4)
    assert sum("not fitted: SN3: no redshift" in line for line in comments) == 1


def test_distances_are_those_simulated(run):
    summary = pd.read_csv(run / "summary.csv").head(3)
    truth = Cosmology().distmod(np.array(summary["redshift_helio"])).numpy()
    assert (np.abs(summary["ds_mean"] - truth) < 4 * summary["ds_sd"]).all()


def test_figures_are_files_and_in_tensorboard(run):
    names = {"hubble_diagram", "light_curves/SN0", "light_curves/SN1", "corner/AT_2016_ab"}
    found = {str(p.relative_to(run / "figures"))[:-4] for p in run.rglob("*.png")}
    assert found == names
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in run.rglob("*.png"))
    board = EventAccumulator(str(run / "tensorboard")).Reload()
    assert set(board.Tags()["images"]) == names


def test_the_run_can_be_told_from_its_config(run, files):
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["files"] == str(files)
    assert config["sampler"]["sampler"] == "laplace"
    assert sorted(p.name for p in run.iterdir()) == [
        "chunks",
        "config.yaml",
        "figures",
        "mine.FITRES.TEXT",
        "posterior.nc",
        "summary.csv",
        "tensorboard",
    ]


def test_failures_are_in_the_log(files, tmp_path, capsys):
    assert run_here([f"files={files}", LAPLACE, "out=fit", NO_FIGURES], tmp_path) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "SN3 is not fitted: no redshift in " in out
    assert "SN4 is not fitted: too few points: 3 of 3" in out
    assert "band bessellux left out of 1 supernovae" in out
    assert "3 supernovae fitted, 2 not" in out
    assert out.splitlines()[-1] == "fit"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "what to fit? files=path (a file or a folder), or data=foundation"),
        (("files=nowhere",), "nowhere: no such file or folder"),
        (("files=FILES", "model=bayesn/t22"), "'model/bayesn/t22'"),
        (
            ("files=FILES", "model=gan/recurrent"),
            "accepted are bayesn/t21, bayesn/m20, bayesn/w22",
        ),
        (("files=FILES", "model=bayesn/yaml"), "model.path"),
        (("files=FILES", "model=bayesn/yaml", "model.path=no.yaml"), "no.yaml: no such file"),
        (("files=FILES", "sampler=mcmc"), "sampler has laplace, map, nuts, vi"),
        (("files=FILES", "data=fondation"), "did you mean foundation, foundation_t21?"),
        (("files=BAND",), "unknown band 'foo::q'"),
        (("files=FILES", "bandpasses=no.yaml"), "no.yaml: no such file"),
        (("files=FILES", "headers=no.txt"), "no.txt: no such file"),
        (("files=FILES", "headers=NAMELESS"), "no column SNID, CID or object_id; found"),
        (("files=FILES", "only_headers=true"), "only_headers=true needs headers=table"),
        (("files=FILES", "out=last"), "out=last: no run in outputs/fit"),
        (("files=FILES", "out=FILES"), "the name of a folder is accepted"),
        (("files=FILES", "out=null"), "the name of a folder is accepted"),
        (("files=FILES", "options.rv_mode=foo"), "accepted are fixed, population, uniform"),
        (("files=FILES", "options.rvmode=fixed"), "options.rvmode"),
        (("files=FILES", "preparation.peak=max"), "peak=max: accepted are header, brightest"),
        (("files=FILES", "preparation.drop_bands=[nope]"), "unknown bandpass 'nope'"),
        (("files=FILES", "preparation.min_observations=99"), "no supernova can be fitted"),
        (("files=FILES", "sampler.draws=1"), "draws=1: at least 4 is accepted"),
        (("files=FILES", "survey.workers=0"), "workers=0: a whole number of at least 1"),
        (("files=FILES", "survey.chunk=all"), "chunk=all: a whole number of at least 1"),
        (("files=FILES", "survey.keep=some"), "keep=some: accepted are all, scalars"),
        (("files=FILES", "figures=many"), "figures=many: a whole number of at least 0"),
        (("files=FILES", "seed=-1"), "seed=-1: a whole number of at least 0"),
        (("files=FILES", "device=cuda:99"), "device=cuda:99: accepted here are auto, cpu"),
        (("files=FILES", "device=gpu"), "device=gpu: accepted here are auto, cpu"),
        (("files=FILES", "corner=[SN9]"), "corner=SN9: no such supernova; nearest are "),
        (("files=FILES", "corner=SN3"), "corner=SN3: it is not fitted: no redshift in "),
    ],
)
def test_mistakes_are_one_line(arguments, words, files, curves, tmp_path, capsys):
    paths = {"FILES": files, "BAND": tmp_path / "a.parquet", "NAMELESS": tmp_path / "a.txt"}
    write(LightCurves([replace(curves[0], bands=(*BANDS[:3], "foo::q"))]), paths["BAND"])
    paths["NAMELESS"].write_text("name z\nSN0 0.1\n")
    given = []
    for argument in arguments:
        key, _, value = argument.partition("=")
        given.append(f"{key}={paths.get(value, value)}")
    before = files_in(tmp_path)
    assert run_here(given, tmp_path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("sntorch: ")
    assert words in line
    assert len(line) < 1000
    assert files_in(tmp_path) == before


def test_a_wrong_model_lists_the_right_ones(files, tmp_path, capsys):
    run_here([f"files={files}", "model=bayesn/t22"], tmp_path)
    line = capsys.readouterr().err
    assert all(f"bayesn/{name}" in line for name in ("m20", "t21", "w22", "yaml"))


def test_the_only_folder_is_the_one_asked_for(files, tmp_path):
    run_here([f"files={files}", LAPLACE, NO_FIGURES, "out=fit"], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["fit"]


def test_a_folder_of_another_run_is_refused_and_left(run, files, capsys):
    before = files_in(run)
    arguments = [f"files={files}", LAPLACE, f"out={run}", "sampler.draws=300"]
    assert run_here(arguments, run.parent) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds chunks of another run (draws=250 there, 300 now)" in line
    assert files_in(run) == before


def test_a_finished_run_can_get_more_figures(files, tmp_path, monkeypatch):
    arguments = [f"files={files}", LAPLACE, NO_FIGURES]
    assert run_here(arguments, tmp_path) == 0
    (folder,) = (tmp_path / "outputs" / "fit").iterdir()
    first = (folder / "summary.csv").read_bytes()
    monkeypatch.setattr("sntorch.bayesn.survey.fit_chunk", lambda *_: pytest.fail("fitted again"))
    assert run_here([*arguments, "out=last", "corner=SN1"], tmp_path) == 0
    assert (folder / "summary.csv").read_bytes() == first
    assert (folder / "figures" / "corner" / "SN1.png").is_file()


def test_only_those_with_headers(files, tmp_path):
    (tmp_path / "h.txt").write_text("SNID SEARCH_PEAKMJD REDSHIFT_CMB\nSN1 57001.5 0.0305\n")
    arguments = [f"files={files}", LAPLACE, "headers=h.txt", "only_headers=true", "out=fit"]
    assert run_here([*arguments, "options.fix_tmax=0", NO_FIGURES], tmp_path) == 0
    (row,) = pd.read_csv(tmp_path / "fit" / "summary.csv").to_dict("records")
    assert row["object_id"] == "SN1"
    assert row["peak_mjd_mean"] == 57001.5
    assert row["muhat"] == pytest.approx(float(Cosmology().distmod(0.0305)))


def test_headers_mend_a_file(files, tmp_path):
    (tmp_path / "h.csv").write_text("CID,REDSHIFT_HELIO\nSN3,0.05\n")
    arguments = [f"files={files}", LAPLACE, "headers=h.csv", "out=fit", NO_FIGURES]
    assert run_here(arguments, tmp_path) == 0
    summary = pd.read_csv(tmp_path / "fit" / "summary.csv").set_index("object_id")
    assert summary["redshift_helio"]["SN3"] == 0.05
    assert summary["mu_mean"].notna().sum() == 4


def test_scalars_have_no_light_curves(files, tmp_path):
    arguments = [f"files={files}", LAPLACE, "survey.keep=scalars", "out=fit", "figures=3"]
    assert run_here(arguments, tmp_path) == 0
    posterior = Posterior.load(tmp_path / "fit")
    assert posterior.epsilon_dropped
    assert "epsilon" not in posterior.draws
    assert [p.name for p in (tmp_path / "fit").rglob("*.png")] == ["hubble_diagram.png"]


def test_the_mode_has_no_hubble_diagram(files, tmp_path, capsys):
    arguments = [f"files={files}", "sampler=map", "out=fit", NO_FIGURES]
    assert run_here(arguments, tmp_path) == 0
    assert "nan" not in capsys.readouterr().out
    assert pd.read_csv(tmp_path / "fit" / "summary.csv")["mu_sd"].isna().all()
    assert not list(tmp_path.rglob("*.png"))


def test_foundation(shared, tmp_path):
    folder = shared / "data" / "foundation_dr1"
    (tmp_path / "h.txt").write_text("SNID SEARCH_PEAKMJD\n2016W 57418.6\nASASSN-15bc 57044.3\n")
    arguments = ["data=foundation", f"files={folder}", LAPLACE, "out=fit", NO_FIGURES]
    assert run_here([*arguments, "headers=h.txt", "only_headers=true"], tmp_path) == 0
    summary = pd.read_csv(tmp_path / "fit" / "summary.csv")
    assert sorted(summary["object_id"]) == ["2016W", "ASASSN-15bc"]
    assert ((summary["mu_mean"] - summary["muhat"]).abs() < 0.6).all()
    comments, table = read_fitres(tmp_path / "fit" / "sntorch.FITRES.TEXT")
    assert len(comments)
    assert len(table) == 2


@pytest.mark.parametrize("program", ["dispatcher", pytest.param("script", marks=pytest.mark.slow)])
def test_from_the_shell(program, files, run, tmp_path, root):
    words = {
        "dispatcher": ("-m", "sntorch.cli.main", "fit"),
        "script": (root / "scripts" / "fit.py",),
    }[program]
    arguments = [f"files={files}", LAPLACE, "out=fit", NO_FIGURES]
    out, err = finished(start(*arguments, program=words, cwd=tmp_path))
    assert err == ""
    assert out.splitlines()[-1] == "fit"
    assert (tmp_path / "fit" / "summary.csv").read_bytes() == (run / "summary.csv").read_bytes()


@pytest.mark.slow
def test_own_bandpasses_reach_the_processes(curves, tmp_path):
    band = get_bandpass("ps1::i")
    np.savetxt(tmp_path / "own.txt", np.c_[band.wave / 10, band.transmission])
    entry = {"magsys": "ab", "magzero": 0.0, "path": "own.txt", "lam_unit": "nm"}
    (tmp_path / "bands.yaml").write_text(yaml.safe_dump({"filters": {"own::i": entry}}))
    lines = ["id,mjd,band,flux,fluxerr"]
    for lc in curves[:4]:
        named = np.where(lc.band == "ps1::i", "own::i", lc.band)
        rows = zip(lc.time, named, lc.flux, lc.flux_err, strict=True)
        lines += [f"{lc.object_id},{t},{b},{f},{e}" for t, b, f, e in rows]
    (tmp_path / "own.csv").write_text("\n".join(lines) + "\n")
    heads = [f"{lc.object_id} {lc.redshift} {lc.mwebv} {lc.peak_mjd}" for lc in curves[:4]]
    (tmp_path / "h.txt").write_text(
        "\n".join(["SNID REDSHIFT_HELIO MWEBV SEARCH_PEAKMJD", *heads]) + "\n"
    )
    arguments = ["files=own.csv", "headers=h.txt", "bandpasses=bands.yaml", LAPLACE, NO_FIGURES]
    finished(start(*arguments, "survey.workers=2", "out=two", cwd=tmp_path))
    finished(start(*arguments, "survey.chunk=2", "out=one", cwd=tmp_path))
    one, two = ((tmp_path / name / "summary.csv").read_bytes() for name in ("one", "two"))
    assert one == two
    assert "own::i" in Posterior.load(tmp_path / "one").batch.bands


@pytest.mark.slow
def test_a_killed_run_goes_on(curves, tmp_path):
    write(LightCurves(curves), tmp_path / "sne.parquet")
    few = ["sampler.draws=150", "sampler.warmup=150", "sampler.chains=2", "sampler.reruns=0"]
    arguments = ["files=sne.parquet", "sampler=nuts", *few, "survey.chunk=3", NO_FIGURES]
    process = start(*arguments, cwd=tmp_path)
    limit = time.monotonic() + 200
    while not (found := list(tmp_path.glob("outputs/fit/*/chunks/chunk_000000.safetensors"))):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < limit
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    folder = found[0].parents[1]
    assert not (folder / "summary.csv").exists()
    assert not (folder / "chunks" / "chunk_000001.safetensors").exists()
    first = found[0].stat()
    out, _ = finished(start(*arguments, "out=last", cwd=tmp_path))
    assert out.splitlines()[-1] == str(folder.relative_to(tmp_path))
    second = found[0].stat()
    assert (second.st_mtime_ns, second.st_ino) == (first.st_mtime_ns, first.st_ino)
    finished(start(*arguments, "out=whole", cwd=tmp_path))
    for name in ("summary.csv", "sntorch.FITRES.TEXT"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    there, whole = (Posterior.load(path) for path in (folder, tmp_path / "whole"))
    assert all(torch.equal(there.draws[k], whole.draws[k]) for k in whole.draws)
    signature = json.loads((folder / "chunks" / "signature.json").read_text())
    assert (signature["chunk"], signature["n_supernovae"]) == (3, 6)
