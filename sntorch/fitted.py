"""Modules fitted to training objects: what they say of these, and going on from another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.data.facts import facts
from sntorch.errors import ConfigError
from sntorch.pretrained import named, training_sha256
from sntorch.saved import SavedModule


class FittedModule(SavedModule):
    """A module that is fitted to training objects, and may go on from another one.

    Attributes:
        bands: Names of the bands; none before it is fitted.
        training_sha256: Of the training set.
        training_facts: What is told about the training set.
        started_sha256: Of the training set of the model that this one started from, if any.
        iterations: Of training.
    """

    iterations: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("iterations", torch.zeros((), dtype=torch.int64))
        self.bands: tuple[str, ...] = ()
        self.training_sha256 = self.started_sha256 = ""
        self.training_facts: dict[str, Any] = {}

    def check_start(
        self,
        path: str | Path,
        config: Mapping[str, Any],
        same: Iterable[str],
        shared: Iterable[tuple[str, Any, Any]],
        accepted: str = "accepted here",
    ) -> None:
        """Refuse to go on from this model where its weights would not fit.

        Args:
            path: Where this model was found.
            config: Arguments of the model to train.
            same: Names of those that have to be the same.
            shared: What the training objects have to share with this model's: a name, theirs, and
                this model's.
            accepted: What is said of the latter.

        Raises:
            ConfigError: Something differs.
        """
        for name in same:
            if config[name] != self.config[name]:
                raise ConfigError(
                    f"start_from {path}: was trained with {name}={self.config[name]}, which is "
                    f"accepted here; found {config[name]}"
                )
        for name, ours, theirs in shared:
            if ours != theirs:
                found = "none" if ours == "" else ours
                raise ConfigError(
                    f"start_from {path}: was trained with {name} {theirs}, which is {accepted}; "
                    f"the training objects have {found}"
                )

    def _remember(self, batch: LightCurveBatch, previous: FittedModule | None) -> None:
        """Keep what a model card tells of training objects and of a model to start from."""
        self.training_sha256, self.training_facts = training_sha256(batch), facts(batch)
        if previous is not None:
            self.started_sha256 = previous.training_sha256

    def _description(self) -> dict[str, Any]:
        return {
            **super()._description(),
            "bands": list(self.bands),
            "training_sha256": self.training_sha256,
            "training_facts": self.training_facts,
            "started_sha256": self.started_sha256,
        }

    def _restore(self, found: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        self.training_sha256 = found["training_sha256"]
        self.training_facts = found["training_facts"]
        self.started_sha256 = found["started_sha256"]

    def _folder_config(self) -> dict[str, Any]:
        """The config of a folder."""
        # The model that this one started from lies elsewhere; its weights are here.
        arguments = {k: None if k == "start_from" else v for k, v in self.config.items()}
        return {**named(type(self)), **self._description(), "arguments": arguments}
