"""What fraction of supernovae a survey keeps, learnt from injections.

An injection is a supernova of known latents (true magnitude, redshift, …) that was put through
noise and cuts. The network learns P(kept | latents) as a function of a supernova's own latents,
not of the population's parameters: that function is smooth, low-dimensional, and the same whatever
the population. Labels may be probabilities, such as ``Cut.probability`` gives, or means over
several measurements of one supernova: both are less noisy than zeros and ones.

The network is small and the problem smooth, so that L-BFGS on all injections at once gets much
closer to the optimum in a few seconds than stochastic gradients do.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from sntorch.errors import ConfigError
from sntorch.inference.one_pass import fit_one_pass


class EfficiencyModule(L.LightningModule):
    """ln P(kept | latents) by a multilayer perceptron on standardised latents.

    Trained on whole sets of injections: a batch is latents (M, F) and probabilities (M,).

    Args:
        n_latents: Number of latents, F.
        hidden: Width of the hidden layers.
        depth: Number of hidden layers.
        iterations: Of L-BFGS for each batch.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, n_latents: int, hidden: int = 16, depth: int = 2, iterations: int = 150
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.iterations, self.hidden = iterations, hidden
        widths = [n_latents, *[hidden] * depth]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.SiLU()]
        self.net = nn.Sequential(*layers, nn.Linear(widths[-1], 1))
        # Beyond the injections the logit goes on as it went.
        self.straight = nn.Linear(n_latents, 1, bias=False)
        self.register_buffer("mean", torch.zeros(n_latents))
        self.register_buffer("scale", torch.ones(n_latents))

    def standardise(self, latents: Tensor) -> None:
        """Take mean and scale of the latents from injections, shape (M, F)."""
        self.mean.copy_(latents.mean(0))
        spread = latents.std(0)
        self.scale.copy_(torch.where(spread > 0, spread, 1.0))

    def logit(self, latents: Tensor) -> Tensor:
        """ln p / (1 - p), shape (...), of latents (..., F)."""
        x = (latents - self.mean) / self.scale
        return (self.net(x) + self.straight(x)).squeeze(-1)

    def forward(self, latents: Tensor) -> Tensor:
        """ln P(kept), shape (...), of latents (..., F)."""
        return nn.functional.logsigmoid(self.logit(latents))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Cross-entropy of the probabilities."""
        latents, kept = batch
        loss = nn.functional.binary_cross_entropy_with_logits(self.logit(latents), kept)
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """L-BFGS with a line search."""
        return torch.optim.LBFGS(
            self.parameters(),
            max_iter=self.iterations,
            history_size=20,
            line_search_fn="strong_wolfe",
        )


def fit_efficiency(
    latents: Tensor,
    kept: Tensor,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
    **network: Any,
) -> EfficiencyModule:
    """Train an efficiency on injections in memory.

    Args:
        latents: shape (M, F).
        kept: Probabilities to be kept, or zeros and ones, shape (M,).
        seed: Of the first weights.
        progress: Called with the fraction done, now and then.
        network: Arguments of ``EfficiencyModule``.

    Returns:
        The module in double precision, ready to be asked.

    Raises:
        ConfigError: Shapes that do not match, probabilities outside [0, 1], or all the same.
    """
    _check(latents, kept)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = EfficiencyModule(latents.shape[1], **network).double()
    module.standardise(latents)
    batches = [(latents.double(), kept.double())]
    return fit_one_pass(module, batches, progress=progress, gradients=module.iterations)


def _check(latents: Tensor, kept: Tensor) -> None:
    if latents.ndim != 2 or kept.shape != latents.shape[:1] or not len(kept):
        raise ConfigError(
            "injections: latents (M, F) and as many probabilities; found "
            f"{tuple(latents.shape)} and {tuple(kept.shape)}"
        )
    if not bool(((kept >= 0) & (kept <= 1)).all()):
        raise ConfigError("injections: a probability to be kept lies in [0, 1]")
    if float(kept.mean()) in (0.0, 1.0):
        raise ConfigError("injections: some must be kept and some must not")
