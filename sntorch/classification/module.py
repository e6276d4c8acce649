"""Training of any classifier: one LightningModule, whatever the network.

The network is built when the training objects are known: their bands and classes are what it is
made for, and what a checkpoint brings along. What is kept for use is the average of the weights
(``ema_decay``), not the epoch that happened to score best.

Letters in shapes: ``B`` objects, ``C`` classes, ``S`` steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from sntorch.building import build, plain, target_class
from sntorch.checkpoints import KEY, explained, load_model
from sntorch.classification.augmentation import Augmentation
from sntorch.classification.base import ClassifierNetwork, StepNetwork
from sntorch.classification.context import Context
from sntorch.classification.feature_context import FeatureContext, refuse_early
from sntorch.classification.losses import ClassLoss
from sntorch.classification.model_card import model_card
from sntorch.classification.scores import quick_scores
from sntorch.classification.start import open_start
from sntorch.data.batch import LightCurveBatch
from sntorch.data.facts import facts
from sntorch.errors import CheckpointError, ConfigError, DataError
from sntorch.nn.ema import AveragedModel
from sntorch.nn.schedules import rate_at
from sntorch.nn.swag import Swag
from sntorch.pretrained import named, save_pretrained, training_sha256
from sntorch.saved import SavedModule

# Logging every step would cost as much as a small network.
LOG_EVERY = 20
# Where tensors of the network, and of its average, stand in a state.
NETWORK, AVERAGE = "network.", "average.average."


class ClassifierModule(SavedModule):
    """A network with its loss, augmentation and optimiser.

    Args:
        network: Config of a ``ClassifierNetwork``: ``_target_`` and its settings.
        context: Columns that are known besides the photometry, see ``Context``.
        context_dropout: Share of training objects of which the context is hidden.
        context_required: Whether an object without any context is refused.
        features: Config of a ``FeatureContext``: parametric features of the light curve that
            stand beside the context. They are of whole light curves, before ``augment``.
        loss: Config of a ``ClassLoss``.
        class_weights: Whether classes weigh equally in the loss, however common they are; or how
            far, as a power of one over their sizes: 0 not at all, 1 equally.
        augment: Configs of ``Augmentation``s, applied to each training batch in this order.
        learning_rate: Largest learning rate of AdamW.
        weight_decay: Of AdamW.
        schedule: ``one_cycle`` (up for a fifth of all steps, then down to nothing), ``cosine`` or
            ``constant``.
        ema_decay: Of the average of the weights; 0 keeps the weights themselves.
        clip: Largest norm of a gradient.
        seed: Of augmentation.
        start_from: A trained classifier to go on from, its checkpoint, run or folder: of the same
            network and context, for the same bands and classes. Its weights and the scaling of
            its inputs are kept.

    Raises:
        ConfigError: A schedule or features that are not known, a share outside [0, 1), or
            features of the whole light curve for what learns from a part of it.
    """

    KIND = "classifier"
    network: ClassifierNetwork
    average: AveragedModel
    iterations: Tensor

    def __init__(
        self,
        network: Mapping[str, Any],
        context: Sequence[str] = (),
        context_dropout: float = 0.0,
        context_required: bool = False,
        features: Mapping[str, Any] | None = None,
        loss: Mapping[str, Any] | None = None,
        class_weights: bool | float = False,
        augment: Sequence[Mapping[str, Any]] = (),
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-2,
        schedule: str = "one_cycle",
        ema_decay: float = 0.995,
        clip: float = 1.0,
        seed: int = 0,
        start_from: str | Path | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= context_dropout < 1:
            raise ConfigError(f"context_dropout={context_dropout}: 0 to below 1 is accepted")
        if not 0 <= class_weights <= 1:
            raise ConfigError(f"class_weights={class_weights}: 0 to 1, or true, is accepted")
        rate_at(0.0, schedule)
        self.config = plain(
            {
                "network": network,
                "context": list(context),
                "context_dropout": context_dropout,
                "context_required": context_required,
                "features": features,
                "loss": loss or {"_target_": "sntorch.classification.losses.CrossEntropy"},
                "class_weights": class_weights,
                "augment": list(augment),
                "learning_rate": learning_rate,
                "weight_decay": weight_decay,
                "schedule": schedule,
                "ema_decay": ema_decay,
                "clip": clip,
                "seed": seed,
                "start_from": None if start_from is None else str(start_from),
            }
        )
        told = None if features is None else build(self.config["features"], FeatureContext)
        self.context = Context(context, context_required, told)
        self.augment = [build(config, Augmentation) for config in self.config["augment"]]
        if told is not None:
            refuse_early(target_class(network, ClassifierNetwork), self.augment)
        self.register_buffer("iterations", torch.zeros((), dtype=torch.int64))
        self.bands: tuple[str, ...] = ()
        self.classes: tuple[str, ...] = ()
        self.zeropoint = 0.0
        self.temperature = 1.0
        self.host: tuple[str, ...] = ()
        self.training_sha256 = self.started_sha256 = ""
        self.training_facts: dict[str, Any] = {}
        self.swag: Swag | None = None
        self.loss: ClassLoss
        self._validated: list[tuple[Tensor, Tensor]] = []

    # ---------------------------------------------------------------- building

    def setup(self, stage: str) -> None:
        """Build the network for the data module's training objects, unless that has been done."""
        if not self.bands and stage == "fit":
            data: Any = self.trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
            self.fit_inputs(data.train_batch(), data.host)

    def fit_inputs(self, batch: LightCurveBatch, host: Sequence[str] = ()) -> None:
        """Build the network, and fit what precedes it, for all training objects.

        With ``start_from``, weights and the scaling of inputs are those of a trained classifier.

        Args:
            batch: The training objects.
            host: Names of the columns of ``batch.host``, where the context uses any.

        Raises:
            DataError: Fewer than two classes, or training objects without a class.
            ConfigError: A classifier to start from that does not fit.
            CheckpointError: No classifier there.
        """
        unknown = int((batch.label < 0).sum())
        if unknown:
            raise DataError(
                f"{unknown} of {len(batch)} training objects have no class; leave them out "
                "(data.transform), or say which class they are of"
            )
        if len(batch.classes) < 2:
            raise DataError(
                f"training objects of the classes {', '.join(batch.classes) or '(none)'}: "
                "a classifier needs two or more"
            )
        start = self.config["start_from"]
        previous = None if start is None else open_start(self, start, batch, host)
        if previous is None:
            self.context.fit(batch)
        else:
            self.context.build(batch.bands, previous.context.feature_names)
        self._build(batch.bands, batch.classes, batch.zeropoint)
        if previous is None:
            self.network.fit_inputs(batch)
            self.average.average.fit_inputs(batch)
        else:
            self._take_over(previous)
        self.loss.fit(batch.label, self.config["class_weights"])
        self.host = tuple(host)
        self.training_sha256, self.training_facts = training_sha256(batch), facts(batch)

    def _take_over(self, previous: Self) -> None:
        """What another classifier uses: its averaged weights, and the scaling of its inputs."""
        self.started_sha256 = previous.training_sha256
        self.context.load_state_dict(previous.context.state_dict())
        for network in (self.network, self.average.average):
            network.load_state_dict(previous.average.average.state_dict())

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
        self.loss = build(self.config["loss"], ClassLoss, classes=self.classes)

    def keep_swag(self, rank: int) -> None:
        """Make room for the moments of the weights, unless they are being collected already.

        Raises:
            ConfigError: A schedule that brings the weights to rest.
        """
        if self.config["schedule"] != "constant":
            raise ConfigError(
                f"SWAG needs weights that keep moving: model.schedule=constant, not "
                f"{self.config['schedule']}"
            )
        if self.swag is None:
            self.swag = Swag(self.network, rank).to(self.device)

    # ---------------------------------------------------------------- training

    def training_step(self, batch: LightCurveBatch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        generator = torch.Generator().manual_seed(self._noise_seed())
        whole = batch
        for change in self.augment:
            batch = change(batch, generator)
        hidden = torch.rand(len(batch), generator=generator) < self.config["context_dropout"]
        # Features are of light curves as observed; redshifts are those that objects moved to.
        known = batch if self.context.features is None else whole
        context = self.context(known, hidden.to(batch.device))
        loss = self._class_loss(batch, context)
        more = self.network.auxiliary_loss(batch, context)
        total = loss if more is None else loss + more
        if not bool(total.isfinite()):
            raise ConfigError(
                f"training diverged after {int(self.iterations)} iterations (the loss is not "
                f"finite); lower model.learning_rate, now {self.config['learning_rate']}"
            )
        if batch_idx % LOG_EVERY == 0:
            self.log("train/loss", loss, batch_size=len(batch))
        return total

    def _class_loss(self, batch: LightCurveBatch, context: Tensor) -> Tensor:
        if not isinstance(self.network, StepNetwork):
            return self.loss(self.network(batch, context), batch.label)
        steps = self.network.steps(batch, context)
        labels = batch.label[:, None].expand(steps.mask.shape)
        return self.loss(steps.logits[steps.mask], labels[steps.mask])

    def _noise_seed(self) -> int:
        words = (self.config["seed"], int(self.iterations), self.global_rank)
        return int(np.random.SeedSequence(words).generate_state(1)[0])

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep a rare large gradient from undoing what was learnt."""
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config["clip"])

    def on_train_batch_end(self, *_: Any) -> None:
        """The average follows the weights."""
        self.iterations += 1
        self.average.update(self.network)

    def configure_optimizers(self) -> Any:
        """AdamW with the schedule, step by step over the whole training."""
        optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=self.config["learning_rate"],
            weight_decay=self.config["weight_decay"],
        )
        total = max(int(self.trainer.estimated_stepping_batches), 1)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_at(step / total, self.config["schedule"])
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    # -------------------------------------------------------------- validation

    def validation_step(self, batch: LightCurveBatch, batch_idx: int) -> None:
        """Keep the logits of held-out objects; they are scored when all are there."""
        self._validated.append((self.logits(batch).cpu(), batch.label.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Scores as ``val/…``."""
        kept, self._validated = self._validated, []
        if kept:
            logits, label = (torch.cat(parts) for parts in zip(*kept, strict=True))
            self.log_dict({f"val/{k}": v for k, v in quick_scores(logits, label).items()})

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
            "bands": list(self.bands),
            "classes": list(self.classes),
            "zeropoint": self.zeropoint,
            "host": list(self.host),
            "feature_names": list(self.context.feature_names),
            "temperature": self.temperature,
            "swag": 0 if self.swag is None else self.swag.rank,
            "training_sha256": self.training_sha256,
            "started_sha256": self.started_sha256,
            "training_facts": self.training_facts,
        }

    def _restore(self, found: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        self.context.build(found["bands"], found.get("feature_names", ()))
        self._build(found["bands"], found["classes"], found["zeropoint"])
        self.host = tuple(found["host"])
        self.temperature = found.get("temperature", 1.0)
        self.swag = Swag(self.network, found["swag"]) if found["swag"] else None
        self.training_sha256 = found["training_sha256"]
        self.started_sha256 = found["started_sha256"]
        self.training_facts = found["training_facts"]

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
        # The classifier that this one started from lies elsewhere; its weights are here.
        arguments = self.config | {"start_from": None}
        config = {**named(type(self)), **self._description(), "arguments": arguments}
        config["temperature"] = (scores or {}).get("temperature", self.temperature)
        # The average is what is used; weights from which training could go on stay in the
        # checkpoint.
        tensors = {k: v for k, v in self.state_dict().items() if not k.startswith(NETWORK)}
        save_pretrained(folder, config, tensors, model_card(config, scores))

    def _whole_state(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        average = {k: v for k, v in tensors.items() if k.startswith(AVERAGE)}
        return {**tensors, **{NETWORK + k.removeprefix(AVERAGE): v for k, v in average.items()}}
