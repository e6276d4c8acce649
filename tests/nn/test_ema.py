"""The average of weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sntorch.nn.ema import AveragedModel


def test_follows_a_constant_network_exactly_and_is_frozen():
    net = nn.Linear(2, 1)
    average = AveragedModel(net, 0.9)
    for _ in range(5):
        average.update(net)
    torch.testing.assert_close(average(torch.ones(1, 2)), net(torch.ones(1, 2)))
    assert not any(p.requires_grad for p in average.parameters())


def test_reaches_a_changed_network_after_many_updates():
    net = nn.Linear(2, 1)
    average = AveragedModel(net, 0.5)
    with torch.no_grad():
        net.weight.fill_(3.0)
    average.update(net)
    young = average.average.weight.clone()
    for _ in range(60):
        average.update(net)
    torch.testing.assert_close(average.average.weight, net.weight)
    assert not torch.equal(young, net.weight)


def test_runs_in_evaluation_mode_and_keeps_its_mode():
    average = AveragedModel(nn.Dropout(0.5)).train()
    assert torch.equal(average(torch.ones(50)), torch.ones(50))
    assert average.average.training
    with average.evaluating():
        assert not average.average.training
    assert average.average.training


def test_refuses_other_decays():
    with pytest.raises(ValueError, match="decay"):
        AveragedModel(nn.Linear(1, 1), 1.0)
