"""Training a recurrent GAN, and sampling it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sntorch.data.batch import LightCurveBatch
from sntorch.data.rows import LightCurveRows
from sntorch.errors import ConfigError
from sntorch.generative.augmentation import DifferentiableAugmentation
from sntorch.generative.base import Cadence
from sntorch.generative.building import build, plain, target_class
from sntorch.generative.encoding import RowEncoding
from sntorch.generative.losses import AdversarialLoss
from sntorch.generative.noise import seeded
from sntorch.generative.prior import ObjectPrior
from sntorch.generative.sampling import Draws, check_request, chunks, draw
from sntorch.generative.training import (
    AUGMENT_BELOW,
    LOG_EVERY,
    TrainedGenerator,
    warn_of_few,
)
from sntorch.nn.ema import AveragedModel


class RecurrentGAN(TrainedGenerator):
    """A generator and a critic that learn from each other; the averaged generator is the one that
    samples.

    All random numbers of a training step derive from ``seed``, the number of steps made and the
    rank of the process, so a run resumed from a checkpoint ends with the weights of an
    uninterrupted one.

    Args:
        generator: Class (``_target_``) and arguments of the generator; ``n_bands`` is added.
        critic: Class and arguments of the critic; ``n_bands`` is added.
        loss: Class and arguments of an ``AdversarialLoss``.
        encoding: Class of a ``RowEncoding``.
        learning_rate: Step of Adam, for both networks.
        betas: Decay of Adam's two moments.
        ema_decay: Decay of the generator's average.
        real_cadence: Share of generated objects that get the times of real ones while training, so
            that the photometry also learns to follow a given cadence.
        impose_level: Whether the brightness level of an object is drawn from the prior, given to
            the generator as its first latent number, and imposed on what it writes.
        measurement: Whether the generator writes noiseless fluxes to which noise of the written
            errors is added (AmbientGAN, Bora et al. 2018).
        augment: Whether the critic sees augmented light curves; default: for fewer than 150
            objects.
        seed: Seed of initial weights and training noise.
        n_validation: Light curves drawn for each validation.
    """

    generator: Any
    critic: Any

    def __init__(
        self,
        generator: Mapping[str, Any],
        critic: Mapping[str, Any],
        loss: Mapping[str, Any],
        encoding: Mapping[str, Any],
        learning_rate: float = 1e-3,
        betas: Sequence[float] = (0.0, 0.99),
        ema_decay: float = 0.999,
        real_cadence: float = 0.5,
        impose_level: bool = True,
        measurement: bool = True,
        augment: bool | None = None,
        seed: int = 0,
        n_validation: int = 1000,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "generator": plain(generator),
            "critic": plain(critic),
            "loss": plain(loss),
            "encoding": plain(encoding),
            "learning_rate": float(learning_rate),
            "betas": [float(b) for b in betas],
            "ema_decay": float(ema_decay),
            "real_cadence": float(real_cadence),
            "impose_level": bool(impose_level),
            "measurement": bool(measurement),
            "augment": augment,
            "seed": int(seed),
            "n_validation": int(n_validation),
        }
        self.save_hyperparameters(self.config)
        self.loss = build(self.config["loss"], AdversarialLoss)
        self.augmentation = DifferentiableAugmentation()

    # ---------------------------------------------------------------- building

    def fit_encoding(self, batch: LightCurveBatch) -> None:
        """Fit encoding and length prior on the training objects and build the networks.

        Args:
            batch: All training objects.

        Raises:
            DataError: A band without observations.
        """
        warn_of_few(batch)
        encoding = target_class(self.config["encoding"], RowEncoding).fit(batch)
        x, mask = encoding.encode(batch)
        prior = ObjectPrior(mask.sum(1), x[..., : encoding.n_bands], encoding.level(x, mask))
        self._assemble(encoding, prior)

    def _assemble(self, encoding: RowEncoding, prior: ObjectPrior) -> None:
        self.encoding, self.prior = encoding, prior
        self.bands = encoding.bands
        with seeded(torch.device("cpu"), self.config["seed"]):
            self.generator = build(self.config["generator"], nn.Module, n_bands=encoding.n_bands)
            self.critic = build(self.config["critic"], nn.Module, n_bands=encoding.n_bands)
        self.average = AveragedModel(self.generator, self.config["ema_decay"])
        self.to(self.device)

    @property
    def augments(self) -> bool:
        """Whether the critic sees augmented light curves."""
        chosen = self.config["augment"]
        return len(self.prior) < AUGMENT_BELOW if chosen is None else bool(chosen)

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
        real, mask = self._encoded(batch)
        if self.empty_on_any_rank(len(real)):
            return
        with seeded(self.device, *self.noise_words()):
            first = int(self.iterations) * self.loss.n_critic
            for step in range(first, first + self.loss.n_critic):
                fake = self._fake(real, mask)
                critic_loss, margin = self._critic_step(
                    optimizers[1], real, fake.detach(), mask, step
                )
            # The generator learns from the objects that the critic has just judged: one pass less.
            generator_loss = self._generator_step(optimizers[0], real, fake, mask)
        self.average.update(self.generator)
        self.iterations += 1
        if int(self.iterations) % LOG_EVERY == 1:
            self._log_losses(critic_loss, margin, generator_loss, len(real))

    def _critic_step(
        self, optimizer: Any, real: Tensor, fake: Tensor, mask: Tensor, step: int
    ) -> tuple[Tensor, Tensor]:
        loss, margin = self.loss.critic(self._score, real, fake, mask, step)
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return loss.detach(), margin

    def _generator_step(self, optimizer: Any, real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
        self.critic.requires_grad_(False)
        loss = self.loss.generator(self._score, real, fake, mask)
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        self.critic.requires_grad_(True)
        return loss.detach()

    def _fake(self, real: Tensor, mask: Tensor) -> Tensor:
        """Generated rows with the masks, and some with the times, of the real ones."""
        z = torch.randn(len(real), self.generator.n_latent, device=self.device)
        steps = torch.randn(*mask.shape[:2], self.generator.n_step_noise, device=self.device)
        n_given = round(self.config["real_cadence"] * len(real))
        cadence = None
        if n_given:
            cadence = real[..., : mask.shape[-1]].clone()
            cadence[n_given:] = torch.nan
        # Smoothed as in sampling: an exact level would name the object that it comes from.
        level = self.prior.smooth(self.encoding.level(real, mask), z[:, 0])
        eps = torch.randn(mask.shape, device=self.device)
        return self._light_curves(self.generator, z, steps, eps, mask, cadence, level)

    def _light_curves(
        self,
        network: nn.Module,
        z: Tensor,
        steps: Tensor,
        eps: Tensor,
        mask: Tensor,
        times: Tensor | None,
        level: Tensor,
    ) -> Tensor:
        """Rows by a network, brought to a brightness level and measured, where so configured."""
        if not self.config["impose_level"]:
            x = network(z, steps, mask, self.encoding, times)
        else:
            z = torch.cat([level[:, None], z[:, 1:]], dim=1)
            x = network(z, steps, mask, self.encoding, times)
            x = self.encoding.with_level(x, mask, level)
        return self.encoding.measure(x, eps) if self.config["measurement"] else x

    def _score(self, x: Tensor, mask: Tensor) -> Tensor:
        if self.augments:
            x, mask = self.augmentation(x, mask)
        return self.critic(x, mask, self.encoding)

    def _encoded(self, batch: LightCurveBatch) -> tuple[Tensor, Tensor]:
        x, mask = self.encoding.encode(batch)
        seen = mask.any(-1).any(-1)
        return x[seen], mask[seen]

    def _log_losses(self, critic: Tensor, margin: Tensor, generator: Tensor, size: int) -> None:
        values = {
            "train/critic_loss": critic,
            "train/generator_loss": generator,
            "train/margin": margin,
        }
        self.check_losses(values)
        self.log_dict(values, batch_size=size)

    # -------------------------------------------------------------- validation

    def validation_step(self, batch: LightCurveBatch, batch_idx: int) -> None:
        """Keep the held-out objects; they are compared when all are there."""
        self.keep_held_out(batch)

    # ---------------------------------------------------------------- sampling

    @torch.no_grad()
    def sample_rows(
        self,
        n: int,
        lengths: Tensor | int | None = None,
        condition: Mapping[str, Any] | None = None,
        cadence: Cadence | None = None,
        seed: int | None = None,
        temperature: float = 1.0,
    ) -> LightCurveRows:
        """As ``sample``, in the rows view and the order in which the network wrote them.

        Raises:
            ConfigError: A condition (this model has none), lengths or a cadence that do not fit.
        """
        self.check_trained()
        if cadence not in (None, "generated") and self.config["real_cadence"] == 0:
            raise ConfigError(
                "this generator was trained with real_cadence=0: it makes its own times only"
            )
        request = check_request(
            self.encoding, self.prior, n, lengths, condition, cadence, seed, temperature
        )
        sizes = self.generator.n_latent, self.generator.n_step_noise
        parts = []
        for index, count in chunks(n):
            x, mask = self._generate(draw(request, self.prior, index, *sizes))
            parts.append((x[:count], mask[:count]))
        return self.encoding.decode(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def _generate(self, draws: Draws) -> tuple[Tensor, Tensor]:
        """Encoded rows and mask of some objects, by the averaged generator."""
        z, steps, eps, mask, level = (
            t.to(self.device) for t in (draws.z, draws.steps, draws.eps, draws.mask, draws.level)
        )
        times = None if draws.times is None else draws.times.to(self.device)
        return self._light_curves(self.average, z, steps, eps, mask, times, level), mask

    # -------------------------------------------------------------- checkpoints

    def _description(self) -> dict[str, Any]:
        return {
            "model": type(self).__name__,
            "bands": list(self.bands),
            "zeropoint": self.encoding.zeropoint,
        }

    def _rebuild(self, found: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        encoding = build(
            self.config["encoding"],
            RowEncoding,
            bands=found["bands"],
            zeropoint=found["zeropoint"],
        )
        prior = ObjectPrior(*(state[f"prior.{name}"] for name in ("counts", "times", "levels")))
        self._assemble(encoding, prior)
