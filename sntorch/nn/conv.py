"""Causal convolutions over sequences: a step sees itself and what came before.

Bai, Kolter & Koltun (2018, arXiv:1803.01271): residual blocks of two dilated convolutions each, so
that the span that is seen grows exponentially with depth.

Letters in shapes: ``B`` objects, ``L`` steps, ``D`` inputs, ``H`` filters.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, pad, relu


class CausalBlock(nn.Module):
    """Two causal convolutions beside an identity.

    Args:
        n_filters: Filters H, of input and output.
        kernel: Steps that a convolution sees.
        dilation: Steps between those.
        dropout: Share of whole filters that are left out after each convolution.
    """

    def __init__(self, n_filters: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.past = (kernel - 1) * dilation
        self.share = dropout
        self.first = nn.Conv1d(n_filters, n_filters, kernel, dilation=dilation)
        self.second = nn.Conv1d(n_filters, n_filters, kernel, dilation=dilation)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The block's output and what it adds to the skip connection, both (B, H, L)."""
        change = x
        for layer in (self.first, self.second):
            change = relu(layer(pad(change, (self.past, 0))))
            change = dropout(change, self.share, self.training)
        return relu(x + change), change


class CausalConvolutions(nn.Module):
    """A stack of causal blocks; the outputs of all of them are added up.

    Args:
        n_inputs: Inputs D.
        n_filters: Filters H.
        kernel: Steps that a convolution sees.
        dilations: One block each.
        dropout: Share left out after each convolution.
    """

    def __init__(
        self,
        n_inputs: int,
        n_filters: int,
        kernel: int = 2,
        dilations: Sequence[int] = (1, 2, 4, 8),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.enter = nn.Conv1d(n_inputs, n_filters, 1)
        self.blocks = nn.ModuleList(
            CausalBlock(n_filters, kernel, dilation, dropout) for dilation in dilations
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features at every step, shape (B, L, H); ``x`` (B, L, D)."""
        state, skipped = self.enter(x.transpose(1, 2)), []
        for block in self.blocks:
            state, change = block(state)
            skipped.append(change)
        return relu(torch.stack(skipped).sum(0)).transpose(1, 2)
