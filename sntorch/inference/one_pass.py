"""A fit in memory: one pass of Lightning over batches, and no word of it."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader

Module = TypeVar("Module", bound=L.LightningModule)


class _Told(Callback):
    """Tells how many of so many gradients have been computed."""

    def __init__(self, progress: Callable[[float], None], gradients: int) -> None:
        self.progress, self.gradients, self.done = progress, gradients, 0

    def on_after_backward(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count one more; a line search may compute more than expected."""
        self.done += 1
        self.progress(min(self.done / self.gradients, 1.0))


def fit_one_pass(
    module: Module,
    batches: Any,
    clip: float | None = None,
    progress: Callable[[float], None] | None = None,
    gradients: int = 1,
) -> Module:
    """Train a module on whole batches, once each, on the CPU.

    Args:
        module: To be trained.
        batches: A list or an ``IterableDataset`` of them.
        clip: Largest norm of a gradient; default: any.
        progress: Called with the fraction done, now and then.
        gradients: That will be computed, about.

    Returns:
        The same, in evaluation mode and frozen.

    Raises:
        KeyboardInterrupt: By a Ctrl-C, as without Lightning.
    """
    with _without_advice():
        trainer = L.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            gradient_clip_val=clip,
            callbacks=[] if progress is None else [_Told(progress, gradients)],
        )
        handler = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit(module, DataLoader(batches, batch_size=None))
        except SystemExit as stop:
            # Lightning ends the program with a code of its own, and hears of no second Ctrl-C.
            if not isinstance(stop.__context__, KeyboardInterrupt):
                raise
            signal.signal(signal.SIGINT, handler or signal.default_int_handler)
            raise KeyboardInterrupt from None
    return module.eval().requires_grad_(False)


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep away what Lightning says of devices and data loaders."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
