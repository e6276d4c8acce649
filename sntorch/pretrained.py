"""Models kept as a folder: settings and origin as ``config.json``, numbers as safetensors, and a
model card for people.

Neither file holds code, so a folder from elsewhere may be opened without running anything in it.
``config.json`` has the class (``_target_``) and its arguments, whatever else the model needs to
rebuild itself, and the SHA-256 of the training set.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sntorch.atomic import atomic_folder
from sntorch.checkpoints import FITTED, find_checkpoint
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import CheckpointError

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"


def save_pretrained(
    folder: str | Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    card: str | None = None,
) -> None:
    """Write a model; the folder is complete or not there, and replaces an older model.

    Args:
        folder: New, empty, or the folder of another model.
        config: What JSON can hold, ``_target_`` among it.
        tensors: A ``state_dict``, or any tensors by name.
        card: A model card in Markdown.

    Raises:
        DataError: The folder holds something else, or cannot be written.
    """
    from safetensors.torch import save_file

    with atomic_folder(folder, is_pretrained) as draft:
        (draft / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        if card is not None:
            (draft / CARD).write_text(card, encoding="utf-8")
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, draft / WEIGHTS)


def load_pretrained(
    folder: str | Path, map_location: str = "cpu", of: type | None = None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The config and the tensors of a folder.

    Args:
        folder: Of a model.
        map_location: Device of the tensors.
        of: Class that the model has to be of; default: any.

    Raises:
        CheckpointError: A missing or a damaged file, or a model of another class.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS, device=map_location)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{error.filename or folder / WEIGHTS}: no such file; a folder with {CONFIG} and "
            f"{WEIGHTS} is accepted"
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{folder}: damaged ({type(error).__name__}: {error})") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{folder / CONFIG}: a JSON object is accepted, not a list or value")
    found = config.get("_target_")
    if of is not None and found != named(of)["_target_"]:
        raise CheckpointError(f"{folder}: holds {found}, not {named(of)['_target_']}")
    return config, tensors


@contextmanager
def rebuilding(folder: str | Path) -> Iterator[None]:
    """Around what rebuilds a model from the config and the tensors of a folder.

    Raises:
        CheckpointError: Something is missing there, or of another shape.
    """
    try:
        yield
    except (KeyError, TypeError, RuntimeError) as error:
        what = str(error).splitlines()[0]
        raise CheckpointError(f"{folder}: incomplete ({what})") from error


def named(cls: type) -> dict[str, str]:
    """The class of a model as its config says it."""
    return {"_target_": f"{cls.__module__}.{cls.__qualname__}"}


def is_pretrained(folder: str | Path) -> bool:
    """Whether a folder holds a model."""
    return all((Path(folder) / name).is_file() for name in (CONFIG, WEIGHTS))


def find_model(path: str | Path) -> Path:
    """The trained model that ``path`` names.

    Args:
        path: The folder of a model, a checkpoint, or a folder with runs of ``sntorch train``, of
            which the newest counts.

    Raises:
        CheckpointError: No model there.
    """
    path = Path(path)
    if is_pretrained(path):
        return path
    fitted = [config.parent for config in path.rglob(str(FITTED / CONFIG))]
    newest = max(fitted, key=_written, default=None)
    if newest is None:
        return find_checkpoint(path)
    try:
        checkpoint = find_checkpoint(path)
    except CheckpointError:
        return newest
    return max(newest, checkpoint, key=_written)


def _written(path: Path) -> float:
    """When a model was written, seconds."""
    return (path / CONFIG if path.is_dir() else path).stat().st_mtime


def model_sha256(path: Path) -> str:
    """SHA-256 of a checkpoint, or of the two files of a folder one after the other."""
    digest = hashlib.sha256()
    for part in [path / CONFIG, path / WEIGHTS] if path.is_dir() else [path]:
        digest.update(part.read_bytes())
    return digest.hexdigest()


def training_sha256(batch: LightCurveBatch) -> str:
    """SHA-256 of light curves: of all numbers, names, bands and the zero point."""
    digest = hashlib.sha256(
        repr((batch.bands, batch.classes, batch.zeropoint, batch.object_id)).encode()
    )
    for name, tensor in batch_tensors(batch).items():
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def batch_tensors(batch: LightCurveBatch) -> dict[str, Tensor]:
    """The tensors of a batch by the names of its fields."""
    found = {f.name: getattr(batch, f.name) for f in fields(batch)}
    return {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}
