"""The LSTM that takes its weights: it is PyTorch's, in whatever groups it runs."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sntorch.nn.dropout import DroppedLSTMLayer, LockedDropout
from sntorch.nn.lstm import BidirectionalLSTM, LSTMLayer

NAMES = {"inputs": "weight_ih", "recurrent": "weight_hh", "bias": "bias_ih"}
NAMES["recurrent_bias"] = "bias_hh"


def unchanged(x):
    return x


def theirs_with_weights_of(ours, n_inputs, n_hidden):
    theirs = nn.LSTM(n_inputs, n_hidden, 2, batch_first=True, bidirectional=True)
    for number, layer in enumerate(ours.layers):
        for direction, suffix in (("ahead", ""), ("behind", "_reverse")):
            for our_name, their_name in NAMES.items():
                value = getattr(layer, f"{direction}_{our_name}").data
                getattr(theirs, f"{their_name}_l{number}{suffix}").data.copy_(value)
    return theirs


def test_it_is_pytorchs_lstm_on_packed_sequences():
    torch.manual_seed(0)
    ours = BidirectionalLSTM([LSTMLayer(3, 4), LSTMLayer(8, 4)])
    theirs = theirs_with_weights_of(ours, 3, 4)
    # As many as are run in several groups.
    lengths = torch.randint(1, 9, (70,))
    x = torch.randn(70, 9, 3)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
    states = ours(x, lengths, [unchanged, unchanged])
    valid = torch.arange(9) < lengths[:, None]
    n_steps = expected.shape[1]
    torch.testing.assert_close(states[valid], expected[valid[:, :n_steps]])


def test_locked_dropout_is_the_same_at_all_steps():
    torch.manual_seed(0)
    x = torch.ones(50, 6, 8)
    each, common = LockedDropout(0.4, shared=False)(x), LockedDropout(0.4, shared=True)
    assert torch.equal(each, each[:, :1].expand_as(each))
    assert not torch.equal(each, each[:1].expand_as(each))
    assert torch.equal(common(x)[0], common(x[:3])[2])
    assert set(each.unique().tolist()) == {0.0, torch.tensor(1 / 0.6).item()}


def test_recurrent_weights_are_dropped_by_rows():
    torch.manual_seed(0)
    layer = DroppedLSTMLayer(3, 8, share=0.5)
    (drawn, _), (plain, _) = layer.weights(draw=True), layer.weights(draw=False)
    kept = (drawn.recurrent != 0).all(1)
    assert 0 < int(kept.sum()) < 32
    assert torch.equal(drawn.recurrent, 2 * plain.recurrent * kept[:, None])
    assert torch.equal(drawn.inputs, plain.inputs)
