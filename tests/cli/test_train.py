"""How ``sntorch train`` chooses devices, and a run of two processes."""

from __future__ import annotations

import os
import subprocess
import sys

import lightning as L
import pytest
import torch
from lightning.pytorch.accelerators import MPSAccelerator
from omegaconf import OmegaConf

from sntorch.callbacks.figures import GeneratorFigures
from sntorch.checkpoints import KEY
from sntorch.cli.config import compose_config
from sntorch.cli.entry import config_dir
from sntorch.cli.train import _accelerator, _checkpoint, _strategy

KEEPER = """
import lightning, torch


class Keeper(lightning.Callback):
    def on_train_end(self, trainer, module):
        torch.save(module.state_dict(), f"rank{trainer.global_rank}.pt")
"""
BY_HAND = "ddp_find_unused_parameters_true"


SEEDED = sorted(p for p in (config_dir() / "model").rglob("*.yaml") if "\nseed: " in p.read_text())


@pytest.mark.parametrize("path", SEEDED, ids=lambda path: path.stem)
def test_a_model_has_a_seed_alone_and_that_of_the_run_in_one(path):
    alone = OmegaConf.load(path)
    assert alone.seed == 0
    name = f"{path.parent.name}/{path.stem}"
    if path.stem != "module":
        assert compose_config("train", [f"model={name}", "seed=7"]).model.seed == 7


def module(automatic):
    made = L.LightningModule()
    made.automatic_optimization = automatic
    return made


@pytest.mark.parametrize("devices", [2, "2", [0, 1], "0,1", -1, "auto"])
def test_a_gan_on_several_devices_looks_for_unused_parameters(devices, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    config = OmegaConf.create({"devices": devices, "strategy": "auto"})
    assert _strategy(config, module(automatic=False)) == BY_HAND
    assert _strategy(config, module(automatic=True)) == "auto"
    config.strategy = "fsdp"
    assert _strategy(config, module(automatic=False)) == "fsdp"


@pytest.mark.parametrize("devices", [1, "1", [1], "1,"])
def test_one_device_needs_no_strategy(devices):
    config = OmegaConf.create({"devices": devices, "strategy": "auto"})
    assert _strategy(config, module(automatic=False)) == "auto"
    assert _strategy(OmegaConf.merge(config, {"num_nodes": 2}), module(automatic=False)) == BY_HAND


def test_auto_never_means_mps(monkeypatch):
    monkeypatch.setattr(MPSAccelerator, "is_available", staticmethod(lambda: True))
    assert _accelerator(OmegaConf.create({"accelerator": "auto"})) == "cpu"
    assert _accelerator(OmegaConf.create({})) == "cpu"
    assert _accelerator(OmegaConf.create({"accelerator": "cuda"})) == "cuda"
    monkeypatch.setattr(MPSAccelerator, "is_available", staticmethod(lambda: False))
    assert _accelerator(OmegaConf.create({"accelerator": "auto"})) == "auto"


def test_figures_are_drawn_by_the_first_rank_only(monkeypatch):
    monkeypatch.setattr(L.Trainer, "is_global_zero", False)
    monkeypatch.setattr("sntorch.callbacks.figures.board_of", lambda trainer: pytest.fail("drawn"))
    trainer = L.Trainer(logger=False, accelerator="cpu", enable_checkpointing=False)
    GeneratorFigures(every_n_epochs=1).on_train_epoch_end(trainer, module(True))


@pytest.mark.slow
@pytest.mark.parametrize("program", ["dispatcher", "script"])
def test_two_processes_train_one_model_and_write_once(program, tmp_path, root):
    start = {
        "dispatcher": [sys.executable, "-m", "sntorch.cli.main", "train"],
        "script": [sys.executable, str(root / "scripts" / "train.py")],
    }[program]
    few = [f"data.{part}.n=24" for part in ("light_curves", "validation", "test")]
    options = [
        "trainer.accelerator=cpu",
        "trainer.devices=2",
        "callbacks.figures.every_n_epochs=1",
    ]
    (tmp_path / "mypkg.py").write_text(KEEPER)
    options += ["+callbacks.keeper._target_=mypkg.Keeper", "data.batch_size=8", *few]
    # The command finds the user's modules where it was started, a script beside itself.
    path = {} if program == "dispatcher" else {"PYTHONPATH": str(tmp_path)}
    result = subprocess.run(
        [*start, "experiment=gan_ia", "debug=tiny", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **path},
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count("run: ") == 1
    (run,) = (tmp_path / "outputs" / "gan_ia").iterdir()
    assert (run / "metrics.json").is_file()
    assert (run / "checkpoints" / "last.ckpt").is_file()
    assert len(list(run.rglob("events*"))) == 1
    first, second = (torch.load(tmp_path / f"rank{i}.pt", weights_only=True) for i in (0, 1))
    # 12 objects a rank in batches of 8: two steps, where one process would make three.
    assert int(first["iterations"]) == 2
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=0, msg=name)


def test_it_is_said_where_a_resumed_run_goes_on(tmp_path, caplog):
    config = OmegaConf.create({"ckpt_path": str(tmp_path / "last.ckpt"), "data": {"bands": None}})
    content = {"epoch": 6, "state_dict": {}, KEY: {"bands": ["desg", "desi", "desr"]}}
    torch.save(content, tmp_path / "last.ckpt")
    with caplog.at_level("INFO"):
        assert _checkpoint(config) == config.ckpt_path
    assert f"going on from {tmp_path / 'last.ckpt'}, after epoch 7" in caplog.text
    assert config.data.bands == ["desg", "desi", "desr"]
