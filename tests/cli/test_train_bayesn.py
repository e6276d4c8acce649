"""``sntorch train-bayesn``: what it leaves on disk, one-line errors, a stop, a user's own class."""

from __future__ import annotations

import math
import signal
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import running
import yaml
from commands import output
from running import files_in, finished
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sntorch.cli import fit as fit_verb
from sntorch.cli import train_bayesn as verb
from sntorch.data.io import read, write
from sntorch.data.light_curve import LightCurves
from sntorch.physics.sed import SEDModel

BAYESN_TESTS = str(Path(__file__).parents[1] / "bayesn")
# Six residuals in place of 24.
KNOTS = ["wave_knots=[3500,5000,7000,9500]", "time_knots=[-10,10,40]"]
SHORT = ["mode_iterations=4", "svi_iterations=4", "svi_draws=2"]
NUTS = [*SHORT, "chains=2", "warmup=4", "draws=8", "block=4", "max_tree_depth=2"]
DUST = ["experiment=dust", "data=files"]
SELECTED = ("experiment=dust_selected", "data=files", "files=FILES")

run_here = partial(running.run_here, verb)
start = partial(running.start, program=("-m", "sntorch.cli.main", "train-bayesn"))


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """No lines of progress, which come by the clock: on a busy machine they would be errors."""
    monkeypatch.setattr("sntorch.cli.stages.SAY_EVERY", math.inf)


def of_training(settings):
    return [f"training.{setting}" for setting in settings]


@pytest.fixture(scope="module")
def curves():
    """Simulated supernovae with hosts on both sides of 10^10 suns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [BAYESN_TESTS, *sys.path])
        from fake_posterior import simulated, truth_of

    truth = truth_of(12, seed=3)
    truth["tmax"][:] = 0
    found = list(simulated(SEDModel.from_name("t21"), truth, seed=4).to_light_curves())
    for i, curve in enumerate(found):
        curve.meta["HOSTGAL_LOGMASS"] = 9.4 + 0.1 * i
    return found


@pytest.fixture(scope="module")
def files(curves, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "sne.parquet"
    write(LightCurves(curves), path)
    return path


@pytest.fixture(scope="module")
def run(files, tmp_path_factory):
    """The folder of a training with all products."""
    folder = tmp_path_factory.mktemp("run")
    arguments = [f"files={files}", *KNOTS, *of_training(NUTS), "out=trained"]
    assert run_here(arguments, folder) == 0
    return folder / "trained"


def test_products(run):
    assert {p.name for p in run.iterdir()} >= {
        "BAYESN.YAML",
        "chains.nc",
        "checkpoints",
        "config.yaml",
        "figures",
        "report.md",
        "summary.csv",
        "tensorboard",
    }
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["population"]["_target_"] == "sntorch.bayesn.populations.GlobalRV"
    # So few draws cannot be trusted, and the report says so before all else.
    assert (run / "report.md").read_text().startswith("# WARNING")


def test_the_trained_model_has_the_knots_asked_for(run):
    sed = SEDModel.from_yaml(run / "BAYESN.YAML")
    assert sed.wave_knots.tolist() == [3500, 5000, 7000, 9500]
    assert sed.time_knots.tolist() == [-10, 10, 40]


def test_figures_are_files_and_in_tensorboard(run):
    names = {"surfaces", "mean_light_curves", "residual_covariance", "population", "traces"}
    assert {p.stem for p in (run / "figures").glob("*.png")} == names
    board = EventAccumulator(str(run / "tensorboard")).Reload()
    assert set(board.Tags()["images"]) == names


def test_nearly_equal_bands_are_drawn_once():
    bands = ["cspys", "cspv9844", "cspyd", "ps1::r", "cspb", "cspv3014"]
    assert verb._distinct(bands) == ["cspb", "cspv3014", "ps1::r", "cspys"]


def test_scalars_of_every_block_are_in_tensorboard(run):
    board = EventAccumulator(str(run / "tensorboard")).Reload()
    for name in ("step_size", "acceptance", "leapfrogs", "divergences"):
        for chain in range(2):
            steps = [e.step for e in board.Scalars(f"sampler_{name}/chain_{chain}")]
            assert steps == sorted(set(steps))
            assert steps[-1] == 12
    for name in ("tau_a", "sigma0", "rv"):
        assert len(board.Scalars(f"population_{name}/chain_1")) == len(steps)
        rhat = board.Scalars(f"rhat/{name}")
        assert [e.step for e in rhat] == [8, 12]
        assert all(math.isfinite(e.value) for e in rhat)
    assert len(board.Scalars("svi/elbo")) == 4


def test_fit_takes_the_trained_model(run, files, tmp_path):
    arguments = [f"files={files}", "model=bayesn/yaml", f"model.path={run / 'BAYESN.YAML'}"]
    more = ["sampler=laplace", "figures=0", "out=fit"]
    assert running.run_here(fit_verb, [*arguments, *more], tmp_path) == 0
    assert pd.read_csv(tmp_path / "fit" / "summary.csv")["mu_mean"].notna().all()


def test_the_report_comes_first_and_the_folder_last(files, tmp_path, capsys):
    arguments = [*DUST, f"files={files}", "training=map", "training.mode_iterations=4", "out=map"]
    assert run_here(arguments, tmp_path) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[-1] == "map"
    assert (tmp_path / "map" / "report.md").read_text().strip() in out
    assert [p.name for p in tmp_path.iterdir()] == ["map"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "what to train on? files=path (a file or a folder)"),
        (("files=nowhere",), "nowhere: no such file or folder"),
        (("experiment=t22",), "t21"),
        (("files=FILES", "population=dusty"), "dust_redshift"),
        (("files=FILES", "population=own"), "population._target_"),
        (("files=FILES", "population=own", "population._target_=nopkg.Mine"), "nopkg"),
        (
            ("files=FILES", "population=own", "population._target_=builtins.dict"),
            "population: builtins.dict is no population",
        ),
        (("files=FILES", "model=gan/recurrent"), "accepted are bayesn/t21, bayesn/m20"),
        (("files=FILES", "initialisation=t21"), "initialisation=t21: accepted are model, scratch"),
        (("files=FILES", "wave_knots=[5000,4000,9000]"), "3 or more increasing numbers"),
        (("files=FILES", "wave_knots=blue"), "wave_knots=blue: a list of numbers"),
        (
            ("files=FILES", "wave_knots=[3500,5000,7000,9500,15000,20000]"),
            "no observation reaches 15000, 20000 Å",
        ),
        (("files=FILES", "time_knots=[-10,10,40,60,80]"), "no observation reaches 60, 80 days"),
        (
            ("files=FILES", "surfaces=fixed", "time_knots=[-10,10,40]"),
            "the SED is held fixed; surfaces=trained learns one",
        ),
        (("files=FILES", "n_nodes=many"), "n_nodes=many: a whole number"),
        (("files=FILES", "selected_by=peak_limit"), "one SED, which surfaces=fixed holds"),
        ((*SELECTED, "selected_by.cuts.peak.limit=faint"), "limit=faint: a number is accepted"),
        (
            (*SELECTED, "selected_by.cuts.peak.of=x1"),
            "on 'redshift' and on 'peak BAND' are accepted",
        ),
        ((*SELECTED, "selected_by.cuts.peak.of=peak csphs"), "beyond the model's wavelengths"),
        ((*SELECTED, "selected_by.cuts.peak.of=peak purple"), "purple"),
        (
            (*SELECTED, "selected_by.cuts.peak.limit=13.0", "selected_by.injections=300"),
            "in, at redshift",
        ),
        (
            (*SELECTED, "selected_by.cuts.peak.of=redshift"),
            "selection: redshift alone changes nothing",
        ),
        ((*SELECTED, "selected_by.injections=7"), "injections=7: at least 200"),
        ((*SELECTED, "selected_by._target_=builtins.dict"), "selected_by: builtins.dict is none"),
        (("files=FILES", "free_tmax=perhaps"), "free_tmax=perhaps: true or false"),
        (("files=FILES", "sample.likelihood=mag"), "likelihood=mag: accepted are magnitude, flux"),
        (("files=FILES", "sample.min_supernovae=13"), "12 of 12 supernovae can be trained on"),
        # Of four bands only one lies between these knots.
        (("files=FILES", "wave_knots=[5200,6000,8000]"), "2 bands are needed"),
        (("files=FILES", "training=mcmc"), "training has map, nuts, svi"),
        (("files=FILES", "training.warmup=1"), "warmup=1: at least 4 is accepted"),
        (("files=FILES", "device=cuda:99"), "device=cuda:99: accepted here are auto, cpu"),
        (("files=FILES", "threads=0"), "threads=0: a whole number of at least 1"),
        (("files=FILES", "out=last"), "out=last: no run in outputs/train_bayesn"),
        (("files=MASSLESS", "experiment=dust_split_mag", "data=files"), "no host mass"),
        (
            ("files=FILES", "population=mass_split", "population.mass=12"),
            "all 12 hosts are below mass=12: another split",
        ),
    ],
)
def test_mistakes_are_one_line(arguments, words, files, massless, tmp_path, capsys):
    paths = {"FILES": files, "MASSLESS": massless}
    given = []
    for argument in arguments:
        key, _, value = argument.partition("=")
        given.append(f"{key}={paths.get(value, value)}")
    assert run_here(given, tmp_path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("sntorch: ")
    assert words in line
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def massless(files):
    """The same supernovae in hosts of unknown mass."""
    found = list(read(files))
    for curve in found:
        curve.meta.pop("HOSTGAL_LOGMASS")
    path = files.with_name("massless.parquet")
    write(LightCurves(found), path)
    return path


def test_a_density_that_is_no_number_is_one_line(curves, tmp_path, capsys):
    exact = [replace(lc, flux_err=np.full_like(lc.flux_err, 1e-170)) for lc in curves]
    write(LightCurves(exact), tmp_path / "exact.parquet")
    assert run_here(["files=exact.parquet", *KNOTS, "out=never"], tmp_path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no number at the initial point" in line
    assert "errors near zero" in line


def test_a_folder_of_another_run_is_refused_and_left(run, files, capsys):
    before = files_in(run)
    arguments = [f"files={files}", *KNOTS, *of_training(NUTS), f"out={run}"]
    assert run_here([*arguments, "training.seed=1"], run.parent) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds chunks of another run (seed=0 there, 1 now)" in line
    assert files_in(run) == before


def test_a_stopped_training_goes_on(run, files, tmp_path, monkeypatch, capsys):
    """Ctrl-C after a block; out=last then gives what the undisturbed run gave."""
    from sntorch.cli.training_watch import Board

    told = []

    def interrupted(board, status):
        told.append(status.index)
        if len(told) == 3:
            raise KeyboardInterrupt
        return ""

    arguments = [f"files={files}", *KNOTS, *of_training(NUTS)]
    with monkeypatch.context() as patch:
        patch.setattr(Board, "block", interrupted)
        assert run_here(arguments, tmp_path) == 130
    (folder,) = (tmp_path / "outputs" / "train_bayesn").iterdir()
    stop = capsys.readouterr().err
    assert stop == f"stopped; to go on: the same command with out={folder.relative_to(tmp_path)}\n"
    kept = files_in(folder / "checkpoints")
    assert run_here([*arguments, "out=last"], tmp_path) == 0
    after = files_in(folder / "checkpoints")
    assert kept.items() <= after.items()
    assert (folder / "summary.csv").read_bytes() == (run / "summary.csv").read_bytes()
    # Comments tell the time that it took.
    there, whole = (yaml.safe_load((f / "BAYESN.YAML").read_text()) for f in (folder, run))
    assert there == whole


OWN_POPULATION = '''
from sntorch.bayesn.populations import Conditions, GlobalRV, Population, each, half_normal


class MyPopulation(Population):
    """All hosts have the same R_V, which is known, and little dust."""

    def __init__(self, rv, tau_a_scale):
        self.rv, self.tau_a_scale = rv, tau_a_scale

    def __call__(self, draw, sample):
        tau_a = draw("tau_a", half_normal(self.tau_a_scale, sample))
        sigma0 = draw("sigma0", half_normal(0.2, sample))
        rv = each(tau_a.new_full(tau_a.shape, self.rv))
        return Conditions(tau_a=each(tau_a), sigma0=each(sigma0), rv=rv)
'''


@pytest.mark.parametrize("by", ["config", "override"])
def test_a_population_and_a_config_folder_of_the_users_own(by, files, tmp_path):
    """Both lie outside the repository."""
    work, conf = tmp_path / "work", tmp_path / "conf"
    work.mkdir()
    (work / "mypkg.py").write_text(OWN_POPULATION)
    settings = {"_target_": "mypkg.MyPopulation", "rv": 2.5, "tau_a_scale": 0.3}
    (conf / "population").mkdir(parents=True)
    (conf / "population" / "calm.yaml").write_text(yaml.safe_dump(settings))
    chosen = {
        "config": ["--config-dir", conf, "population=calm"],
        "override": [
            "population=own",
            "population._target_=mypkg.MyPopulation",
            "+population.rv=2.5",
            "+population.tau_a_scale=0.3",
        ],
    }[by]
    arguments = [*chosen, "surfaces=fixed", f"files={files}", "training=map"]
    arguments += ["training.mode_iterations=4", "out=mine", "task=mine"]
    assert output("train-bayesn", *arguments, cwd=work).splitlines()[-1] == "mine"
    assert SEDModel.from_yaml(work / "mine" / "BAYESN.YAML").tau_a < 1
    assert "MyPopulation(rv=2.5, tau_a_scale=0.3" in (work / "mine" / "BAYESN.YAML").read_text()


def test_from_python(curves):
    """The names that the README gives."""
    from sntorch.bayesn import FixedSED, GlobalRV, HierarchicalModel, TrainingSettings, train
    from sntorch.bayesn.training_sample import training_sample

    sed = SEDModel.from_name("t21")
    model = HierarchicalModel(training_sample(curves, sed), FixedSED(sed), GlobalRV())
    trained = train(model, TrainingSettings(sampler="map", mode_iterations=4))
    assert {"rv", "tau_a", "sigma0", "theta", "av", "ds"} <= set(trained.draws)


@pytest.mark.slow
def test_ctrl_c_in_the_shell(files, tmp_path):
    """A real signal, in the middle of the sampling, from the script beside the dispatcher."""
    arguments = [f"files={files}", *of_training(["svi_iterations=4", "block=1", "draws=5000"])]
    process = start(*arguments, cwd=tmp_path)
    limit = time.monotonic() + 200
    while not list(tmp_path.glob("outputs/*/*/checkpoints/chains/chunk_000001.safetensors")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < limit
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("stopped; to go on: the same command with out=outputs/")


@pytest.mark.slow
def test_the_script_is_the_verb(files, tmp_path, root):
    arguments = [*DUST, f"files={files}", "training=map", "training.mode_iterations=4", "out=map"]
    out, _ = finished(
        start(*arguments, program=(root / "scripts" / "train_bayesn.py",), cwd=tmp_path)
    )
    assert out.splitlines()[-1] == "map"
