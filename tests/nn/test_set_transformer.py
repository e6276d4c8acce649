"""The set transformer: sets in, sets out, and one vector an object."""

from __future__ import annotations

import pytest
import torch

from sntorch.nn.set_transformer import MaskedAttention, SetTransformer, sinusoids


def test_attention_of_one_head_is_a_softmax_over_what_is_seen():
    torch.manual_seed(0)
    attention = MaskedAttention(4, 1)
    x, mask = torch.randn(2, 3, 4), torch.tensor([[True, True, False], [True, True, True]])
    q, k, v = attention.enter(x).chunk(3, dim=-1)
    scores = (q @ k.transpose(1, 2) / 2).masked_fill(~mask[:, None], -torch.inf)
    expected = attention.out(scores.softmax(-1) @ v)
    torch.testing.assert_close(attention(x, mask[:, None, None]), expected)


def test_the_vector_changes_what_comes_out():
    net = SetTransformer(n_inputs=2, n_outputs=1, n_vector=3, width=8)
    x, mask = torch.randn(4, 5, 2), torch.ones(4, 5, dtype=torch.bool)
    one, other = net(x, mask, torch.zeros(4, 3)), net(x, mask, torch.ones(4, 3))
    assert not torch.allclose(one, other)


def test_heads_divide_the_width():
    with pytest.raises(ValueError, match="found 3 and 8"):
        MaskedAttention(8, 3)


def test_sinusoids_repeat_after_their_periods():
    x = torch.tensor([0.3, 1.7], dtype=torch.float64)
    found = sinusoids(x, longest=8.0, shortest=1.0, n=4)
    assert found.shape == (2, 8)
    torch.testing.assert_close(sinusoids(x + 8, 8.0, 1.0, 4), found)
    torch.testing.assert_close(sinusoids(x + 1, 8.0, 1.0, 4)[:, [3, 7]], found[:, [3, 7]])
