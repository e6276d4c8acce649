"""Networks that read features of a light curve, alone or beside the light curve itself.

``FeaturePerceptron`` is a perceptron on the context. ``FeatureFusion`` is ATAT's idea
(Cabrera-Vives et al. 2024, arXiv:2405.03078) for any network: one branch reads the light curve,
one the context, and a perceptron joins what the two make of it,

    logits = P([N(light curve), E(context)]).

Deviations from ATAT: features are read by a perceptron, not by a transformer; the branches have no
cross-entropy of their own; the light curve's branch may be any network, which is built with as
many outputs as its embedding has numbers.

Letters in shapes: ``B`` objects, ``M`` numbers of context, ``D`` width, ``C`` classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sntorch.building import build
from sntorch.classification.base import ClassifierNetwork
from sntorch.data.batch import LightCurveBatch


def perceptron(n_inputs: int, width: int, n_layers: int, dropout: float) -> nn.Sequential:
    """Layers of linear maps, normalised, with dropout after each."""
    layers: list[nn.Module] = []
    for i in range(n_layers):
        linear = nn.Linear(width if i else n_inputs, width)
        layers += [linear, nn.LayerNorm(width), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


class FeaturePerceptron(ClassifierNetwork):
    """Logits from the context alone, whatever the light curve.

    Args:
        bands: Names of the bands.
        n_classes: Number of classes C.
        n_context: Numbers M of context.
        width: Hidden units D of a layer.
        n_layers: Hidden layers.
        dropout: Share of hidden units left out while training.
    """

    def __init__(
        self,
        bands: Sequence[str],
        n_classes: int,
        n_context: int = 0,
        width: int = 256,
        n_layers: int = 2,
        dropout: float = 0.3,
    ) -> None:
        super().__init__(bands, n_classes, n_context)
        # A constant beside the context, so that there is something to read without any.
        self.layers = perceptron(n_context + 1, width, n_layers, dropout)
        self.head = nn.Linear(width, n_classes)

    def forward(self, batch: LightCurveBatch, context: Tensor) -> Tensor:
        """Logits, shape (B, C)."""
        return self.head(self.layers(with_constant(context)))


class FeatureFusion(ClassifierNetwork):
    """Logits from the light curve and the context.

    Args:
        bands: Names of the bands.
        n_classes: Number of classes C.
        n_context: Numbers M of context.
        network: Config of the network that reads the light curve, ``_target_`` and its settings.
        n_embedding: Numbers that it makes of a light curve.
        width: Hidden units D of the perceptrons.
        n_layers: Hidden layers on the context.
        dropout: Share of hidden units, and of the light curve's numbers, left out while training.

    Raises:
        ConfigError: A network that is not known.
    """

    def __init__(
        self,
        bands: Sequence[str],
        n_classes: int,
        n_context: int,
        network: Mapping[str, Any],
        n_embedding: int = 64,
        width: int = 256,
        n_layers: int = 1,
        dropout: float = 0.3,
    ) -> None:
        super().__init__(bands, n_classes, n_context)
        self.network = build(
            network, ClassifierNetwork, bands=bands, n_classes=n_embedding, n_context=0
        )
        self.seen = nn.Sequential(nn.LayerNorm(n_embedding), nn.Dropout(dropout))
        self.told = perceptron(n_context + 1, width, n_layers, dropout)
        self.joined = perceptron(n_embedding + width, width, 1, dropout)
        self.head = nn.Linear(width, n_classes)

    @property
    def reads(self) -> tuple[str, ...]:
        """That of the light curve's branch."""
        return self.network.reads

    def fit_inputs(self, batch: LightCurveBatch) -> None:
        """Fit the light curve's branch."""
        self.network.fit_inputs(batch)

    def forward(self, batch: LightCurveBatch, context: Tensor) -> Tensor:
        """Logits, shape (B, C)."""
        seen = self.seen(self.network(batch, context[:, :0]))
        told = self.told(with_constant(context))
        return self.head(self.joined(torch.cat([seen, told], dim=1)))


def with_constant(context: Tensor) -> Tensor:
    """The context with a column of ones before it, shape (B, M + 1), so that M may be 0."""
    return torch.cat([context.new_ones(len(context), 1), context], dim=1)
