"""Opening a trained generator, of whichever kind, from a checkpoint or a folder.

Both name their class as ``package.module.Class``, one outside sntorch as well, and that module is
imported; the class is refused unless it is a generator, and nothing else in the file is executed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sntorch.building import target_class
from sntorch.checkpoints import saved_class
from sntorch.errors import CheckpointError, ConfigError
from sntorch.generative.base import GenerativeModel
from sntorch.pretrained import load_pretrained

# Checkpoints of before they named the whole class.
OLD = {
    "LightCurveGAN": "sntorch.generative.gan_module.LightCurveGAN",
    "FlowMatching": "sntorch.generative.flow_matching.FlowMatching",
}


def open_checkpoint(path: str | Path, map_location: str = "cpu") -> GenerativeModel:
    """The generator in a checkpoint, ready to sample.

    Raises:
        CheckpointError: The file is damaged, missing, or belongs to no generator.
    """
    from sntorch.generative.training import TrainedGenerator

    kind = saved_class(path, TrainedGenerator, "generator", OLD)
    return kind.from_checkpoint(path, map_location)


def open_pretrained(folder: str | Path, map_location: str = "cpu") -> GenerativeModel:
    """The model in a folder, of whichever class, ready to sample.

    Raises:
        CheckpointError: A missing or damaged file, or the folder of no generator.
    """
    config, _ = load_pretrained(folder)
    try:
        found: Any = target_class(config, GenerativeModel)
    except ConfigError as error:
        raise CheckpointError(f"{folder}: {error}") from error
    if not hasattr(found, "from_pretrained"):
        raise CheckpointError(f"{folder}: {found.__name__} cannot be opened from a folder")
    return found.from_pretrained(folder, map_location)
