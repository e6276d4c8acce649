from __future__ import annotations

import os
import signal

import lightning as L
import numpy as np
import torch

from sntorch.callbacks.checkpoint import ResumableCheckpoint
from sntorch.callbacks.progress import EpochProgress
from sntorch.data.datamodule import LightCurveDataModule
from sntorch.data.light_curve import LightCurve, LightCurves


class Faintness(L.LightningModule):
    """Predicts the first flux from the last one: the smallest module that trains on a batch."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(1, 1)

    def training_step(self, batch, index):
        error = self.net(batch.flux[:, -1:].float()) - batch.flux[:, :1].float()
        loss = error.square().mean()
        self.log("loss", loss, batch_size=len(batch))
        return loss

    def validation_step(self, batch, index):
        self.log("held_out", batch.flux.mean(), batch_size=len(batch))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.1)


def data():
    rng = np.random.default_rng(0)
    sample = LightCurves(
        LightCurve.from_arrays(
            f"s{i}", np.arange(3.0), rng.normal(size=3), np.ones(3), ["desg"] * 3
        )
        for i in range(30)
    )
    return LightCurveDataModule(sample, split=(1, 0, 0), batch_size=7)


def fit(folder, epochs, callbacks=(), ckpt_path=None):
    torch.manual_seed(0)
    module = Faintness()
    saver = ResumableCheckpoint(folder, every_n_epochs=3)
    trainer = L.Trainer(
        max_epochs=epochs,
        callbacks=[saver, *callbacks],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        default_root_dir=folder,
    )
    trainer.fit(module, data(), ckpt_path=ckpt_path, weights_only=True)
    return module, saver, trainer


class TestResumableCheckpoint:
    def test_resumed_equals_uninterrupted(self, tmp_path):
        whole, _, _ = fit(tmp_path / "whole", 8)
        fit(tmp_path / "first", 5)
        resumed, _, _ = fit(
            tmp_path / "second", 8, ckpt_path=str(tmp_path / "first" / "last.ckpt")
        )
        for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)

    def test_ctrl_c_leaves_a_checkpoint_to_resume_from(self, tmp_path):
        class PressCtrlC(L.Callback):
            def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
                if trainer.current_epoch == 3 and batch_idx == 1:
                    os.kill(os.getpid(), signal.SIGINT)

        handler = signal.getsignal(signal.SIGINT)
        _, saver, trainer = fit(tmp_path / "cut", 8, [PressCtrlC()])
        assert saver.interrupted
        assert trainer.current_epoch == 4
        assert signal.getsignal(signal.SIGINT) is handler
        resumed, _, _ = fit(tmp_path / "rest", 8, ckpt_path=str(tmp_path / "cut" / "last.ckpt"))
        whole, _, _ = fit(tmp_path / "whole", 8)
        torch.testing.assert_close(whole.net.weight, resumed.net.weight, rtol=0, atol=0)

    def test_progress_lines_where_there_is_no_terminal(self, tmp_path, capsys):
        fit(tmp_path, 3, [EpochProgress(metrics=["loss"], every_s=0)])
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("epoch 1/3")
        assert "loss" in lines[-1]
        assert "about 0 s left" in lines[-1]
