"""Neural posterior estimation: a conditional normalising flow for q(θ | x).

The flow is a neural spline flow (Durkan et al. 2019, arXiv:1906.04032, as in zuko) in the
unconstrained coordinates of a box prior, so that no probability leaks out of the box, trained by
maximum likelihood on pairs (θ, x).

Letters in shapes: ``B`` surveys, ``C`` points θ, ``S`` draws, ``D`` parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
import zuko
from torch import Tensor

from sntorch.sbi.estimator import PosteriorEstimator
from sntorch.sbi.prior import BoxPrior

# Standard deviation of a uniform variable's logit.
LOGISTIC_SD = math.pi / math.sqrt(3)
# Logits of single-precision numbers next to a wall.
NEAREST_WALL = 2.0**-22


class FlowModule(PosteriorEstimator):
    """ln p(θ | x) by a neural spline flow.

    Args:
        prior: Of θ, or its settings.
        embedding: Of surveys: ``_target_`` and arguments, see ``embeddings.py``.
        transforms: Autoregressive transformations one after another.
        bins: Of a spline.
        width: Of hidden layers.
        depth: Hidden layers of a transformation.
        learning_rate: Largest step of AdamW.
        gradient_clip: Largest norm of a gradient.
        seed: Of first weights.
    """

    def __init__(
        self,
        prior: BoxPrior | Mapping[str, Any],
        embedding: Mapping[str, Any],
        transforms: int = 3,
        bins: int = 8,
        width: int = 64,
        depth: int = 2,
        learning_rate: float = 2e-3,
        gradient_clip: float = 5.0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            prior,
            embedding,
            learning_rate,
            gradient_clip,
            seed,
            transforms=int(transforms),
            bins=int(bins),
            width=int(width),
            depth=int(depth),
        )

    def _build(self) -> None:
        config = self.config
        self.flow: Any = zuko.flows.NSF(
            features=self.prior.dim,
            context=self.embedding.n_outputs,
            transforms=config["transforms"],
            bins=config["bins"],
            hidden_features=[config["width"]] * config["depth"],
        )

    def log_ratio_embedded(self, theta: Tensor, embedded: Tensor) -> Tensor:
        """ln q(θ | x) / p(θ), shape (B, C), of θ (B, C, D) or (C, D) and embeddings (B, E)."""
        free = self._free(theta).to(embedded)
        context = embedded[:, None].expand(-1, free.shape[-2], -1)
        density = self.flow(context).log_prob(free / LOGISTIC_SD)
        return density - self.prior.dim * math.log(LOGISTIC_SD) - self.prior.log_density(free)

    @torch.no_grad()
    def sample(self, x: Any, n: int, seed: int = 0) -> Tensor:
        """Independent draws from the posteriors of B surveys, shape (B, n, D), float64."""
        return self.draw(x, n, torch.Generator(self.device).manual_seed(seed)).cpu()

    @torch.no_grad()
    def draw(self, x: Any, n: int, generator: torch.Generator) -> Tensor:
        """As ``sample``, with a generator of random numbers."""
        embedded = self.embed(x)
        shape = (len(embedded), n, self.prior.dim)
        noise = torch.randn(shape, generator=generator, device=embedded.device)
        transform = self.flow(embedded[:, None].expand(-1, n, -1)).transform
        return self.prior.constrain(transform.inv(noise).double() * LOGISTIC_SD)

    def loss(self, theta: Tensor, x: Any, generator: torch.Generator) -> Tensor:
        """Minus the mean of ln q(θ | x) / p(θ)."""
        return -self.information(theta, x, generator)

    def information(self, theta: Tensor, x: Any, generator: torch.Generator) -> Tensor:
        """The mean of ln q(θ | x) / p(θ)."""
        return self.log_ratio(theta[:, None], x).mean()

    def scores(
        self, theta: Tensor, x: Any, noise: Callable[[], torch.Generator]
    ) -> tuple[Tensor, Tensor]:
        """Loss and information, which are minus each other."""
        told = self.information(theta, x, noise())
        return -told, told

    def _free(self, theta: Tensor) -> Tensor:
        """Unconstrained variables; θ on a wall is moved off it."""
        low, high = theta.new_tensor(self.prior.low), theta.new_tensor(self.prior.high)
        share = ((theta - low) / (high - low)).clamp(NEAREST_WALL, 1 - NEAREST_WALL)
        return torch.logit(share)
