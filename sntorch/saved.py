"""Modules as checkpoints and as folders, rebuilt from plain settings and what they say of
themselves.

What a module needs beside its settings to have the sizes of saved tensors (bands, classes) stands
in its description, which lies in the checkpoint and in the folder's config.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import lightning as L
from torch import Tensor

from sntorch.checkpoints import KEY, find_checkpoint, load_model
from sntorch.errors import CheckpointError, ConfigError
from sntorch.pretrained import (
    is_pretrained,
    load_pretrained,
    named,
    rebuilding,
    save_pretrained,
)


class SavedModule(L.LightningModule):
    """A module whose ``config`` holds all arguments of its class in plain types.

    Attributes:
        KIND: What it is, in a word.
        config: The arguments; everything else is in the ``state_dict`` and the description.
    """

    KIND: ClassVar[str]
    config: dict[str, Any]

    def _description(self) -> dict[str, Any]:
        """What is needed beside settings and tensors to rebuild the model, its name among it."""
        return {"model": type(self).__name__}

    def _restore(self, found: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        """Bring everything to the sizes of saved tensors.

        Args:
            found: A description.
            state: The tensors, by the names of the ``state_dict``.
        """

    def _whole_state(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The ``state_dict`` that the tensors of a folder stand for."""
        return tensors

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the class and the description."""
        checkpoint[KEY] = {**named(type(self)), **self._description()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Bring everything to the sizes of the checkpoint.

        Raises:
            CheckpointError: It belongs to another model.
        """
        found = checkpoint.get(KEY, {})
        if found.get("model") != type(self).__name__:
            holds = found.get("model", f"no sntorch {self.KIND}")
            raise CheckpointError(f"the checkpoint holds {holds}, not {type(self).__name__}")
        self._restore(found, checkpoint["state_dict"])

    @classmethod
    def from_checkpoint(cls, path: str | Path, map_location: str = "cpu") -> Self:
        """A trained model from a checkpoint file, in evaluation mode.

        Raises:
            CheckpointError: The file is damaged, missing, or belongs to another model.
        """
        return load_model(cls, path, map_location)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model into a folder.

        Raises:
            DataError: The folder holds something else, or cannot be written.
        """
        config = {**named(type(self)), "arguments": self.config, **self._description()}
        save_pretrained(folder, config, self.state_dict())

    @classmethod
    def from_pretrained(cls, folder: str | Path, map_location: str = "cpu") -> Self:
        """The model in a folder, in evaluation mode.

        Raises:
            CheckpointError: A missing or damaged file, or the folder of another model.
        """
        config, tensors = load_pretrained(folder, map_location, cls)
        with rebuilding(folder):
            module = cls(**config["arguments"])
            module._restore(config, tensors)
            module.load_state_dict(module._whole_state(tensors))
        return module.to(map_location).eval()

    @classmethod
    def open(cls, path: str | Path, map_location: str = "cpu") -> Self:
        """The model in a folder, a checkpoint, or the newest checkpoint below a run's folder.

        Raises:
            CheckpointError: Nothing there, a damaged file, or another model.
        """
        if is_pretrained(path):
            return cls.from_pretrained(path, map_location)
        return cls.from_checkpoint(find_checkpoint(path), map_location)

    def refuse_divergence(self, finite: bool, done: str, what: str = "the loss") -> None:
        """Stop a training whose loss is no number.

        Args:
            finite: Whether it is one.
            done: How long it has trained.
            what: What is not finite.

        Raises:
            ConfigError: It is none.
        """
        if not finite:
            now = self.config.get("learning_rate", "not among the settings")
            raise ConfigError(
                f"training diverged after {done} ({what} is not finite); lower "
                f"model.learning_rate, now {now}"
            )
