"""A checkpoint that a later run can resume from exactly, also after Ctrl-C."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.console import Console


class ResumableCheckpoint(Callback):
    """Writes ``last.ckpt`` at the end of epochs, from where a resumed run is exact.

    The first Ctrl-C ends training after the epoch in progress and saves; a second one stops at
    once, and the file of the last saved epoch stays.

    Args:
        dirpath: Folder of the file; made if it is missing.
        every_n_epochs: Save after every so many epochs; the last one is always saved.
    """

    def __init__(self, dirpath: str | Path, every_n_epochs: int = 10) -> None:
        self.path = Path(dirpath) / "last.ckpt"
        self.every_n_epochs = every_n_epochs
        self.interrupted = False
        self._former: Any = None

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take over Ctrl-C; only a main thread may."""
        if threading.current_thread() is threading.main_thread():
            self._former = signal.signal(signal.SIGINT, self._on_interrupt)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save when it is time, and stop when Ctrl-C was pressed."""
        done = trainer.current_epoch + 1
        last = trainer.max_epochs is not None and done >= trainer.max_epochs > 0
        # All ranks stop together, whichever of them the signal reached.
        self.interrupted = trainer.strategy.reduce_boolean_decision(self.interrupted, all=False)
        if self.interrupted:
            trainer.should_stop = True
        if not trainer.fast_dev_run and (  # pyright: ignore[reportAttributeAccessIssue]
            last or trainer.should_stop or done % self.every_n_epochs == 0 or done == 1
        ):
            trainer.save_checkpoint(self.path, weights_only=False)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Give Ctrl-C back."""
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)
            self._former = None

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        Console(stderr=True).print(
            "Ctrl-C: ending after this epoch and saving a checkpoint; press again to stop at once."
        )
