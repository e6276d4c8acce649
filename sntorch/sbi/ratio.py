"""Neural ratio estimation: a network that tells joint pairs (θ, x) from marginal ones.

Losses are those of ``losses.py``. A contrast among K + 1 parameters cannot see more than
ln (K + 1) nats of information, so that many are needed where surveys tell much: the embedding is
computed once for a survey, and hundreds of θ go through the head alone. Marginal θ come from

    prior      fresh draws, the same ones for all surveys of a batch
    batch      the other surveys' θ
    proposal   draws of a density estimator q(θ | x), each survey its own: then the network learns
               ln p(θ | x) / q(θ | x), what is left to correct.

Letters in shapes: ``B`` surveys, ``C`` points θ, ``K`` marginal ones, ``D`` parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.diagnostics.evidence import mean_ratio
from sntorch.sbi.ensemble import EnsembleSettings
from sntorch.sbi.ensemble import sample as walk
from sntorch.sbi.estimator import PosteriorEstimator
from sntorch.sbi.flow import FlowModule
from sntorch.sbi.heads import make_head
from sntorch.sbi.losses import LOSSES, information, ratio_loss
from sntorch.sbi.prior import BoxPrior

NEGATIVES = ("prior", "batch", "proposal")


class RatioModule(PosteriorEstimator):
    """ln p(θ | x) / p(θ) by classification.

    Args:
        prior: Of θ, or its settings.
        embedding: Of surveys: ``_target_`` and arguments, see ``embeddings.py``.
        loss: ``nre_a``, ``nre_b``, ``nre_c`` or ``bnre``.
        head: ``bilinear`` or ``perceptron``.
        negatives: Where marginal θ come from: ``prior``, ``batch`` or ``proposal``.
        n_negatives: K; for ``batch`` at most B - 1, and as many where there are less.
        width: Of the head's hidden layers.
        depth: Hidden layers of the head.
        gamma: γ of NRE-C.
        balance: λ of balanced NRE.
        learning_rate: Largest step of AdamW.
        gradient_clip: Largest norm of a gradient.
        seed: Of first weights and training noise.
        proposal: Arguments of the ``FlowModule`` that proposes; ``correcting`` gives its weights.

    Raises:
        ConfigError: An unknown loss, head, or kind of negatives, or a proposal that is missing or
            in vain.
    """

    def __init__(
        self,
        prior: BoxPrior | Mapping[str, Any],
        embedding: Mapping[str, Any],
        loss: str = "nre_b",
        head: str = "bilinear",
        negatives: str = "prior",
        n_negatives: int = 1023,
        width: int = 128,
        depth: int = 2,
        gamma: float = 1.0,
        balance: float = 100.0,
        learning_rate: float = 2e-3,
        gradient_clip: float = 5.0,
        seed: int = 0,
        proposal: Mapping[str, Any] | None = None,
    ) -> None:
        if loss not in LOSSES:
            raise ConfigError(f"loss {loss}: one of {', '.join(LOSSES)} is accepted")
        if negatives not in NEGATIVES:
            raise ConfigError(f"negatives {negatives}: one of {', '.join(NEGATIVES)} is accepted")
        if (proposal is not None) != (negatives == "proposal"):
            raise ConfigError(
                f"negatives {negatives}: a proposal is for negatives=proposal, which need one"
            )
        super().__init__(
            prior,
            embedding,
            learning_rate,
            gradient_clip,
            seed,
            loss=loss,
            head=head,
            negatives=negatives,
            n_negatives=int(n_negatives),
            width=int(width),
            depth=int(depth),
            gamma=float(gamma),
            balance=float(balance),
            proposal=None if proposal is None else dict(proposal),
        )

    @classmethod
    def correcting(cls, flow: FlowModule, **arguments: Any) -> Self:
        """A ratio that learns what a trained density estimator gets wrong.

        It begins with the estimator's own embedding.

        Args:
            flow: What proposes; it is copied and stays as it is.
            **arguments: Of the class, but ``prior``, ``embedding``, ``negatives``, ``proposal``.
        """
        module = cls(
            flow.config["prior"],
            flow.config["embedding"],
            negatives="proposal",
            proposal=flow.config,
            **arguments,
        )
        assert module.proposal is not None
        module.proposal.load_state_dict(flow.state_dict())
        module.embedding.load_state_dict(flow.embedding.state_dict())
        module.prepared.copy_(flow.prepared)
        return module

    def _build(self) -> None:
        config, n_embedding = self.config, self.embedding.n_outputs
        self.head: Any = make_head(
            config["head"],
            self.prior.dim,
            n_embedding,
            width=config["width"],
            depth=config["depth"],
            offset=self.normalised,
        )
        self.proposal = None
        if config["proposal"] is not None:
            self.proposal = FlowModule(**config["proposal"]).requires_grad_(False)

    def within(self, prior: BoxPrior) -> Self:
        """The same network with another prior, to go on training.

        Raises:
            ConfigError: A correction, whose prior is that of its proposal.
        """
        if self.proposal is not None:
            raise ConfigError(
                "a correction has the prior of its proposal: truncate the flow, then correct it"
            )
        return super().within(prior)

    # ---------------------------------------------------------------- what it tells

    def embed(self, x: Any) -> Tensor:
        """Vectors, shape (B, E), of B surveys; after its own the proposal's."""
        own = super().embed(x)
        return own if self.proposal is None else torch.cat([own, self.proposal.embed(x)], 1)

    def log_ratio_embedded(self, theta: Tensor, embedded: Tensor) -> Tensor:
        """ln r, shape (B, C), of θ (B, C, D) or (C, D) and embeddings (B, E)."""
        own, others = embedded.split(
            [self.embedding.n_outputs, embedded.shape[1] - self.embedding.n_outputs], 1
        )
        found = self.head(self.standardised(theta), own)
        if self.proposal is None:
            return found
        return found + self.proposal.log_ratio_embedded(theta, others)

    @property
    def normalised(self) -> bool:
        """Not so for NRE-B, which leaves ln r undetermined by any function of x."""
        return self.config["loss"] != "nre_b"

    @torch.no_grad()
    def log_evidence(self, x: Any, n: int = 4096, seed: int = 0) -> Tensor:
        """ln of the prior's mean of r, shape (B,): zero for a ratio that is normalised."""
        return mean_ratio(lambda theta: self.log_ratio(theta[0], x), self.prior, n, seed)[0]

    def sample(self, x: Any, n: int, seed: int = 0) -> Tensor:
        """Draws from the posteriors of B surveys by the batched sampler, shape (B, n, D)."""
        settings = EnsembleSettings(seed=seed)
        start = None
        if self.proposal is not None:
            start = self.proposal.sample(x, settings.walkers, seed)
        return walk(self.posterior(x), n, settings, start).theta[:, :n]

    # ---------------------------------------------------------------- training

    def loss(self, theta: Tensor, x: Any, generator: torch.Generator) -> Tensor:
        """The chosen loss of joint pairs and their marginal ones."""
        return self._loss(*self._logits(theta, x, generator))

    def information(self, theta: Tensor, x: Any, generator: torch.Generator) -> Tensor:
        """What the contrast tells, and what the proposal told before."""
        return self._information(theta, x, *self._logits(theta, x, generator))

    def scores(
        self, theta: Tensor, x: Any, noise: Callable[[], torch.Generator]
    ) -> tuple[Tensor, Tensor]:
        """Loss and information of the same logits."""
        logits = self._logits(theta, x, noise())
        return self._loss(*logits), self._information(theta, x, *logits)

    def _loss(self, joint: Tensor, marginal: Tensor) -> Tensor:
        config = self.config
        return ratio_loss(config["loss"], joint, marginal, config["gamma"], config["balance"])

    def _information(self, theta: Tensor, x: Any, joint: Tensor, marginal: Tensor) -> Tensor:
        told = information(joint, marginal)
        if self.proposal is None:
            return told
        return told + self.proposal.log_ratio(theta[:, None], x).mean()

    def _logits(self, theta: Tensor, x: Any, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Logits of joint pairs (B,) and of marginal ones (B, K)."""
        embedded, scaled = self.embedding(x), self.standardised(theta)
        k = self.config["n_negatives"]
        # One survey alone, such as the last of a shard, has no others.
        if self.config["negatives"] == "batch" and len(theta) > 1:
            n = len(theta)
            every = self.head(scaled, embedded)
            # The k surveys that follow in the batch.
            apart = torch.arange(1, min(k, n - 1) + 1, device=theta.device)
            others = (torch.arange(n, device=theta.device)[:, None] + apart) % n
            return every.diagonal(), every.gather(1, others)
        joint = self.head(scaled[:, None], embedded)[:, 0]
        if self.proposal is None:
            drawn = self._from_prior(k, generator)
        else:
            drawn = self.proposal.draw(x, k, generator)
        return joint, self.head(self.standardised(drawn), embedded)

    def _from_prior(self, n: int, generator: torch.Generator) -> Tensor:
        u = torch.rand(n, self.prior.dim, generator=generator, device=generator.device)
        return self.prior.from_uniform(u)
