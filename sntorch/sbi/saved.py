"""Modules of this domain as checkpoints and as folders, rebuilt from plain settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import lightning as L

from sntorch.checkpoints import KEY, load_model
from sntorch.errors import CheckpointError
from sntorch.pretrained import load_pretrained, named, rebuilding, save_pretrained


class SavedModule(L.LightningModule):
    """A module whose ``config`` holds all arguments of its class in plain types.

    Attributes:
        config: The arguments; everything else is in the ``state_dict``.
        trained_on: What it was trained on in plain types, if that is known.
    """

    config: dict[str, Any]
    trained_on: dict[str, Any] | None = None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the name, by which a checkpoint is opened, and what it was trained on."""
        checkpoint[KEY] = {"model": type(self).__name__, "trained_on": self.trained_on}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse the checkpoint of another model."""
        kept = checkpoint.get(KEY, {})
        found = kept.get("model", "no sntorch estimator")
        if found != type(self).__name__:
            raise CheckpointError(f"the checkpoint holds {found}, not {type(self).__name__}")
        self.trained_on = kept.get("trained_on")

    @classmethod
    def from_checkpoint(cls, path: str | Path, map_location: str = "cpu") -> Self:
        """A trained estimator from a checkpoint file.

        Raises:
            CheckpointError: The file is damaged, missing, or belongs to another model.
        """
        return load_model(cls, path, map_location)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the estimator into a folder.

        Raises:
            DataError: The folder holds something else, or cannot be written.
        """
        config = {**named(type(self)), "arguments": self.config, "trained_on": self.trained_on}
        save_pretrained(folder, config, self.state_dict())

    @classmethod
    def from_pretrained(cls, folder: str | Path, map_location: str = "cpu") -> Self:
        """The estimator in a folder.

        Raises:
            CheckpointError: A missing or damaged file, or the folder of another model.
        """
        config, tensors = load_pretrained(folder, map_location, cls)
        with rebuilding(folder):
            module = cls(**config["arguments"])
            module.load_state_dict(tensors)
        module.trained_on = config.get("trained_on")
        return module.to(map_location).eval()
