"""Recurrent blocks: padding has no influence, pooling is what it says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sntorch.nn.rnn import (
    BidirectionalGRU,
    PooledGRU,
    last_valid,
    masked_max,
    masked_mean,
    reverse_valid,
    twice_differentiable,
)


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(0, 7), min_size=1, max_size=5))
def test_reversing_twice_changes_nothing(lengths):
    x = torch.arange(len(lengths) * 7 * 2, dtype=torch.float32).reshape(len(lengths), 7, 2)
    n = torch.tensor(lengths)
    backwards = reverse_valid(x, n)
    assert torch.equal(reverse_valid(backwards, n), x)
    for row, turned, length in zip(x, backwards, lengths, strict=True):
        assert torch.equal(turned[:length], row[:length].flip(0))
        assert torch.equal(turned[length:], row[length:])


def test_bidirectional_gru_equals_torch_on_full_sequences():
    torch.manual_seed(0)
    ours = BidirectionalGRU(3, 4)
    theirs = nn.GRU(3, 4, batch_first=True, bidirectional=True)
    for name, value in ours.forwards.named_parameters():
        getattr(theirs, name).data.copy_(value)
    for name, value in ours.backwards.named_parameters():
        getattr(theirs, f"{name}_reverse").data.copy_(value)
    x = torch.randn(2, 5, 3)
    torch.testing.assert_close(ours(x, torch.tensor([5, 5])), theirs(x)[0])


def test_padding_has_no_influence():
    torch.manual_seed(0)
    block = PooledGRU(3, 4)
    x, mask = torch.randn(2, 6, 3), torch.arange(6) < torch.tensor([[4], [6]])
    filled = torch.where(mask[..., None], x, 99.0)
    torch.testing.assert_close(block(x, mask), block(filled, mask))


def test_pooling():
    x = torch.tensor([[[1.0], [5.0], [100.0]], [[-3.0], [0.0], [0.0]], [[7.0], [7.0], [7.0]]])
    mask = torch.tensor([[True, True, False], [True, False, False], [False, False, False]])
    assert masked_mean(x, mask).flatten().tolist() == [3, -3, 0]
    assert masked_max(x, mask).flatten().tolist() == [5, -3, 0]
    assert last_valid(x, mask.sum(1)).flatten().tolist() == [5, -3, 7]


def test_recurrent_layers_have_second_derivatives_on_the_cpu():
    gru, x = nn.GRU(2, 3, batch_first=True), torch.randn(2, 4, 2, requires_grad=True)
    with twice_differentiable(x.device):
        out = gru(x)[0].sum()
    (slope,) = torch.autograd.grad(out, x, create_graph=True)
    slope.square().sum().backward()
    assert gru.weight_ih_l0.grad is not None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cudnn_needs_to_be_off_for_second_derivatives():
    gru, x = (
        nn.GRU(2, 3, batch_first=True).cuda(),
        torch.randn(2, 4, 2, requires_grad=True, device="cuda"),
    )
    (slope,) = torch.autograd.grad(gru(x)[0].sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"cudnn|double"):
        slope.square().sum().backward()
    with twice_differentiable(x.device):
        out = gru(x)[0].sum()
    (slope,) = torch.autograd.grad(out, x, create_graph=True)
    slope.square().sum().backward()


def test_cudnn_is_switched_off_for_a_cuda_device_only():
    with torch.backends.cudnn.flags(enabled=True):
        with twice_differentiable(torch.device("cuda")):
            assert not torch.backends.cudnn.enabled
        with twice_differentiable(torch.device("cpu")):
            assert torch.backends.cudnn.enabled
