"""Dropout of recurrent networks whose masks are the same at all steps.

Gal & Ghahramani (2016, arXiv:1512.05287): dropout with one mask a sequence is variational
inference of the weights, and draws of it at prediction are draws of the posterior.

Letters in shapes: ``B`` objects, ``L`` steps, ``D`` features, ``H`` hidden units.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import dropout

from sntorch.nn.lstm import LSTMLayer


class LockedDropout:
    """Leaves out the same features at every step.

    Made anew for every pass through a network.

    Args:
        share: Of the features that are left out; the others grow by 1 / (1 - share).
        shared: Whether all objects, of later calls too, have the same mask.
    """

    def __init__(self, share: float, shared: bool) -> None:
        self.share = share
        self.shared = shared
        self.mask: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """``x`` (B, L, D) without what is left out."""
        if self.mask is None or not self.shared:
            rows = 1 if self.shared else len(x)
            self.mask = dropout(x.new_ones(rows, 1, x.shape[-1]), self.share)
        return x * self.mask


class DroppedLSTMLayer(LSTMLayer):
    """An LSTM layer that leaves out rows of its recurrent weights.

    As in AWD-LSTM (Merity, Keskar & Socher 2018, arXiv:1708.02182), with whole rows as SuperNNova
    does; the mask is the same at all steps and for all objects.

    Args:
        n_inputs: Inputs D.
        n_hidden: Hidden units H of each direction.
        share: Of the rows that are left out.
    """

    def __init__(self, n_inputs: int, n_hidden: int, share: float) -> None:
        super().__init__(n_inputs, n_hidden)
        self.share = share

    def weight(self, name: str, draw: bool) -> Tensor:
        """One weight, dropped if it is a recurrent one and ``draw``."""
        value = super().weight(name, draw)
        if not draw or not name.endswith("_recurrent"):
            return value
        return value * dropout(torch.ones_like(value[:, :1]), self.share)
