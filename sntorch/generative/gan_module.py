"""Training a GAN of light curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sntorch.building import build, plain, target_class
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.generative.abilities import GENERATED, RESAMPLED
from sntorch.generative.augmentation import DifferentiableAugmentation
from sntorch.generative.base import refuse_noiseless
from sntorch.generative.encoded_rows import EncodedRows
from sntorch.generative.encoding import RowEncoding
from sntorch.generative.encoding.base import usable_objects
from sntorch.generative.gan_sampling import SampledGAN
from sntorch.generative.levels import LevelPrior
from sntorch.generative.losses import AdversarialLoss, Score
from sntorch.generative.noise import seeded
from sntorch.generative.requests import TrainingObjects
from sntorch.generative.training import (
    AUGMENT_BELOW,
    LOG_EVERY,
    check_share,
)
from sntorch.nn.ema import AveragedModel

# Blur of the numbers to condition on, in units of their spread: an exact redshift would name an
# object that the critic has learned by heart.
BLUR = 0.1


class LightCurveGAN(SampledGAN):
    """A generator and a critic that learn from each other; the averaged generator is the one that
    samples.

    All random numbers of a training step derive from ``seed``, the number of steps made and the
    rank of the process, so on a CPU a run resumed from a checkpoint ends with the weights of an
    uninterrupted one.

    Args:
        generator: Class (``_target_``) and arguments of the generator; ``n_bands`` and
            ``n_condition`` are added.
        critic: Class and arguments of the critic; the same are added.
        loss: Class and arguments of an ``AdversarialLoss``.
        encoding: Class of a ``RowEncoding``.
        conditions: Properties that can be asked for: ``type``, ``redshift``, ``mwebv``,
            ``host_0`` …; see ``Conditions``.
        condition_dropout: Share of objects whose conditions are hidden while training.
        learning_rate: Step of Adam, for both networks, at the start.
        half_life: Iterations in which the step halves; none: it stays. Late, the networks circle
            around each other, and where training ends decides how good the generator is; a
            smaller step makes the circle smaller.
        betas: Decay of Adam's two moments.
        ema_decay: Decay of the generator's average.
        real_cadence: Share of generated objects that get the times of real ones while training, so
            that the photometry also learns to follow a given cadence.
        cadence: Which epochs generated objects have where none are asked for: "generated", those
            that the network makes, or "resampled", spliced from those of training objects.
        epoch_shift: Days by which the maximum moves among resampled epochs, standard deviation.
        impose_level: Whether the brightness level of an object is drawn from the prior, given to
            the generator as its first latent number, and imposed on what it writes.
        measurement: Whether the generator writes noiseless fluxes to which noise of the written
            errors is added (AmbientGAN, Bora et al. 2018).
        augment: Whether the critic sees augmented light curves; default: for fewer than 150
            objects.
        seed: Seed of initial weights and training noise.
        n_validation: Light curves drawn for each validation.
        start_from: A trained GAN to go on from: its checkpoint, run or folder.
        borrow_epochs: Whether resampled epochs are then those of its training objects.
    """

    TRAINED = "generator", "critic", "average"
    SAME = "generator", "critic", "encoding", "conditions", "impose_level", "measurement"
    WHAT = "A generative adversarial network that makes photometry and, unless given, epochs"
    critic: Any

    def __init__(
        self,
        generator: Mapping[str, Any],
        critic: Mapping[str, Any],
        loss: Mapping[str, Any],
        encoding: Mapping[str, Any],
        conditions: Sequence[str] = (),
        condition_dropout: float = 0.1,
        learning_rate: float = 1e-3,
        half_life: float | None = None,
        betas: Sequence[float] = (0.0, 0.99),
        ema_decay: float = 0.999,
        real_cadence: float = 0.5,
        cadence: str = GENERATED,
        epoch_shift: float = 2.5,
        impose_level: bool = True,
        measurement: bool = True,
        augment: bool | None = None,
        seed: int = 0,
        n_validation: int = 1000,
        start_from: str | Path | None = None,
        borrow_epochs: bool = True,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "generator": plain(generator),
            "critic": plain(critic),
            "loss": plain(loss),
            "encoding": plain(encoding),
            "conditions": [str(name) for name in conditions],
            "condition_dropout": float(condition_dropout),
            "learning_rate": float(learning_rate),
            "half_life": None if half_life is None else float(half_life),
            "betas": [float(b) for b in betas],
            "ema_decay": float(ema_decay),
            "real_cadence": float(real_cadence),
            "cadence": str(cadence),
            "epoch_shift": float(epoch_shift),
            "impose_level": bool(impose_level),
            "measurement": bool(measurement),
            "augment": augment,
            "seed": int(seed),
            "n_validation": int(n_validation),
            "start_from": None if start_from is None else str(start_from),
            "borrow_epochs": bool(borrow_epochs),
        }
        check_share("condition_dropout", self.config["condition_dropout"])
        _check_cadence(self.config["cadence"], self.config["real_cadence"])
        self.save_hyperparameters(self.config)
        self.knows_true_flux = self.config["measurement"]
        self.follows_cadence = self.config["real_cadence"] > 0
        self.loss = build(self.config["loss"], AdversarialLoss)
        self.augmentation = DifferentiableAugmentation()

    # ---------------------------------------------------------------- building

    def _fit(self, batch: LightCurveBatch, previous: LightCurveGAN | None) -> None:
        refuse_noiseless(batch)
        batch = usable_objects(batch)
        kind = target_class(self.config["encoding"], RowEncoding)
        encoding = kind.fit(batch) if previous is None else previous.encoding
        x, mask = encoding.encode(batch)
        seen = mask.flatten(1).any(1)
        x, mask, names = x[seen], mask[seen], self.config["conditions"]
        known = None if previous is None else previous.objects
        objects = TrainingObjects.of(names, batch[seen], mask, known)
        self._assemble(encoding, objects, encoding.level(x, mask))

    def _assemble(self, encoding: RowEncoding, objects: TrainingObjects, levels: Tensor) -> None:
        self.encoding, self.bands = encoding, objects.bands
        self.conditions, self.epochs = objects.conditions, objects.epochs
        self.levels = LevelPrior(levels, objects.conditions)
        sizes = {"n_bands": encoding.n_bands, "n_condition": self.conditions.n_codes}
        with seeded(torch.device("cpu"), self.config["seed"]):
            self.generator = build(self.config["generator"], nn.Module, **sizes)
            self.critic = build(self.config["critic"], nn.Module, **sizes)
        self.average = AveragedModel(self.generator, self.config["ema_decay"])
        self.to(self.device)

    @property
    def augments(self) -> bool:
        """Whether the critic sees augmented light curves."""
        chosen = self.config["augment"]
        return len(self.epochs) < AUGMENT_BELOW if chosen is None else bool(chosen)

    # ---------------------------------------------------------------- training

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One Adam for each network."""
        options = {"lr": self.config["learning_rate"], "betas": tuple(self.config["betas"])}
        return [
            torch.optim.Adam(net.parameters(), **options) for net in (self.generator, self.critic)
        ]

    def training_step(self, batch: LightCurveBatch, batch_idx: int) -> None:
        """``loss.n_critic`` critic steps and one generator step on one batch; nothing on a batch
        without a usable observation.
        """
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        self._set_steps(optimizers)
        real = EncodedRows.of(batch, self.encoding, self.conditions)
        if self.empty_on_any_rank(len(real)):
            return
        with seeded(self.device, *self.noise_words()):
            condition = self._hidden(real)
            score = partial(self._score, condition=condition)
            first = int(self.iterations) * self.loss.n_critic
            for step in range(first, first + self.loss.n_critic):
                fake = self._fake(real, condition)
                critic_loss, margin = self._critic_step(
                    optimizers[1], score, real, fake.detach(), step
                )
            # The generator learns from the objects that the critic has just judged: one pass less.
            generator_loss = self._generator_step(optimizers[0], score, real, fake)
        self.average.update(self.generator)
        self.iterations += 1
        if int(self.iterations) % LOG_EVERY == 1:
            self._log_losses(critic_loss, margin, generator_loss, len(real))

    def _set_steps(self, optimizers: Sequence[Any]) -> None:
        """Set the learning rates of this iteration."""
        half_life = self.config["half_life"]
        share = 1.0 if half_life is None else 0.5 ** (int(self.iterations) / half_life)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.config["learning_rate"] * share

    def _critic_step(
        self, optimizer: Any, score: Score, real: EncodedRows, fake: Tensor, step: int
    ) -> tuple[Tensor, Tensor]:
        loss, margin = self.loss.critic(score, real.x, fake, real.mask, step)
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return loss.detach(), margin

    def _generator_step(
        self, optimizer: Any, score: Score, real: EncodedRows, fake: Tensor
    ) -> Tensor:
        self.critic.requires_grad_(False)
        loss = self.loss.generator(score, real.x, fake, real.mask)
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        self.critic.requires_grad_(True)
        return loss.detach()

    def _hidden(self, real: EncodedRows) -> Tensor | None:
        """Codes of the conditions of real objects, blurred, some of them hidden."""
        numbers = self.conditions.blurred(real.numbers, BLUR)
        hidden = self.conditions.hide(real.label, numbers, self.config["condition_dropout"])
        return self.codes(*hidden)

    def _fake(self, real: EncodedRows, condition: Tensor | None) -> Tensor:
        """Generated rows with the masks and conditions, and some with the times, of real ones."""
        mask = real.mask
        z = torch.randn(len(real), self.generator.n_latent, device=self.device)
        steps = torch.randn(*mask.shape[:2], self.generator.n_step_noise, device=self.device)
        n_given = round(self.config["real_cadence"] * len(real))
        cadence = None
        if n_given:
            cadence = real.x[..., : mask.shape[-1]].clone()
            cadence[n_given:] = torch.nan
        # Smoothed as in sampling: an exact level would name the object that it comes from.
        level = self.levels.smooth(
            self.conditions, self.encoding.level(real.x, mask), real.label, real.numbers, z[:, 0]
        )
        eps = torch.randn(mask.shape, device=self.device)
        x = self.true_rows(self.generator, z, steps, mask, cadence, level, condition)
        return self.encoding.measure(x, eps) if self.config["measurement"] else x

    def _score(self, x: Tensor, mask: Tensor, condition: Tensor | None) -> Tensor:
        """Scores of real or generated rows, or of both one after the other: (B,) or (2 B,)."""
        if self.augments:
            x, mask = self.augmentation(x, mask)
        if condition is not None:
            condition = condition.repeat(len(x) // len(condition), 1)
        return self.critic(x, mask, self.encoding, condition)

    def _log_losses(self, critic: Tensor, margin: Tensor, generator: Tensor, size: int) -> None:
        values = {
            "train/critic_loss": critic,
            "train/generator_loss": generator,
            "train/margin": margin,
        }
        self.check_losses(values)
        self.log_dict(values, batch_size=size)

    # -------------------------------------------------------------- checkpoints

    def _rebuild(self, found: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        encoding = build(
            self.config["encoding"],
            RowEncoding,
            bands=found["bands"],
            zeropoint=found["zeropoint"],
        )
        objects = TrainingObjects.from_state(self.config["conditions"], found, state)
        self._assemble(encoding, objects, state["levels.levels"])


def _check_cadence(cadence: str, real_cadence: float) -> None:
    """Refuse a usual cadence that the network does not learn to follow.

    Raises:
        ConfigError: Such a one.
    """
    if cadence not in (GENERATED, RESAMPLED):
        raise ConfigError(f"cadence {cadence!r}: {GENERATED} or {RESAMPLED} is accepted")
    if cadence == RESAMPLED and real_cadence == 0:
        raise ConfigError(
            f"cadence {RESAMPLED} needs real_cadence above 0: photometry that learned to follow "
            "given epochs"
        )
