"""Opening a trained estimator, whichever it is."""

from __future__ import annotations

from pathlib import Path

from sntorch.building import target_class
from sntorch.checkpoints import find_checkpoint, saved_class
from sntorch.errors import CheckpointError, ConfigError
from sntorch.pretrained import is_pretrained, load_pretrained
from sntorch.sbi.estimator import PosteriorEstimator

# Checkpoints of before they named the whole class.
OLD = {"RatioModule": "sntorch.sbi.ratio.RatioModule", "FlowModule": "sntorch.sbi.flow.FlowModule"}


def open_estimator(path: str | Path, map_location: str = "cpu") -> PosteriorEstimator:
    """The trained estimator of a run, a checkpoint, or a folder of ``save_pretrained``.

    Its class may be one outside sntorch; nothing is executed but the import of its module.

    Args:
        path: The file or the folder.
        map_location: Device of its tensors.

    Raises:
        CheckpointError: Nothing there, damaged, or another kind of model.
    """
    if is_pretrained(path):
        config, _ = load_pretrained(path, map_location)
        try:
            kind = target_class(config, PosteriorEstimator)
        except ConfigError as error:
            raise CheckpointError(f"{path}: {error}") from error
        return kind.from_pretrained(path, map_location)
    checkpoint = find_checkpoint(path)
    kind = saved_class(checkpoint, PosteriorEstimator, "estimator", OLD)
    return kind.from_checkpoint(checkpoint, map_location)
