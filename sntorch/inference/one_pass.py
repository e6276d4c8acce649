"""A fit in memory: one pass of Lightning over batches, and no word of it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import lightning as L
from torch.utils.data import DataLoader

Module = TypeVar("Module", bound=L.LightningModule)


def fit_one_pass(module: Module, batches: Any, clip: float | None = None) -> Module:
    """Train a module on whole batches, once each, on the CPU.

    Args:
        module: To be trained.
        batches: A list or an ``IterableDataset`` of them.
        clip: Largest norm of a gradient; default: any.

    Returns:
        The same, in evaluation mode and frozen.
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
        )
        trainer.fit(module, DataLoader(batches, batch_size=None))
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
