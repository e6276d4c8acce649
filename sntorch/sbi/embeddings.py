"""A survey, a set of any number of supernovae, as one vector.

Both embeddings here are invariant under permutations and blind to what is masked. The deep set
(Zaheer et al. 2017, arXiv:1703.06114) pools mean, log variance and log N of learnt features; the
set transformer lets supernovae attend to each other first.

An embedding is any ``nn.Module`` with an attribute ``n_outputs`` that makes vectors (B,
``n_outputs``) of surveys with a ``mask``.

Letters in shapes: ``B`` surveys, ``N`` supernovae in each, ``F`` features of one, ``E`` numbers
of the vector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from sntorch.building import build
from sntorch.errors import DataError
from sntorch.nn.set_transformer import SetTransformer
from sntorch.sbi.encoders import SummaryEncoder

# Below this a variance of features tells nothing.
LEAST_VARIANCE = 1e-4
# Of a correlation matrix, in units of the largest.
LEAST_EIGENVALUE = 1e-6
# Scatter of a constant over its size, by rounding.
CONSTANT = 1e-5


class Surveys(Protocol):
    """What estimators take for x: anything with a mask of shape (B, N) that an encoder knows."""

    mask: Tensor


def perceptron(*widths: int, bias: bool = True) -> nn.Sequential:
    """Linear layers with SiLU between them.

    Args:
        widths: Of inputs, hidden layers, and outputs.
        bias: Whether the last layer has one.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(widths[:-1]):
        layers += [nn.Linear(before, after), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1], bias=bias))


class Pooling(nn.Module):
    """Mean, log variance and number of features of a set, as one vector.

    Log-likelihoods of independent supernovae are sums over them, so that sums go straight through
    as well, beside a perceptron that may do anything.

    Args:
        n_features: F.
        n_outputs: E.
        width: Of the hidden layers.
        typical: Number of supernovae about which sums and log N are of order one.
    """

    shift: Tensor
    whitener: Tensor

    def __init__(self, n_features: int, n_outputs: int, width: int, typical: float) -> None:
        super().__init__()
        self.typical = float(typical)
        self.straight = nn.Linear(n_features, n_outputs)
        self.bent = perceptron(2 * n_features + 1, width, width, n_outputs)
        self.register_buffer("shift", torch.zeros(n_features))
        self.register_buffer("whitener", torch.eye(n_features))

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Shape (B, E), of features (B, N, F) and a mask (B, N)."""
        mean, variance, number = moments(features, mask)
        mean, size = (mean - self.shift) @ self.whitener, number / self.typical
        pooled = torch.cat([mean, (variance + LEAST_VARIANCE).log(), size.log()], -1)
        return self.straight(mean * size) + self.bent(pooled)

    def whiten(self, features: Tensor, mask: Tensor) -> None:
        """Make means over these sets uncorrelated and of variance one: strongly correlated ones
        would be learnt slowly.

        Args:
            features: The first of them, which are not learnt: shape (B, N, at most F).
            mask: shape (B, N).
        """
        mean, _, _ = moments(features, mask)
        n = mean.shape[1]
        self.shift[:n] = mean.mean(0)
        # What is the same in all sets, such as redshifts that are given, is left as it is: its
        # scatter is rounding.
        sd = mean.std(0)
        sd = torch.where(sd > CONSTANT * mean.abs().amax(0), sd, 1.0)
        values, vectors = torch.linalg.eigh(((mean - self.shift[:n]) / sd).double().T.cov())
        scale = values.clamp(min=LEAST_EIGENVALUE * float(values[-1])).rsqrt()
        self.whitener[:n, :n] = (vectors * scale).float() / sd[:, None]


def moments(features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance (B, F) of sets, and their numbers (B, 1).

    Args:
        features: shape (B, N, F).
        mask: shape (B, N).
    """
    present = mask[..., None].to(features)
    number = present.sum(1)
    share = present / number[:, None]
    mean = (features * share).sum(1)
    return mean, ((features - mean[:, None]) ** 2 * share).sum(1), number


class _SetEmbedding(nn.Module):
    """An encoder, and the check that there is something to encode."""

    def __init__(self, encoder: nn.Module | Mapping[str, Any] | None, n_outputs: int) -> None:
        super().__init__()
        if encoder is None:
            encoder = SummaryEncoder()
        self.encoder: Any = (
            encoder if isinstance(encoder, nn.Module) else build(encoder, nn.Module)
        )
        self.n_outputs = n_outputs

    def _encode(self, x: Surveys) -> Tensor:
        """Features of supernovae, shape (B, N, F), zero where masked."""
        if not bool(x.mask.any(1).all()):
            raise DataError("a survey has no supernova: there is nothing to infer from")
        return torch.where(x.mask[..., None], self.encoder(x), 0.0)

    @torch.no_grad()
    def prepare(self, x: Surveys) -> None:
        """Let the encoder see surveys before any training, where it wants to."""
        if hasattr(self.encoder, "prepare"):
            self.encoder.prepare(x)


class DeepSet(_SetEmbedding):
    """A perceptron for every supernova, then ``Pooling`` of what it and the encoder make.

    Args:
        encoder: Of single supernovae, or its ``_target_`` and arguments; default: that of
            summarised ones.
        n_features: Learnt features of a supernova.
        n_outputs: E.
        width: Of hidden layers.
        depth: Hidden layers of the perceptron for a supernova.
        typical: A typical number of supernovae.
    """

    def __init__(
        self,
        encoder: nn.Module | Mapping[str, Any] | None = None,
        n_features: int = 32,
        n_outputs: int = 64,
        width: int = 64,
        depth: int = 2,
        typical: float = 100.0,
    ) -> None:
        super().__init__(encoder, n_outputs)
        n_inputs = self.encoder.n_outputs
        self.each = perceptron(n_inputs, *[width] * depth, n_features)
        self.pooling = Pooling(n_inputs + n_features, n_outputs, 2 * width, typical)

    def forward(self, x: Surveys) -> Tensor:
        """Vectors, shape (B, E)."""
        encoded = self._encode(x)
        return self.pooling(torch.cat([encoded, self.each(encoded)], -1), x.mask)

    @torch.no_grad()
    def prepare(self, x: Surveys) -> None:
        """Whiten what is pooled of the encoder, by these surveys, before any training.

        Of an encoder that learns, what it has not learnt: its first ``n_known`` numbers.
        """
        super().prepare(x)
        n_known = getattr(self.encoder, "n_known", self.encoder.n_outputs)
        self.pooling.whiten(self._encode(x)[..., :n_known], x.mask)


class SetAttention(_SetEmbedding):
    """A set transformer, then ``Pooling``.

    Args:
        encoder: Of single supernovae, or its ``_target_`` and arguments; default: that of
            summarised ones.
        n_outputs: E.
        width: Features of a supernova inside.
        n_layers: Layers of attention.
        n_heads: Attention heads.
        typical: A typical number of supernovae.
    """

    def __init__(
        self,
        encoder: nn.Module | Mapping[str, Any] | None = None,
        n_outputs: int = 64,
        width: int = 48,
        n_layers: int = 2,
        n_heads: int = 2,
        typical: float = 100.0,
    ) -> None:
        super().__init__(encoder, n_outputs)
        n_inputs = self.encoder.n_outputs
        self.transformer = SetTransformer(n_inputs, width, 1, width, n_layers, n_heads)
        self.pooling = Pooling(width, n_outputs, 2 * width, typical)

    def forward(self, x: Surveys) -> Tensor:
        """Vectors, shape (B, E)."""
        encoded = self._encode(x)
        size = x.mask.sum(1, keepdim=True).to(encoded).log() - math.log(self.pooling.typical)
        return self.pooling(self.transformer(encoded, x.mask, size), x.mask)
