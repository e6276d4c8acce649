"""The TensorBoard that a trainer writes to."""

from __future__ import annotations

from typing import Any

import lightning as L


def board_of(trainer: L.Trainer) -> Any:
    """The logger's TensorBoard writer, None for other loggers."""
    experiment = getattr(trainer.logger, "experiment", None)
    return experiment if hasattr(experiment, "add_figure") else None
