"""Training a configured generator for a given CPU time."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from sntorch.data.batch import LightCurveBatch
from sntorch.data.datamodule import LightCurveDataModule

ROOT = Path(__file__).resolve().parents[2]
BATCH_SIZE = 64
# Small networks are fastest on one thread, above all where other work goes on.
THREADS = 1


def quiet() -> None:
    """One thread, and no word from Lightning about devices."""
    torch.set_num_threads(THREADS)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Stopwatch(L.Callback):
    """Ends training when its time is up.

    Args:
        seconds: CPU time, which on an idle machine is that on the clock: one thread works.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self.started = time.process_time()

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        """Look at the clock."""
        trainer.should_stop = time.process_time() - self.started > self.seconds


def built(config: str, *overrides: str) -> Any:
    """The untrained model of ``conf/model/<config>.yaml``, with Hydra overrides."""
    group, _, name = config.partition("/")
    with initialize_config_dir(str(ROOT / "conf" / "model" / group), version_base="1.3"):
        return instantiate(compose(name, overrides=list(overrides)), _convert_="all")


def bare_trainer(limit_val_batches: float = 0, **options: Any) -> L.Trainer:
    """A trainer on the CPU that trains and does nothing else, unless it is told to validate."""
    return L.Trainer(
        accelerator="cpu",
        logger=False,
        limit_val_batches=limit_val_batches,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


def train(
    model: Any, batch: LightCurveBatch, seconds: float, seed: int, balance: bool = False
) -> float:
    """Train a model in place, for a CPU time.

    Args:
        model: An untrained ``TrainedGenerator``.
        batch: All training objects.
        seconds: CPU time.
        seed: Of the order of the objects.
        balance: Whether classes are drawn equally often.

    Returns:
        Iterations a CPU second.
    """
    data = LightCurveDataModule(
        batch, split=(1.0, 0.0, 0.0), batch_size=BATCH_SIZE, seed=seed, balance=balance
    )
    trainer = bare_trainer(max_epochs=100_000, callbacks=[Stopwatch(seconds)])
    started = time.process_time()
    trainer.fit(model, data)
    model.eval()
    return int(model.iterations) / (time.process_time() - started)
