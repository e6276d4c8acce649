"""What a classifier's network is: light curves and what else is known in, class logits out.

A network of your own is one subclass with a ``forward`` and one config with its ``_target_``;
``sntorch.classification.testing.ClassifierNetworkContract`` tests it.

Letters in shapes: ``B`` objects, ``T`` padded observations, ``S`` steps, ``C`` classes, ``M``
numbers of context.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from sntorch.data.batch import LightCurveBatch
from sntorch.nn.rnn import last_valid


class ClassifierNetwork(nn.Module, ABC):
    """Class logits of light curves.

    A network may read times relative to each other, never ``t_ref``, the time of the peak that
    nobody knows beforehand: scores are taken of light curves that do not say it.

    Args:
        bands: Names of the bands, in the order that ``LightCurveBatch.band`` counts.
        n_classes: Number of classes C.
        n_context: Numbers M of the context, see ``sntorch.classification.context``.
    """

    per_step: ClassVar[bool] = False

    def __init__(self, bands: Sequence[str], n_classes: int, n_context: int = 0) -> None:
        super().__init__()
        self.bands = tuple(bands)
        self.n_classes = n_classes
        self.n_context = n_context

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns of the batch that are read beside the photometry and the context, named as in
        ``Context``; whoever judges the network has to know of them. Default: none.
        """
        return ()

    def fit_inputs(self, batch: LightCurveBatch) -> None:
        """Fit the scaling of inputs to all training objects, into buffers; default: nothing."""
        del batch

    @abstractmethod
    def forward(self, batch: LightCurveBatch, context: Tensor) -> Tensor:
        """Logits, shape (B, C).

        Args:
            batch: The light curves; an object may have no observation.
            context: What is known besides, shape (B, M).
        """

    def auxiliary_loss(self, batch: LightCurveBatch, context: Tensor) -> Tensor | None:
        """What is added to the cross-entropy of a training batch, a mean over objects, if any."""
        del batch, context
        return None


class Steps(NamedTuple):
    """Logits at every step of a light curve.

    Attributes:
        logits: shape (B, S, C).
        mask: True where there is a step, shape (B, S); valid steps come first.
        time: Of the step, MJD, shape (B, S).
    """

    logits: Tensor
    mask: Tensor
    time: Tensor


class StepNetwork(ClassifierNetwork):
    """A causal network: logits after every step, from what was seen up to it.

    A subclass implements ``steps``. The last step is the answer for the whole curve.
    """

    per_step = True

    @abstractmethod
    def steps(self, batch: LightCurveBatch, context: Tensor) -> Steps:
        """Logits after every step; arguments as of ``forward``."""

    def forward(self, batch: LightCurveBatch, context: Tensor) -> Tensor:
        """Logits after the last step, shape (B, C)."""
        steps = self.steps(batch, context)
        return last_valid(steps.logits, steps.mask.sum(1))


def appended(features: Tensor, context: Tensor) -> Tensor:
    """Features (B, D) or (B, T, D) with the context (B, M) of their object beside them."""
    if features.dim() == 3:
        context = context[:, None].expand(-1, features.shape[1], -1)
    return torch.cat([features, context.to(features.dtype)], dim=-1)
