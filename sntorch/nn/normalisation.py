"""Batch normalisation of padded sequences.

Letters in shapes: ``B`` objects, ``L`` steps, ``D`` features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MaskedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation (Ioffe & Szegedy 2015) whose statistics are those of valid steps."""

    def forward(self, input: Tensor, mask: Tensor) -> Tensor:
        """Normalised features; where padded, of no meaning.

        Args:
            input: shape (B, L, D).
            mask: True where valid, shape (B, L).
        """
        if self.training and int(mask.sum()) > 1:
            normalised = torch.zeros_like(input)
            normalised[mask] = super().forward(input[mask])
            return normalised
        assert self.running_mean is not None
        assert self.running_var is not None
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        return torch.addcmul(self.bias - self.running_mean * scale, input, scale)
