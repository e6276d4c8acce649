"""What tokens have in common with their neighbours."""

from __future__ import annotations

import torch

from sntorch.nn.neighbours import contrasts, nearness, shared_noise

PLACES = torch.tensor([[0.0, 0.01, 5.0, 0.0]])
MASK = torch.tensor([[True, True, True, False]])


def test_near_tokens_are_near_and_masked_ones_are_not():
    near = nearness(PLACES, MASK, 0.1)[0]
    assert near[0, 1] > 0.99
    assert near[0, 2] < 1e-6
    assert not bool(near[3].any() | near[:, 3].any())
    assert near.diag().tolist() == [1, 1, 1, 0]


def test_neighbours_share_noise_of_unit_variance():
    noise = torch.randn(20_000, 4, 1, generator=torch.Generator().manual_seed(0))
    near = nearness(PLACES.expand(20_000, -1), MASK.expand(20_000, -1), 0.1)
    shared = shared_noise(noise, near)[..., 0]
    correlation = torch.corrcoef(shared[:, :3].T)
    assert correlation[0, 1] > 0.98
    assert correlation[0, 2].abs() < 0.03
    torch.testing.assert_close(shared[:, :3].std(0), torch.ones(3), atol=0.03, rtol=0)


def test_contrasts_are_differences_to_each_group_near_by():
    groups = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 0.0]]])
    values = torch.tensor([[[1.0], [4.0], [100.0], [7.0]]])
    found = contrasts(values, nearness(PLACES, MASK, 0.1), groups)[0]
    assert found.shape == (4, 4)
    # The first one differs by 1 - 4 from the second group's neighbour, and has none of its own.
    torch.testing.assert_close(found[0, :2], torch.tensor([0.0, -3.0]), atol=0.2, rtol=0)
    torch.testing.assert_close(found[0, 2:], torch.tensor([0.0, 1.0]), atol=0.06, rtol=0)
    assert not bool(found[2].abs().gt(1e-4).any())
    assert not bool(found[3].any())
