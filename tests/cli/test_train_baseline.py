"""A generator without a network goes through the commands of networks."""

from __future__ import annotations

import json
import os
from functools import partial

import pytest
from running import run_here

import sntorch
from sntorch.cli import augment, evaluate, generate, train
from sntorch.data.splits import read_split
from sntorch.errors import CheckpointError
from sntorch.generative import Generator
from sntorch.generative.baselines import Bootstrap, Jitter
from sntorch.pretrained import find_model
from sntorch.testing import example_batch

train_here, generate_here = partial(run_here, train), partial(run_here, generate)
FEW = [f"data.{part}.n=40" for part in ("light_curves", "validation", "test")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where ``sntorch train experiment=baseline_ia`` was called."""
    folder = tmp_path_factory.mktemp("baseline")
    assert train_here(["experiment=baseline_ia", "model.grey=0.2", *FEW], folder) == 0
    return folder


def test_a_run_holds_what_that_of_a_network_holds(folder):
    (run,) = (folder / "outputs" / "baseline_ia").iterdir()
    model = Generator.from_pretrained(run).model
    assert isinstance(model, Jitter)
    assert model.grey == 0.2
    assert len(model.training) == 40
    assert {*read_split(run / "split.csv").values()} == {"train", "val", "test"}
    scores = json.loads((run / "metrics.json").read_text())
    assert 0 < scores["val/ks_peak_mean"] < 1
    assert scores["val/ks_all_mean"] > 0


def test_its_light_curves_are_generated(folder):
    arguments = ["ckpt=outputs/baseline_ia", "n=7", "seed=3", "out=made.parquet"]
    assert generate_here(arguments, folder) == 0
    made = sntorch.read(folder / "made.parquet")
    drawn = Generator.from_pretrained(folder / "outputs").sample(7, seed=3)
    assert [lc.flux.tolist() for lc in made] == [
        lc.flux.tolist() for lc in drawn.to_light_curves()
    ]


def test_it_is_scored_on_the_objects_that_its_run_held_out(folder, capsys):
    options = ["n=50", "bootstrap=5", "thorough=false", "out=scores"]
    arguments = ["task=generator", "ckpt=outputs/baseline_ia", *options]
    assert run_here(evaluate, arguments, folder) == 0
    assert "KS of peak magnitude" in capsys.readouterr().out
    scores = json.loads((folder / "scores" / "metrics.json").read_text())
    assert scores["n"] == {"generated": 50, "held_out": 40, "train": 40}
    assert (folder / "scores" / "report.html").is_file()


@pytest.mark.filterwarnings("ignore:fewer than 30 objects")
def test_classes_are_filled_up_from_it(folder):
    bands = Generator.from_pretrained(folder / "outputs").bands
    curves = example_batch(n=8, bands=bands).to_light_curves()
    for lc in curves:
        lc.type = "Ia"
    curves.write(folder / "few.parquet")
    arguments = ["files=few.parquet", "ckpt=outputs/baseline_ia", "target=12", "out=more.parquet"]
    assert run_here(augment, arguments, folder) == 0
    made = [lc for lc in sntorch.read(folder / "more.parquet") if lc.meta["synthetic"]]
    assert len(made) == 4
    assert all(lc.meta["parent_model"].startswith("Jitter model sha256:") for lc in made)


def test_another_baseline_is_named_by_the_model(tmp_path):
    arguments = ["experiment=gan_ia", "model=baseline/bootstrap", "task=mine", *FEW]
    assert train_here(arguments, tmp_path) == 0
    assert isinstance(Generator.from_pretrained(tmp_path / "outputs" / "mine").model, Bootstrap)


def test_there_is_nothing_to_resume(tmp_path, capsys):
    (tmp_path / "some.ckpt").write_bytes(b"")
    arguments = ["experiment=baseline_ia", f"ckpt_path={tmp_path / 'some.ckpt'}", *FEW]
    assert train_here(arguments, tmp_path) == 2
    assert "some.ckpt" in capsys.readouterr().err


def test_the_newest_model_of_a_folder_counts(tmp_path):
    one, other = (tmp_path / name / "checkpoints" for name in ("one", "other"))
    Bootstrap().fit(example_batch()).save_pretrained(one / "model")
    other.mkdir(parents=True)
    (other / "last.ckpt").write_bytes(b"")
    for path, when in ((one / "model" / "config.json", 1e9), (other / "last.ckpt", 2e9)):
        os.utime(path, (when, when))
    assert find_model(tmp_path) == other / "last.ckpt"
    assert find_model(tmp_path / "one") == one / "model"
    os.utime(one / "model" / "config.json", (3e9, 3e9))
    assert find_model(tmp_path) == one / "model"
    # A published copy that lies in a run is no run of its own.
    Bootstrap().fit(example_batch()).save_pretrained(other / "card")
    assert find_model(tmp_path / "other") == other / "last.ckpt"
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        find_model(tmp_path / "nowhere")
