"""Which data ``sntorch evaluate`` takes from a run's own config, and what it does not call."""

from __future__ import annotations

import pytest
import torch
from omegaconf import OmegaConf

from sntorch.checkpoints import KEY
from sntorch.cli.training_data import keep_bands, training_data
from sntorch.data.datamodule import LightCurveDataModule
from sntorch.errors import CheckpointError
from sntorch.generative.baselines import Bootstrap
from sntorch.testing import example_batch

OURS = """
simulation: {_target_: sntorch.simulation.NoiseModel}
data:
  _target_: sntorch.data.datamodule.LightCurveDataModule
  light_curves: {_target_: sntorch.read, _partial_: true, path: nowhere}
"""
FOREIGN = """
files: null
elsewhere: {_target_: pathlib.Path.touch, _args_: [{_target_: pathlib.Path, _args_: [TOUCHED]}]}
data:
  _target_: sntorch.data.datamodule.LightCurveDataModule
  light_curves: PLACE
"""


def run_with(folder, text):
    (folder / ".hydra").mkdir()
    (folder / ".hydra" / "config.yaml").write_text(text)
    return folder / "checkpoints" / "last.ckpt"


def test_parts_of_sntorch_are_built(tmp_path):
    assert isinstance(training_data(run_with(tmp_path, OURS)), LightCurveDataModule)


@pytest.mark.parametrize(
    "place",
    [
        "{_target_: pathlib.Path.touch, _args_: [{_target_: pathlib.Path, _args_: [TOUCHED]}]}",
        "${elsewhere}",
        "[{inner: ['${elsewhere}']}]",
        "{_target_: sntorch.cli.main.os.mkdir, path: TOUCHED}",
        "{_target_: sntorch.cli.training_data.training_data, checkpoint: a, trust: true}",
    ],
)
def test_anything_else_is_not_called(tmp_path, place):
    touched = tmp_path / "touched"
    text = FOREIGN.replace("PLACE", place).replace("TOUCHED", str(touched))
    with pytest.raises(CheckpointError, match=r"_target_ .* trust=true"):
        training_data(run_with(tmp_path, text))
    assert not touched.exists()


def test_a_trusted_run_may_name_anything(tmp_path):
    text = OURS.replace("sntorch.read", "builtins.dict")
    with pytest.raises(CheckpointError, match=r"_target_ builtins\.dict"):
        training_data(run_with(tmp_path, text))
    assert training_data(tmp_path / "checkpoints" / "last.ckpt", trust=True)


def test_bands_that_the_run_left_to_its_files_are_in_the_models_order(tmp_path):
    checkpoint = run_with(tmp_path, OURS + "  bands: null\n")
    checkpoint.parent.mkdir()
    torch.save({KEY: {"bands": ["desg", "desi", "desr"]}, "state_dict": {}}, checkpoint)
    assert training_data(checkpoint).bands == ("desg", "desi", "desr")
    saved = checkpoint.with_name("model")
    Bootstrap().fit(example_batch(8, bands=("desr", "desg"))).save_pretrained(saved)
    assert training_data(saved).bands == ("desr", "desg")
    named = OmegaConf.create({"data": {"bands": ["desr"]}})
    keep_bands(named, checkpoint)
    assert named.data.bands == ["desr"]
