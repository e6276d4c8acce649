"""Training on mixtures of two objects.

Mixup (Zhang, Cisse, Dauphin & Lopez-Paz 2018, arXiv:1710.09412): a network learns from

    x = λ x_a + (1 - λ) x_b,    loss = λ loss(x, y_a) + (1 - λ) loss(x, y_b),    λ ~ Beta(a, a),

one λ for a batch, so that what it says between objects changes evenly. Light curves of different
lengths and times cannot be added up; what is known of objects can.

Letters in shapes: ``B`` objects, ``M`` numbers of context.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sntorch.classification.base import ClassifierNetwork
from sntorch.classification.losses import ClassLoss
from sntorch.errors import ConfigError


class Mixture(NamedTuple):
    """Contexts of two objects each.

    Attributes:
        context: Mixed, shape (B, M).
        partner: Number of the other object, shape (B,).
        share: Of the first object.
    """

    context: Tensor
    partner: Tensor
    share: float

    def loss(self, loss: ClassLoss, logits: Tensor, label: Tensor) -> Tensor:
        """Of both objects' classes, by their shares; logits (B, C) and labels (B,)."""
        first, second = (loss(logits, y) for y in (label, label[self.partner]))
        return self.share * first + (1 - self.share) * second


def check_mixing(network: type[ClassifierNetwork], strength: float) -> None:
    """Refuse to mix what cannot be mixed.

    Raises:
        ConfigError: A negative strength, or a network that reads light curves.
    """
    if strength < 0 or (strength and not network.context_alone):
        raise ConfigError(
            f"mixup={strength} with {network.__name__}: 0 is accepted, and for networks that read "
            "the context alone (FeaturePerceptron) more than 0"
        )


def mixed(context: Tensor, strength: float, generator: torch.Generator) -> Mixture:
    """Every object mixed with another of the batch.

    Args:
        context: Shape (B, M).
        strength: Both parameters a > 0 of the share's beta distribution.
        generator: A CPU one.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    share = float(np.random.default_rng(seed).beta(strength, strength))
    partner = torch.randperm(len(context), generator=generator).to(context.device)
    return Mixture(share * context + (1 - share) * context[partner], partner, share)
