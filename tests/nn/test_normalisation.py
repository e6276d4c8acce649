"""Batch normalisation of padded sequences is that of their valid steps."""

from __future__ import annotations

import torch
from torch import nn

from sntorch.nn.normalisation import MaskedBatchNorm


def test_padding_does_not_count():
    torch.manual_seed(0)
    ours, theirs = MaskedBatchNorm(3), nn.BatchNorm1d(3)
    mask = torch.arange(5) < torch.tensor([[5], [2], [1]])
    x = torch.where(mask[..., None], torch.randn(3, 5, 3) + 2, 1e6)
    torch.testing.assert_close(ours(x, mask)[mask], theirs(x[mask]))
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    ours.eval()
    theirs.eval()
    torch.testing.assert_close(ours(x, mask)[mask], theirs(x[mask]))


def test_a_single_step_is_normalised_by_what_is_known():
    layer = MaskedBatchNorm(2)
    x = torch.randn(1, 1, 2)
    torch.testing.assert_close(
        layer(x, torch.ones(1, 1, dtype=torch.bool)), x, rtol=1e-4, atol=1e-4
    )
