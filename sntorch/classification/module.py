"""Training of any classifier: one LightningModule, whatever the network.

The network is built when the training objects are known: their bands and classes are what it is
made for, and what a checkpoint brings along. What is kept for use is the average of the weights
(``ema_decay``), not the epoch that happened to score best: see ``TrainedClassifier``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from sntorch.building import build, plain, target_class
from sntorch.classification.augmentation import Augmentation
from sntorch.classification.base import ClassifierNetwork, StepNetwork
from sntorch.classification.context import Context
from sntorch.classification.feature_context import FeatureContext, refuse_early
from sntorch.classification.losses import ClassLoss
from sntorch.classification.scores import quick_scores
from sntorch.classification.start import open_start
from sntorch.classification.trained import TrainedClassifier
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError, DataError
from sntorch.nn.schedules import rate_at
from sntorch.nn.swag import Swag

# Logging every step would cost as much as a small network.
LOG_EVERY = 20


class ClassifierModule(TrainedClassifier):
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

    loss: ClassLoss

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
        if not 0 <= context_dropout < 1:
            raise ConfigError(f"context_dropout={context_dropout}: 0 to below 1 is accepted")
        if not 0 <= class_weights <= 1:
            raise ConfigError(f"class_weights={class_weights}: 0 to 1, or true, is accepted")
        rate_at(0.0, schedule)
        config = plain(
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
        told = None if features is None else build(config["features"], FeatureContext)
        super().__init__(config, Context(context, context_required, told))
        self.augment = [build(config, Augmentation) for config in self.config["augment"]]
        if told is not None:
            refuse_early(target_class(network, ClassifierNetwork), self.augment)
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
        self._remember(batch, previous)

    def _take_over(self, previous: Self) -> None:
        """What another classifier uses: its averaged weights, and the scaling of its inputs."""
        self.context.load_state_dict(previous.context.state_dict())
        for network in (self.network, self.average.average):
            network.load_state_dict(previous.average.average.state_dict())

    def _build(self, bands: Sequence[str], classes: Sequence[str], zeropoint: float) -> None:
        super()._build(bands, classes, zeropoint)
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
        self.refuse_divergence(bool(total.isfinite()), f"{int(self.iterations)} iterations")
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
