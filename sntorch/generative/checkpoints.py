"""Opening the checkpoint of a generator, with one line for whatever is wrong with it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TypeVar

import lightning as L

from sntorch.errors import CheckpointError, SntorchError

Model = TypeVar("Model", bound=L.LightningModule)
MESSAGE = 240
DAMAGED = (OSError, EOFError, RuntimeError, KeyError, TypeError, ValueError, AttributeError)


def load_model(cls: type[Model], path: str | Path, map_location: str) -> Model:
    """A trained model, ready to sample; nothing in the file is executed.

    Raises:
        CheckpointError: The file is damaged, missing, or belongs to another model.
    """
    try:
        model = cls.load_from_checkpoint(path, map_location=map_location, weights_only=True)
    except SntorchError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except pickle.UnpicklingError as error:
        # The error's own text advises to load the file unsafely.
        what = f"damaged or not a checkpoint ({type(error).__name__})"
        raise CheckpointError(f"{path}: {what}") from error
    except DAMAGED as error:
        what = f"{_first_line(error)}; a {cls.__name__} checkpoint is accepted"
        raise CheckpointError(f"{path}: {what}") from error
    return model.eval()


def _first_line(error: BaseException) -> str:
    """What an error says first; of several complaints about weights, the first one."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    return (
        " ".join([type(error).__name__ + ":", *lines[:2]])[:MESSAGE]
        if lines
        else type(error).__name__
    )
