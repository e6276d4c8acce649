"""Losses of classifiers: cross-entropy of classes, flat or along the tree of classes.

The hierarchical loss is that of Villar et al. 2023 (arXiv:2312.02266) in its simplest form:
beside the classes themselves, every node of the taxonomy above them that divides them is a
question of its own, whose probability is the sum of those of its classes; its cross-entropy is
added with a weight that falls with the height of the node.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sntorch.data.taxonomy import default_taxonomy
from sntorch.errors import ConfigError


class ClassLoss(nn.Module, ABC):
    """A loss of logits (N, C) and labels (N,).

    Args:
        classes: Names of the C classes.
    """

    weight: Tensor

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.register_buffer("weight", torch.ones(len(classes)))

    def fit(self, label: Tensor, balanced: float) -> None:
        """Weights of the classes from the labels (B,) of all training objects.

        Args:
            label: Of every training object.
            balanced: Objects of a class weigh as this power of one over its size: at 1 (or true)
                classes weigh equally, at 0 objects do. The mean weight of an object stays one.
        """
        if balanced:
            counts = torch.bincount(label, minlength=len(self.classes)).to(self.weight)
            weight = torch.where(counts > 0, counts.clamp(min=1) ** -float(balanced), 0.0)
            self.weight.copy_(weight * len(label) / (weight * counts).sum())

    @abstractmethod
    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Mean loss of logits (N, C) and labels (N,)."""


class CrossEntropy(ClassLoss):
    """Cross-entropy of the classes.

    Args:
        classes: Names of the C classes.
        smoothing: Share of the probability that is spread over all classes.
    """

    def __init__(self, classes: Sequence[str], smoothing: float = 0.0) -> None:
        super().__init__(classes)
        self.smoothing = smoothing

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Mean loss."""
        losses = cross_entropy(logits, label, reduction="none", label_smoothing=self.smoothing)
        return (losses * self.weight[label]).mean()


class HierarchicalCrossEntropy(ClassLoss):
    """Cross-entropy of the classes and of the nodes of the taxonomy above them.

    Args:
        classes: Names of the C classes, nodes of the taxonomy.
        decay: Weight of a level of nodes over that of the level below it.

    Raises:
        ConfigError: A class that the taxonomy does not have, or a decay outside [0, 1].
    """

    members: Tensor
    node_weight: Tensor

    def __init__(self, classes: Sequence[str], decay: float = 0.5) -> None:
        super().__init__(classes)
        if not 0 <= decay <= 1:
            raise ConfigError(f"decay={decay}: 0 to 1 is accepted")
        nodes = _dividing_nodes(self.classes)
        rows = [[name in node for name in self.classes] for node, _ in nodes]
        members = torch.tensor(rows, dtype=torch.bool).reshape(len(rows), len(self.classes))
        self.register_buffer("members", members)
        weights = torch.tensor([decay**height for _, height in nodes])
        self.register_buffer("node_weight", weights)

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Mean loss."""
        log_p = logits.log_softmax(-1)
        losses = -log_p.gather(1, label[:, None])[:, 0]
        # Log probability of each node and of its complement, shape (N, nodes).
        inside = _log_sum(log_p, self.members)
        outside = _log_sum(log_p, ~self.members)
        chosen = torch.where(self.members.T[label], inside, outside)
        losses = losses - chosen @ self.node_weight.to(chosen)
        return (losses * self.weight[label]).mean()


def _log_sum(log_p: Tensor, members: Tensor) -> Tensor:
    masked = log_p[:, None].masked_fill(~members, -torch.inf)
    return masked.logsumexp(-1)


def _dividing_nodes(classes: Sequence[str]) -> list[tuple[frozenset[str], int]]:
    """Sets of classes below a common node that are neither one class nor all, with heights."""
    taxonomy = default_taxonomy()
    for name in classes:
        if name not in taxonomy:
            raise ConfigError(f"class {name!r} is no node of the taxonomy; use a flat loss")
    below: dict[frozenset[str], int] = {}
    for name in classes:
        for height, node in enumerate(taxonomy.ancestors(name), start=1):
            members = frozenset(c for c in classes if taxonomy.is_a(c, node))
            if 1 < len(members) < len(classes):
                below[members] = max(height, below.get(members, 0))
    return sorted(below.items(), key=lambda item: (item[1], sorted(item[0])))
