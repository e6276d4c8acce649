"""Causal convolutions: what is seen, and no more."""

from __future__ import annotations

import torch

from sntorch.nn.conv import CausalConvolutions


def test_a_step_sees_itself_and_a_span_before_it():
    torch.manual_seed(0)
    network = CausalConvolutions(2, 8).eval()
    x = torch.randn(1, 50, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(network(x)[0, 40].sum(), x)
    seen = (slope[0].abs().sum(1) > 0).nonzero()[:, 0]
    # Two convolutions of two steps at each dilation.
    assert (int(seen.min()), int(seen.max())) == (40 - 2 * (1 + 2 + 4 + 8), 40)


def test_sequences_may_be_shorter_than_the_span():
    network = CausalConvolutions(2, 8).eval()
    assert network(torch.randn(3, 1, 2)).shape == (3, 1, 8)
