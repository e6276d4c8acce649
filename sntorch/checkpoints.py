"""Opening the checkpoint of a trained module, with one line for whatever is wrong with it."""

from __future__ import annotations

import errno
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from sntorch.building import target_class
from sntorch.errors import CheckpointError, ConfigError, SntorchError

if TYPE_CHECKING:
    import lightning as L

T = TypeVar("T")
Model = TypeVar("Model", bound="L.LightningModule")
MESSAGE = 240
DAMAGED = (OSError, EOFError, RuntimeError, KeyError, TypeError, ValueError, AttributeError)
# In the checkpoint, what a module needs to rebuild itself, its name among it.
KEY = "sntorch"
# In a run, the folder of a model that was fitted at once rather than trained step by step.
FITTED = Path("checkpoints") / "model"


def find_checkpoint(path: str | Path) -> Path:
    """The checkpoint file that ``path`` names, or the newest ``.ckpt`` in or below it.

    Raises:
        CheckpointError: No such file or folder, or a folder without checkpoints.
    """
    path = Path(path)
    if path.is_file():
        return path
    found = sorted(path.rglob("*.ckpt"), key=lambda p: p.stat().st_mtime) if path.is_dir() else []
    if not found:
        raise CheckpointError(
            f"{path}: no checkpoint there; a .ckpt file or a run folder with one is accepted"
        )
    last = [p for p in found if p.name == "last.ckpt"]
    return (last or found)[-1]


def module_name(path: str | Path, kind: str) -> str:
    """Name of the module in a checkpoint.

    Args:
        path: The file.
        kind: What it should be, for the message: "generator", say.

    Raises:
        CheckpointError: The file is damaged, or missing.
    """
    return description(path, kind).get("model", f"no sntorch {kind}")


def description(path: str | Path, kind: str) -> dict[str, Any]:
    """What the module in a checkpoint says of itself, empty where it is none of ours.

    Args:
        path: The file.
        kind: What it should be, for the message.

    Raises:
        CheckpointError: The file is damaged, or missing.
    """
    with explained(path, f"{kind}'s"):
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return dict(found.get(KEY, {}))


def saved_class(path: str | Path, kind: type[T], called: str, old: Mapping[str, str]) -> type[T]:
    """The class of the module in a checkpoint, one outside sntorch as well.

    Its module is imported; nothing else in the file is executed.

    Args:
        path: The file.
        kind: What it has to be a subclass of.
        called: What that is called in messages.
        old: Whole names of the classes of checkpoints from before they named them.

    Raises:
        CheckpointError: The file is damaged or missing, or holds something else.
    """
    found = description(path, called)
    name = found.get("model", f"no sntorch {called}")
    target = found.get("_target_", old.get(name))
    if target is None:
        raise CheckpointError(
            f"{path}: the checkpoint holds {name}; that of a {kind.__name__} is accepted"
        )
    try:
        return target_class({"_target_": target}, kind)
    except ConfigError as error:
        raise CheckpointError(f"{path}: the checkpoint holds {name}; {error}") from error


def load_model(cls: type[Model], path: str | Path, map_location: str, **arguments: Any) -> Model:
    """A trained model in evaluation mode; nothing in the file is executed.

    Args:
        cls: Its class.
        path: The file.
        map_location: Device of its tensors.
        **arguments: Of the class, where they are not Lightning's hyperparameters.

    Raises:
        CheckpointError: The file is damaged, missing, or belongs to another model.
    """
    with explained(path, cls.__name__):
        model = cls.load_from_checkpoint(
            path, map_location=map_location, weights_only=True, **arguments
        )
    return model.eval()


@contextmanager
def explained(path: str | Path, kind: str) -> Iterator[None]:
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
        if _is_cut_off(error):
            raise CheckpointError(
                f"{path}: damaged or not a checkpoint ({type(error).__name__}: incomplete)"
            ) from error
        what = f"{_first_line(error)}; a {kind} checkpoint is accepted"
        raise CheckpointError(f"{path}: {what}") from error


def _is_cut_off(error: BaseException) -> bool:
    """Whether an error is what torch makes of a file that ends too early."""
    invalid = isinstance(error, OSError) and error.errno == errno.EINVAL
    return invalid or isinstance(error, EOFError) or "PytorchStreamReader" in str(error)


def _first_line(error: BaseException) -> str:
    """What an error says first; of several complaints about weights, the first one."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    return (
        " ".join([type(error).__name__ + ":", *lines[:2]])[:MESSAGE]
        if lines
        else type(error).__name__
    )
