"""What neural estimators of a posterior share: pairs in, training, posteriors out.

Whether a network tells a ratio or a density, it is used as ln r(θ, x) = ln p(θ | x) - ln p(θ): a
likelihood up to a constant, with an embedding that is computed once for a survey.

Letters in shapes: ``B`` surveys, ``C`` points θ, ``D`` parameters, ``E`` numbers of an embedding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn

from sntorch.building import build, plain
from sntorch.nn.schedules import rate_at
from sntorch.saved import SavedModule
from sntorch.sbi.estimated import EstimatedLikelihood
from sntorch.sbi.posterior import BoxPosterior
from sntorch.sbi.prior import BoxPrior

LOG_EVERY = 10


class PosteriorEstimator(SavedModule, ABC):
    """A network for the posteriors of surveys, trained on pairs (θ, x) from prior and simulator.

    A subclass builds its networks and says ``loss``, ``log_ratio_embedded`` and ``sample``.

    Args:
        prior: Of θ, or its settings.
        embedding: Of surveys: ``_target_`` and arguments, see ``embeddings.py``.
        learning_rate: Largest step of AdamW; it rises, then falls to zero as a cosine.
        gradient_clip: Largest norm of a gradient.
        seed: Of first weights and training noise.
        settings: Other arguments of the subclass.

    Attributes:
        config: All arguments in plain types.
        prior: Of θ.
        trained_on: What it was trained on in plain types, if that is known.
    """

    KIND = "estimator"
    centre: Tensor
    half_width: Tensor
    prepared: Tensor
    trained_on: dict[str, Any] | None = None

    def __init__(
        self,
        prior: BoxPrior | Mapping[str, Any],
        embedding: Mapping[str, Any],
        learning_rate: float,
        gradient_clip: float,
        seed: int,
        **settings: Any,
    ) -> None:
        super().__init__()
        self.prior = BoxPrior.of(prior)
        self.config = {
            "prior": self.prior.settings(),
            "embedding": plain(embedding),
            "learning_rate": float(learning_rate),
            "gradient_clip": float(gradient_clip),
            "seed": int(seed),
            **settings,
        }
        self.save_hyperparameters(self.config)
        low, high = torch.tensor(self.prior.low), torch.tensor(self.prior.high)
        self.register_buffer("centre", (low + high) / 2)
        self.register_buffer("half_width", (high - low) / 2)
        self.register_buffer("prepared", torch.tensor(False))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embedding: Any = build(self.config["embedding"], nn.Module)
            self._build()

    @abstractmethod
    def _build(self) -> None:
        """Make the networks behind the embedding."""

    # ---------------------------------------------------------------- what it tells

    @abstractmethod
    def log_ratio_embedded(self, theta: Tensor, embedded: Tensor) -> Tensor:
        """ln r, shape (B, C), of θ (B, C, D) or (C, D) and embeddings (B, E)."""

    @property
    def normalised(self) -> bool:
        """Whether ln r is learnt with its constant, so that its mean over the prior is one."""
        return True

    @abstractmethod
    def sample(self, x: Any, n: int, seed: int = 0) -> Tensor:
        """Draws from the posteriors of B surveys, shape (B, n, D), float64."""

    def embed(self, x: Any) -> Tensor:
        """Vectors, shape (B, E), of B surveys."""
        return self.embedding(x.to(self.device))

    def log_ratio(self, theta: Tensor, x: Any) -> Tensor:
        """ln r, shape (B, C), of θ (B, C, D) or (C, D) and B surveys."""
        return self.log_ratio_embedded(theta, self.embed(x))

    def log_prob(self, theta: Tensor, x: Any) -> Tensor:
        """ln p(θ | x) within the prior's box, shape (B, C), of θ (B, C, D) and B surveys.

        As well normalised as the ratio is.
        """
        return self.log_ratio(theta, x) - self.prior.log_volume

    def likelihood(self, x: Any) -> EstimatedLikelihood:
        """ln r of B surveys, which are embedded once, as a ``Likelihood``."""
        with torch.no_grad():
            return EstimatedLikelihood(self.log_ratio_embedded, self.embed(x))

    def posterior(self, x: Any) -> BoxPosterior:
        """Posteriors of B surveys, for the batched sampler."""
        return BoxPosterior(self.likelihood(x), self.prior)

    def to_sbi(self, method: str = "slice_np_vectorized", **options: Any) -> Any:
        """The posterior as one of the ``sbi`` package's; its x are ``embed(surveys)``.

        Args:
            method: Sampler, see ``sntorch.sbi.adapter.sbi_posterior``.
            options: Of the posterior's class.
        """
        from sntorch.sbi.adapter import sbi_posterior

        return sbi_posterior(self, method, **options)

    def standardised(self, theta: Tensor) -> Tensor:
        """θ in units of the box that the network was first made for, float32."""
        return (theta.to(self.centre) - self.centre) / self.half_width

    def within(self, prior: BoxPrior) -> Self:
        """The same network with another prior, to go on training: a warm start."""
        other = type(self)(**{**self.config, "prior": prior.settings()})
        other.load_state_dict(self.state_dict())
        other.trained_on = self.trained_on
        return other

    def _description(self) -> dict[str, Any]:
        return {**super()._description(), "trained_on": self.trained_on}

    def _restore(self, found: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        self.trained_on = found.get("trained_on")

    # ---------------------------------------------------------------- training

    def setup(self, stage: str) -> None:
        """Keep what it is trained on; let the embedding see surveys before its first training."""
        data: Any = getattr(self.trainer, "datamodule", None)
        simulator: Any = getattr(data, "simulator", None)
        if stage == "fit":
            # What it learnt before, a warm start say, is not what it learns now.
            self.trained_on = simulator.facts() if hasattr(simulator, "facts") else None
        if stage == "fit" and not bool(self.prepared) and hasattr(data, "examples"):
            self.prepare(data.examples())

    def prepare(self, x: Any) -> None:
        """Set scales by a few hundred simulated surveys, where the embedding has any to set."""
        if hasattr(self.embedding, "prepare"):
            self.embedding.prepare(x)
        self.prepared.fill_(True)

    @abstractmethod
    def loss(self, theta: Tensor, x: Any, generator: torch.Generator) -> Tensor:
        """A scalar, of parameters (B, D) and surveys."""

    @abstractmethod
    def information(self, theta: Tensor, x: Any, generator: torch.Generator) -> Tensor:
        """A lower bound of the mutual information of θ and x, nats."""

    def scores(
        self, theta: Tensor, x: Any, noise: Callable[[], torch.Generator]
    ) -> tuple[Tensor, Tensor]:
        """Loss and information with the same random numbers.

        A subclass that has both from one pass through its networks says so here.

        Args:
            theta: Parameters, shape (B, D).
            x: B surveys.
            noise: Gives the generator, always in the same state.
        """
        return self.loss(theta, x, noise()), self.information(theta, x, noise())

    def training_step(self, batch: tuple[Tensor, Any], batch_idx: int) -> Tensor:
        """The loss of a batch of pairs."""
        loss = self.loss(*batch, self._noise(self.global_step))
        self.refuse_divergence(bool(loss.isfinite()), f"{self.global_step} steps")
        # Logging every step would cost as much as a small network.
        if self.global_step % LOG_EVERY == 0:
            self.log("train/loss", loss.detach(), batch_size=len(batch[0]))
        return loss

    def validation_step(self, batch: tuple[Tensor, Any], batch_idx: int) -> None:
        """Loss and information of a batch of pairs, with the same noise each time."""
        loss, information = self.scores(*batch, partial(self._noise, batch_idx))
        scores = {"val/loss": loss, "val/information": information}
        self.log_dict(scores, batch_size=len(batch[0]), sync_dist=True)

    def on_train_epoch_start(self) -> None:
        """Fresh surveys in every epoch."""
        data: Any = getattr(self.trainer, "datamodule", None)
        if hasattr(data, "set_epoch"):
            data.set_epoch(self.current_epoch)

    def configure_optimizers(self) -> Any:
        """AdamW with one cycle."""
        rate = self.config["learning_rate"]
        optimizer = torch.optim.AdamW(
            (p for p in self.parameters() if p.requires_grad), rate, weight_decay=0.0
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _rate(self, step: int) -> float:
        """Share of the learning rate, of the training as long as it is to be now."""
        return rate_at(step / self.trainer.estimated_stepping_batches, "one_cycle")

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Clip the norm of the gradient, whatever the trainer's settings."""
        nn.utils.clip_grad_norm_(self.parameters(), self.config["gradient_clip"])

    def _noise(self, step: int) -> torch.Generator:
        """Random numbers that depend on seed and step alone, so that a resumed run is exact."""
        words = (self.config["seed"] % 2**31) * 2**32 + step + 1
        return torch.Generator(self.device).manual_seed(words)
