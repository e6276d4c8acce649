"""Opening a trained estimator, whichever it is."""

from __future__ import annotations

from pathlib import Path

from sntorch.checkpoints import find_checkpoint, module_name
from sntorch.errors import CheckpointError
from sntorch.pretrained import is_pretrained, load_pretrained
from sntorch.sbi.estimator import PosteriorEstimator
from sntorch.sbi.flow import FlowModule
from sntorch.sbi.ratio import RatioModule

MODULES = {cls.__name__: cls for cls in (RatioModule, FlowModule)}


def open_estimator(path: str | Path, map_location: str = "cpu") -> PosteriorEstimator:
    """The trained estimator of a run, a checkpoint, or a folder of ``save_pretrained``.

    Args:
        path: The file or the folder.
        map_location: Device of its tensors.

    Raises:
        CheckpointError: Nothing there, damaged, or another kind of model.
    """
    if is_pretrained(path):
        config, _ = load_pretrained(path, map_location)
        name = str(config.get("_target_")).rpartition(".")[2]
        return _class(name, path).from_pretrained(path, map_location)
    checkpoint = find_checkpoint(path)
    name = module_name(checkpoint, "estimator")
    return _class(name, checkpoint).from_checkpoint(checkpoint, map_location)


def _class(name: str, path: str | Path) -> type[PosteriorEstimator]:
    if name not in MODULES:
        raise CheckpointError(f"{path}: holds {name}; one of {', '.join(MODULES)} is accepted")
    return MODULES[name]
