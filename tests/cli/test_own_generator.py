"""``sntorch generate`` and the other verbs that open a generator: one of the user's own."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import lightning as L
import numpy as np
import pytest
from running import run_here

import sntorch
from sntorch.cli import augment, generate, publish
from sntorch.data.datamodule import LightCurveDataModule
from sntorch.testing import example_batch

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder with the checkpoint of a generator from outside the package."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "generative")
    model, batch = importlib.import_module("own").VAE(), example_batch(40)
    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    options = dict.fromkeys(quiet, False)
    trainer = L.Trainer(max_epochs=1, accelerator="cpu", limit_val_batches=0, **options)
    data = LightCurveDataModule(batch, split=(1.0, 0.0, 0.0), batch_size=20)
    trainer.fit(model, data)
    trainer.save_checkpoint(tmp_path / "run.ckpt", weights_only=False)
    return tmp_path


def test_a_generator_of_ones_own_is_sampled_and_published(run):
    assert run_here(generate, ["ckpt=run.ckpt", "n=5", "device=cpu", "out=a.parquet"], run) == 0
    assert run_here(publish, ["ckpt=run.ckpt", "out=card"], run) == 0
    assert run_here(generate, ["ckpt=card", "n=5", "out=b.parquet"], run) == 0
    made = sntorch.read(run / "a.parquet")
    assert len(made) == 5
    for one, other in zip(made, sntorch.read(run / "b.parquet"), strict=True):
        np.testing.assert_array_equal(one.flux, other.flux)


def test_a_generator_of_ones_own_fills_up_its_class(run):
    rare = example_batch(6).to_light_curves().map(lambda lc: replace(lc, type="II"))
    rare.write(run / "in.parquet")
    asked = ["files=in.parquet", "ckpt=run.ckpt", "classes=[II]", "target=9", "out=out.parquet"]
    assert run_here(augment, asked, run) == 0
    assert sntorch.read(run / "out.parquet")[-1].meta["parent_model"].startswith("VAE run.ckpt")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("device=tpu", "device=tpu: accepted here are auto, cpu"),
        ("noiseless=true", "noiseless: VAE writes observed fluxes"),
        ("cadence=generated", "cadence generated: VAE makes no epochs"),
    ],
)
def test_what_cannot_be_had_is_one_line(run, option, message, capsys):
    assert run_here(generate, ["ckpt=run.ckpt", "n=5", option], run) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not (run / "generated.parquet").exists()
