"""Generators and critics of the GAN keep their contracts."""

from __future__ import annotations

import pytest
import torch
from toys import BANDS, population

from sntorch.generative.encoding import MagnitudeEncoding, MinMaxEncoding
from sntorch.generative.gan import (
    RecurrentCritic,
    RecurrentGenerator,
    TalkCritic,
    TalkGenerator,
    position,
)
from sntorch.generative.lengths import mask_from_counts
from sntorch.testing import CriticNetworkContract, GeneratorNetworkContract


class WithMagnitudes:
    def make_encoding(self, n_bands):
        return MagnitudeEncoding.fit(population(12, bands=BANDS[:n_bands]))


class WithMinMax:
    def make_encoding(self, n_bands):
        return MinMaxEncoding.fit(population(12, bands=BANDS[:n_bands]))


class TestRecurrentGenerator(WithMagnitudes, GeneratorNetworkContract):
    def make(self, n_bands, n_condition):
        return RecurrentGenerator(n_bands, n_condition, n_hidden=8)

    def test_given_times_come_back_and_photometry_depends_on_them(self):
        network = self.make(3, 0)
        encoding = self.make_encoding(3)
        z, steps, mask = (
            torch.randn(2, 16),
            torch.randn(2, 4, 8),
            torch.ones(2, 4, 3, dtype=torch.bool),
        )
        times = torch.randn(2, 4, 3)
        early, late = (network(z, steps, mask, encoding, t) for t in (times, times + 1))
        assert torch.equal(early[..., :3], times)
        assert not torch.allclose(early[..., 3:], late[..., 3:])

    def test_nan_asks_for_generated_times(self):
        network, encoding = self.make(3, 0), self.make_encoding(3)
        z, steps, mask = (
            torch.randn(2, 16),
            torch.randn(2, 4, 8),
            torch.ones(2, 4, 3, dtype=torch.bool),
        )
        times = torch.full((2, 4, 3), torch.nan)
        times[0] = 0.5
        mixed, free = network(z, steps, mask, encoding, times), network(z, steps, mask, encoding)
        torch.testing.assert_close(mixed[1], free[1])
        assert bool((mixed[0, :, :3] == 0.5).all())


class TestTalkGenerator(WithMinMax, GeneratorNetworkContract):
    n_condition = 0

    def make(self, n_bands, n_condition):
        return TalkGenerator(n_bands, n_condition, n_hidden=8)

    def test_output_stays_in_the_range_of_the_data(self):
        rows, _ = self._run(self.make(3, 0))
        assert float(rows.detach().abs().max()) < 1

    def test_cannot_be_given_times(self):
        network = self.make(3, 0)
        mask = torch.ones(1, 2, 3, dtype=torch.bool)
        with pytest.raises(ValueError, match="times"):
            network(
                torch.zeros(1, 10),
                torch.zeros(1, 2, 0),
                mask,
                self.make_encoding(3),
                torch.zeros(1, 2, 3),
            )


class TestRecurrentCritic(WithMagnitudes, CriticNetworkContract):
    def make(self, n_bands, n_condition):
        return RecurrentCritic(n_bands, n_condition, n_hidden=8)


class TestCriticWithoutColours(WithMagnitudes, CriticNetworkContract):
    n_bands = 1

    def make(self, n_bands, n_condition):
        return RecurrentCritic(n_bands, n_condition, n_hidden=8, colours=False)


class TestTalkCritic(WithMinMax, CriticNetworkContract):
    n_condition = 0

    def make(self, n_bands, n_condition):
        return TalkCritic(n_bands, n_condition, n_hidden=8, dropout=0.0)


def test_position_runs_from_minus_one_to_one():
    along = position(mask_from_counts(torch.tensor([[3, 1]]), 4))[0, :, :2]
    assert along[:, 0].tolist() == [-1, 0, 1, -1]
    assert along[:, 1].tolist() == [-1, -1, -1, -1]
