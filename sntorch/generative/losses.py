"""What generator and critic minimise.

``RelativisticLoss``: relativistic pairing GAN with zero-centred penalties on real and generated
samples (Huang et al. 2024, "R3GAN", arXiv:2501.05441): with s = D(real) - D(fake), the critic
minimises softplus(-s) + γ/2 (|∇D(real)|² + |∇D(fake)|²), the generator softplus(s). The penalties
are taken every ``every`` steps and weighted accordingly ("lazy", Karras et al. 2020).

``WassersteinLoss``: WGAN-GP (Gulrajani et al. 2017, arXiv:1704.00028): D(fake) - D(real) + λ
(|∇D(x̂)| - 1)² at x̂ uniformly between a real and a generated sample.

A score function takes encoded rows (B, L, 3F) and their mask (B, L, F) and returns (B,). Real and
generated objects come in pairs of one mask.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

from sntorch.nn.rnn import twice_differentiable

Score = Callable[[Tensor, Tensor], Tensor]


class AdversarialLoss(ABC):
    """A pair of losses; ``n_critic`` critic steps go to one generator step."""

    n_critic = 1

    @abstractmethod
    def critic(
        self, score: Score, real: Tensor, fake: Tensor, mask: Tensor, step: int
    ) -> tuple[Tensor, Tensor]:
        """The critic's loss and the mean margin D(real) - D(fake), both scalars.

        Args:
            score: The critic.
            real: Real rows, shape (B, L, 3F).
            fake: Generated rows, shape (B, L, 3F), without gradient.
            mask: Observations of both, shape (B, L, F).
            step: Number of critic steps made before.
        """

    @abstractmethod
    def generator(self, score: Score, real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
        """The generator's loss, a scalar; ``fake`` carries the gradient."""


class RelativisticLoss(AdversarialLoss):
    """Relativistic pairing with lazy R1 and R2 penalties.

    Args:
        gamma: Weight γ of the penalties.
        every: A penalty every so many critic steps, with ``every`` times its weight.
    """

    def __init__(self, gamma: float = 1.0, every: int = 4) -> None:
        self.gamma = gamma
        self.every = every

    def critic(
        self, score: Score, real: Tensor, fake: Tensor, mask: Tensor, step: int
    ) -> tuple[Tensor, Tensor]:
        """Softplus of the negative margin, with the penalty when it is due."""
        x, both = torch.cat([real, fake]), torch.cat([mask, mask])
        if step % self.every:
            on_real, on_fake = score(x, both).chunk(2)
            return softplus(on_fake - on_real).mean(), (on_real - on_fake).detach().mean()
        x = x.detach().requires_grad_()
        with twice_differentiable(x.device):
            scores = score(x, both)
        (slope,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
        # Twice the mean over real and generated rows together is the sum of R1 and R2.
        penalty = self.gamma * self.every * slope.square().sum((1, 2)).mean()
        on_real, on_fake = scores.chunk(2)
        return softplus(on_fake - on_real).mean() + penalty, (on_real - on_fake).detach().mean()

    def generator(self, score: Score, real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
        """Softplus of the margin."""
        with torch.no_grad():
            on_real = score(real, mask)
        return softplus(on_real - score(fake, mask)).mean()


class WassersteinLoss(AdversarialLoss):
    """Wasserstein distance with a gradient penalty.

    Args:
        weight: Weight λ of the penalty.
        n_critic: Critic steps before each generator step.
    """

    def __init__(self, weight: float = 10.0, n_critic: int = 3) -> None:
        self.weight = weight
        self.n_critic = n_critic

    def critic(
        self, score: Score, real: Tensor, fake: Tensor, mask: Tensor, step: int
    ) -> tuple[Tensor, Tensor]:
        """Negative estimate of the distance plus the penalty."""
        on_real, on_fake = score(torch.cat([real, fake]), torch.cat([mask, mask])).chunk(2)
        margin = (on_real - on_fake).mean()
        return self.weight * self.penalty(score, real, fake, mask) - margin, margin.detach()

    def penalty(self, score: Score, real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
        """Mean squared deviation of the gradient's norm from one, between real and fake rows."""
        share = torch.rand(len(real), 1, 1, device=real.device)
        between = (share * real + (1 - share) * fake).detach().requires_grad_()
        with twice_differentiable(between.device):
            scores = score(between, mask)
        (slope,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
        return (slope.flatten(1).square().sum(1).add(1e-12).sqrt() - 1).square().mean()

    def generator(self, score: Score, real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
        """Negative score of the generated rows."""
        return -score(fake, mask).mean()
