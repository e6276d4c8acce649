"""One progress line for the whole training, with the time left and the last scores."""

from __future__ import annotations

import time

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class EpochProgress(Callback):
    """Shows epochs done and left; where the output is no terminal, a line now and then.

    Args:
        metrics: Names of logged metrics to show; those not logged yet are left out.
        every_s: Seconds between lines where the output is no terminal.
    """

    def __init__(self, metrics: tuple[str, ...] | list[str] = (), every_s: float = 15.0) -> None:
        self.metrics = tuple(metrics)
        self.every_s = every_s
        self._progress: Progress | None = None
        self._said = self._started = 0.0
        self._first_epoch = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Open the bar."""
        self._started = self._said = time.monotonic()
        self._first_epoch = trainer.current_epoch
        console = Console(stderr=True)
        if console.is_terminal and trainer.is_global_zero:
            columns = ("[bold]training", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._progress = Progress(*columns, TextColumn("{task.description}"), console=console)
            self._progress.add_task("", total=trainer.max_epochs, completed=trainer.current_epoch)
            self._progress.start()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Advance the bar, or print a line."""
        done = trainer.current_epoch + 1
        if self._progress is not None:
            task = self._progress.task_ids[0]
            self._progress.update(task, completed=done, description=self._scores(trainer))
        elif trainer.is_global_zero and time.monotonic() - self._said > self.every_s:
            self._said = time.monotonic()
            print(self._line(trainer, done), flush=True)

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Close the bar, so that the error is readable."""
        self._close()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Close the bar."""
        self._close()

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _scores(self, trainer: L.Trainer) -> str:
        logged = trainer.callback_metrics
        return "  ".join(
            f"{name} {float(logged[name]):.3g}" for name in self.metrics if name in logged
        )

    def _line(self, trainer: L.Trainer, done: int) -> str:
        elapsed = time.monotonic() - self._started
        total = trainer.max_epochs or 0
        left = elapsed / max(done - self._first_epoch, 1) * max(total - done, 0)
        clock = f"{elapsed:.0f} s, about {left:.0f} s left"
        return f"epoch {done}/{total}  {clock}  {self._scores(trainer)}"
