"""A fit in memory tells how far it is, and ends where it is told to."""

import signal

import lightning as L
import pytest
import torch

from sntorch.inference.efficiency import fit_efficiency
from sntorch.inference.one_pass import fit_one_pass


class Slope(L.LightningModule):
    def __init__(self, stop_at=None):
        super().__init__()
        self.slope, self.stop_at = torch.nn.Parameter(torch.zeros(())), stop_at

    def training_step(self, batch, batch_idx):
        if batch_idx == self.stop_at:
            raise KeyboardInterrupt
        return (self.slope - batch).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


BATCHES = [torch.ones(3)] * 4


def test_every_batch_is_told_of():
    told = []
    fit_one_pass(Slope(), BATCHES, progress=told.append, gradients=4)
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_a_line_search_never_tells_more_than_all():
    told = []
    latents = torch.linspace(-2, 2, 200)[:, None]
    fit_efficiency(latents, torch.sigmoid(latents[:, 0]), progress=told.append, iterations=10)
    assert len(told) > 5
    assert told == sorted(told)
    assert told[-1] <= 1


def test_a_ctrl_c_is_one_and_the_next_is_heard():
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit_one_pass(Slope(stop_at=2), BATCHES)
    assert signal.getsignal(signal.SIGINT) is handler
