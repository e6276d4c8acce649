"""Opening the checkpoint of a generator, with one line for whatever is wrong with it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import lightning as L
import torch

from sntorch.errors import CheckpointError, SntorchError

if TYPE_CHECKING:
    from sntorch.generative.base import GenerativeModel

Model = TypeVar("Model", bound=L.LightningModule)
MESSAGE = 240
DAMAGED = (OSError, EOFError, RuntimeError, KeyError, TypeError, ValueError, AttributeError)
# In the checkpoint, what a generator needs to rebuild itself, its name among it.
KEY = "sntorch"


def open_checkpoint(path: str | Path, map_location: str = "cpu") -> GenerativeModel:
    """The generator in a checkpoint, of whichever kind, ready to sample.

    Raises:
        CheckpointError: The file is damaged, missing, or belongs to no generator.
    """
    from sntorch.generative.flow_matching import FlowMatching
    from sntorch.generative.gan_module import LightCurveGAN

    kinds = {kind.__name__: kind for kind in (LightCurveGAN, FlowMatching)}
    with _explained(path, "generator's"):
        found = torch.load(path, map_location="cpu", weights_only=True)
        name = found.get(KEY, {}).get("model", "no sntorch generator")
    if name not in kinds:
        raise CheckpointError(
            f"{path}: the checkpoint holds {name}; accepted are {', '.join(kinds)}"
        )
    return kinds[name].from_checkpoint(path, map_location)


def load_model(cls: type[Model], path: str | Path, map_location: str) -> Model:
    """A trained model, ready to sample; nothing in the file is executed.

    Raises:
        CheckpointError: The file is damaged, missing, or belongs to another model.
    """
    with _explained(path, cls.__name__):
        model = cls.load_from_checkpoint(path, map_location=map_location, weights_only=True)
    return model.eval()


@contextmanager
def _explained(path: str | Path, kind: str) -> Iterator[None]:
    """Turn whatever goes wrong with a checkpoint into a ``CheckpointError`` of one line."""
    try:
        yield
    except SntorchError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except pickle.UnpicklingError as error:
        # The error's own text advises to load the file unsafely.
        what = f"damaged or not a checkpoint ({type(error).__name__})"
        raise CheckpointError(f"{path}: {what}") from error
    except DAMAGED as error:
        what = f"{_first_line(error)}; a {kind} checkpoint is accepted"
        raise CheckpointError(f"{path}: {what}") from error


def _first_line(error: BaseException) -> str:
    """What an error says first; of several complaints about weights, the first one."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    return (
        " ".join([type(error).__name__ + ":", *lines[:2]])[:MESSAGE]
        if lines
        else type(error).__name__
    )
