"""Going on from a trained generator: learning a rare class after common ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.generative.base import Generator

if TYPE_CHECKING:
    from sntorch.generative.training import TrainedGenerator

Model = TypeVar("Model", bound="TrainedGenerator")


def open_start(model: Model, path: str | Path, batch: LightCurveBatch) -> Model:
    """The trained model at ``path``, if ``model`` can go on from it.

    Args:
        model: The model to train.
        path: Checkpoint, run or folder of a trained one.
        batch: Training objects of ``model``.

    Raises:
        CheckpointError: No generator there.
        ConfigError: Another model, other networks, bands or another zero point.
    """
    found = Generator.from_pretrained(path).model
    if not isinstance(found, type(model)):
        raise ConfigError(
            f"start_from {path}: holds a {type(found).__name__}; a {type(model).__name__} is "
            "accepted"
        )
    shared = (
        ("bands", ", ".join(batch.bands), ", ".join(found.bands)),
        ("zero point", batch.zeropoint, found.zeropoint),
    )
    found.check_start(path, model.config, model.SAME, shared)
    # Its parts become those of a model that is about to be trained.
    return found.train()
