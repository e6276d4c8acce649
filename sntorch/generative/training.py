"""What generators that are trained share: set-up, held-out objects, sampling, checkpoints."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch, concatenate
from sntorch.data.rows import LightCurveRows
from sntorch.errors import ConfigError
from sntorch.fitted import FittedModule
from sntorch.generative.abilities import Abilities
from sntorch.generative.base import Cadence, GenerativeModel, Seed, refuse_noiseless
from sntorch.generative.donors import Donors
from sntorch.generative.evaluate.quick import quick_metrics
from sntorch.generative.model_card import model_card
from sntorch.generative.noise import mix
from sntorch.generative.requests import TrainingObjects
from sntorch.generative.start import open_start
from sntorch.generative.training_facts import warn_of_few
from sntorch.nn.ema import AveragedModel
from sntorch.pretrained import save_pretrained

AUGMENT_BELOW = 150
# Logging every step would cost as much as a small network.
LOG_EVERY = 20


class TrainedGenerator(FittedModule, Abilities, GenerativeModel):
    """A generator that Lightning trains, with optimisation by hand.

    A subclass fits what precedes the networks, builds them and sets ``bands`` (``_fit``), says
    what it knows of its training objects (``objects``, ``zeropoint``), makes a training step that
    counts ``iterations``, draws rows (``sample_rows``), and rebuilds itself (``_rebuild``). It
    declares what it can, see ``Abilities``; the rest is refused before ``sample_rows`` is called.

    Its ``config`` holds all arguments of its constructor in plain types, which are also given to
    ``save_hyperparameters``. These keys are read here:

    - ``seed``: names the noise of training and validation;
    - ``n_validation``: light curves that are drawn for each validation;
    - ``start_from``: a trained model to go on from, or None; a subclass may do without;
    - ``borrow_epochs``: whether epochs of its objects are then kept as ``donors``; the same;
    - ``learning_rate``: what a training that diverges is told to lower; the same;
    - every name in ``SAME``, with ``start_from``.

    Attributes:
        TRAINED: Attributes with weights, which ``start_from`` takes over.
        SAME: Settings that have to be the same for that.
        average: The average of the networks' weights that samples, None where there is none.
        WHAT: What the model is, in a sentence for its card.
        donors: Objects of the training set of the model that this one started from, if any, whose
            epochs generated objects may have.
    """

    TRAINED: ClassVar[tuple[str, ...]]
    SAME: ClassVar[tuple[str, ...]]
    WHAT: ClassVar[str]
    KIND = "generator"
    average: AveragedModel | None

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        # As a class attribute, None would hide the module that a subclass sets.
        self.average = None
        self.donors: Donors | None = None
        self._held_out: list[LightCurveBatch] = []

    def setup(self, stage: str) -> None:
        """Fit the encoding on the data module's training objects, unless that has been done.

        A checkpoint to resume from holds what a model to start from gave, so that one is not
        opened again where ``trainer.ckpt_path`` is set beforehand, as ``sntorch train`` does; of
        an argument of ``trainer.fit`` Lightning tells only later.
        """
        started = self.config.get("start_from") is not None
        resumed = started and self.trainer.ckpt_path is not None
        if not self.bands and stage == "fit" and not resumed:
            data: Any = self.trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
            self.fit_encoding(data.train_batch())

    def fit_encoding(self, batch: LightCurveBatch) -> None:
        """Fit all that precedes the networks on all training objects, and build the networks.

        With ``start_from``, the encoding, the codes of conditions and all weights are those of a
        trained model; the objects, their epochs and their brightness are the new ones.

        Args:
            batch: All training objects.

        Raises:
            DataError: A band without observations, or no object with any.
            ConfigError: A condition that the objects do not have, a model to start from that
                does not fit, or objects without noise for a model that knows no true fluxes.
        """
        warn_of_few(batch)
        start = self.config.get("start_from")
        previous = None if start is None else open_start(self, start, batch)
        self._fit(batch, previous)
        if not self.knows_true_flux:
            refuse_noiseless(batch)
        self._remember(batch, previous)
        if previous is not None:
            if self.config.get("borrow_epochs"):
                self.donors = Donors.of(previous.objects)
            self._take_over(previous)

    @abstractmethod
    def _fit(self, batch: LightCurveBatch, previous: Self | None) -> None:
        """Fit to training objects and build the networks.

        Args:
            batch: All training objects.
            previous: A trained model whose encoding and codes are kept.
        """

    def _take_over(self, previous: Self) -> None:
        """The weights of a trained model; the average forgets them as fast as fresh ones."""
        for name in self.TRAINED:
            getattr(self, name).load_state_dict(getattr(previous, name).state_dict())
        if self.average is not None:
            self.average.updates.zero_()

    @property
    @abstractmethod
    def objects(self) -> TrainingObjects:
        """What is known of the training objects."""

    @property
    @abstractmethod
    def zeropoint(self) -> float:
        """Zero point of the fluxes."""

    def noise_words(self) -> tuple[int, ...]:
        """What names the noise of a training step; the first rank's is that of one process."""
        rank = (self.global_rank,) if self.global_rank else ()
        return self.config["seed"], int(self.iterations), *rank

    def empty_on_any_rank(self, size: int) -> bool:
        """Whether to skip a step; all ranks at once, for they wait for each other's gradients."""
        if self.trainer.world_size == 1:
            return not size
        smallest = torch.tensor(size, device=self.device)
        return not int(self.trainer.strategy.reduce(smallest, reduce_op="min"))

    def check_losses(self, losses: Mapping[str, Tensor]) -> None:
        """Stop a training whose losses are no numbers.

        Raises:
            ConfigError: One of them.
        """
        finite = all(bool(loss.isfinite()) for loss in losses.values())
        self.refuse_divergence(finite, f"{int(self.iterations)} iterations", "a loss")

    def keep_held_out(self, batch: LightCurveBatch) -> None:
        """Keep held-out objects; they are compared when all are there."""
        self._held_out.append(batch.to("cpu"))

    def validation_step(self, batch: LightCurveBatch, batch_idx: int) -> None:
        """Keep the held-out objects."""
        self.keep_held_out(batch)

    def on_validation_epoch_end(self) -> None:
        """Compare fresh samples with the held-out objects: scores as ``val/…``."""
        held_out, self._held_out = self._held_out, []
        if not held_out:
            return
        seed = mix(self.config["seed"], int(self.iterations))
        real = concatenate(held_out)
        drawn = self.sample(self.config["n_validation"], seed=seed, noiseless=real.noiseless)
        scores = {f"val/{k}": v for k, v in quick_metrics(drawn.to("cpu"), real).items()}
        self.log_dict(scores, batch_size=len(real), sync_dist=True)

    # ---------------------------------------------------------------- sampling

    def sample(
        self,
        n: int,
        lengths: Tensor | int | None = None,
        condition: Mapping[str, Any] | None = None,
        cadence: Cadence | None = None,
        seed: Seed = None,
        temperature: float = 1.0,
        noiseless: bool = False,
    ) -> LightCurveBatch:
        """Draw ``n`` light curves; see ``GenerativeModel.sample`` and ``sample_rows``.

        Raises:
            ConfigError: An untrained model, or what the model cannot be asked for.
        """
        self.check_trained()
        self.check_abilities(cadence, noiseless)
        asked = n, lengths, condition, cadence, seed, temperature, noiseless
        return replace(self.sample_rows(*asked).to_batch(), noiseless=noiseless)

    @abstractmethod
    def sample_rows(
        self,
        n: int,
        lengths: Tensor | int | None = None,
        condition: Mapping[str, Any] | None = None,
        cadence: Cadence | None = None,
        seed: Seed = None,
        temperature: float = 1.0,
        noiseless: bool = False,
    ) -> LightCurveRows:
        """As ``sample``, in the rows view."""

    def check_trained(self) -> None:
        """Refuse what an untrained model cannot do.

        Raises:
            ConfigError: It has not been trained.
        """
        if not self.bands:
            raise ConfigError("this generator has not been trained: fit it or load a checkpoint")

    # -------------------------------------------------------------- checkpoints

    def _description(self) -> dict[str, Any]:
        return {
            **super()._description(),
            "classes": list(self.objects.conditions.classes),
            "zeropoint": self.zeropoint,
        }

    def _restore(self, found: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        super()._restore(found, state)
        self._rebuild(found, state)
        self.donors = Donors.from_state(state, "donors.")

    @abstractmethod
    def _rebuild(self, found: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        """Everything in the sizes of saved tensors, from a description."""

    def save_pretrained(self, folder: str | Path, scores: Mapping[str, Any] | None = None) -> None:
        """Write the trained model into a folder, with a model card.

        Args:
            folder: New, empty, or the folder of another model.
            scores: As ``evaluate_generator`` returns them, for the card.

        Raises:
            ConfigError: It has not been trained.
            DataError: The folder holds something else, or cannot be written.
        """
        self.check_trained()
        config = self._folder_config()
        card = model_card(self.WHAT, config, self.objects.conditions, scores)
        save_pretrained(folder, config, self.state_dict(), card)


def check_share(name: str, value: float) -> None:
    """Refuse a share of objects that leaves none.

    Raises:
        ConfigError: One of 1 or more, or below 0.
    """
    if not 0 <= value < 1:
        raise ConfigError(f"{name}={value}: 0 to below 1 is accepted")
