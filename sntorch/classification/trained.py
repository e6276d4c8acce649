"""What is used and kept of a classifier: a network with its averaged weights and its context.

Letters in shapes: ``B`` objects, ``C`` classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from sntorch.building import build
from sntorch.checkpoints import KEY, explained, load_model
from sntorch.classification.base import ClassifierNetwork
from sntorch.classification.context import Context
from sntorch.classification.model_card import model_card
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import CheckpointError, ConfigError, DataError
from sntorch.fitted import FittedModule
from sntorch.nn.ema import AveragedModel
from sntorch.nn.swag import Swag
from sntorch.pretrained import save_pretrained

# Where tensors of the network, and of its average, stand in a state.
NETWORK, AVERAGE = "network.", "average.average."


class TrainedClassifier(FittedModule):
    """A network, built for its bands and classes, and the average of its weights, which is used.

    ``ClassifierModule`` trains it.

    Args:
        config: All arguments of the subclass in plain types; ``network`` and ``ema_decay`` are
            read here.
        context: What is known besides the photometry.

    Attributes:
        classes: Names of the C classes; none before it is fitted.
        zeropoint: Of the fluxes.
        host: Names of the columns of ``LightCurveBatch.host``.
        temperature: What logits are divided by.
        swag: Moments of the weights, where these were collected.
    """

    KIND = "classifier"
    network: ClassifierNetwork
    average: AveragedModel

    def __init__(self, config: dict[str, Any], context: Context) -> None:
        super().__init__()
        self.config, self.context = config, context
        self.classes: tuple[str, ...] = ()
        self.zeropoint = 0.0
        self.temperature = 1.0
        self.host: tuple[str, ...] = ()
        self.swag: Swag | None = None

    def _build(self, bands: Sequence[str], classes: Sequence[str], zeropoint: float) -> None:
        self.bands, self.classes = tuple(bands), tuple(classes)
        self.zeropoint = zeropoint
        self.network = build(
            self.config["network"],
            ClassifierNetwork,
            bands=self.bands,
            n_classes=len(self.classes),
            n_context=self.context.n_outputs,
        )
        self.average = AveragedModel(self.network, self.config["ema_decay"])

    # --------------------------------------------------------------------- use

    @torch.no_grad()
    def logits(self, batch: LightCurveBatch, network: ClassifierNetwork | None = None) -> Tensor:
        """Logits of whole curves over the temperature, if one was published, shape (B, C).

        Args:
            batch: The light curves.
            network: With other weights, or in another mode; default: the averaged weights.
        """
        self.check_bands(batch)
        used = self.average if network is None else network
        return used(batch, self.context(batch)) / self.temperature

    def check_bands(self, batch: LightCurveBatch) -> None:
        """Refuse light curves that the network was not made for.

        Raises:
            ConfigError: It has not been trained.
            DataError: Other bands, or another zero point.
        """
        if not self.bands:
            raise ConfigError("this classifier has not been trained: fit it or load a checkpoint")
        if batch.bands != self.bands or batch.zeropoint != self.zeropoint:
            raise DataError(
                f"light curves in {', '.join(batch.bands)} (zero point {batch.zeropoint}); this "
                f"classifier knows {', '.join(self.bands)} (zero point {self.zeropoint}), in this "
                "order"
            )

    def predict_step(self, batch: LightCurveBatch, batch_idx: int) -> Tensor:
        """Class probabilities, shape (B, C)."""
        return self.logits(batch).softmax(-1)

    # -------------------------------------------------------------- checkpoints

    def _description(self) -> dict[str, Any]:
        return {
            **super()._description(),
            "arguments": self.config,
            "classes": list(self.classes),
            "zeropoint": self.zeropoint,
            "host": list(self.host),
            "feature_names": list(self.context.feature_names),
            "reads": list(self.network.reads) if self.bands else [],
            "temperature": self.temperature,
            "swag": 0 if self.swag is None else self.swag.rank,
        }

    def _restore(self, found: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        super()._restore(found, state)
        self.context.build(found["bands"], found.get("feature_names", ()))
        self._build(found["bands"], found["classes"], found["zeropoint"])
        self.host = tuple(found["host"])
        self.temperature = found.get("temperature", 1.0)
        self.swag = Swag(self.network, found["swag"]) if found["swag"] else None

    @classmethod
    def from_checkpoint(cls, path: str | Path, map_location: str = "cpu") -> Self:
        """A trained classifier from a checkpoint file, in evaluation mode.

        Raises:
            CheckpointError: The file is damaged, missing, or belongs to another model.
        """
        with explained(path, "classifier's"):
            found = torch.load(path, map_location="cpu", weights_only=True)[KEY]
            if found.get("model") != cls.__name__:
                raise CheckpointError(f"the checkpoint holds {found.get('model')}, no classifier")
            arguments = found["arguments"]
        return load_model(cls, path, map_location, **arguments)

    def save_pretrained(self, folder: str | Path, scores: Mapping[str, Any] | None = None) -> None:
        """Write the trained classifier with its model card into a folder.

        Args:
            folder: New, empty, or the folder of another model.
            scores: As ``sntorch evaluate`` wrote them, for the card; the ``temperature`` that
                they were computed with, if any, goes into the folder, too.

        Raises:
            DataError: The folder holds something else, or cannot be written.
        """
        config = self._folder_config()
        config["temperature"] = (scores or {}).get("temperature", self.temperature)
        # The average is what is used; weights from which training could go on stay in the
        # checkpoint.
        tensors = {k: v for k, v in self.state_dict().items() if not k.startswith(NETWORK)}
        save_pretrained(folder, config, tensors, model_card(config, scores))

    def _whole_state(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        average = {k: v for k, v in tensors.items() if k.startswith(AVERAGE)}
        return {**tensors, **{NETWORK + k.removeprefix(AVERAGE): v for k, v in average.items()}}
