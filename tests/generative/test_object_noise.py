"""Random numbers that belong to objects, whatever is drawn beside them."""

from __future__ import annotations

import pytest
import torch

from sntorch.generative.noise import BLOCK, balanced, mix, object_noise, seeded


def test_an_object_keeps_its_noise_whatever_is_drawn_beside_it():
    index = torch.tensor([3, BLOCK - 1, BLOCK, 5 * BLOCK + 7])
    latent, steps = object_noise(1, index, 4, 6, 5)
    assert latent.shape == (4, 4)
    assert steps.shape == (4, 6, 5)
    for place, i in enumerate(index):
        alone = object_noise(1, i[None], 4, 6, 5)
        assert torch.equal(alone[0][0], latent[place])
        assert torch.equal(alone[1][0], steps[place])


def test_more_steps_leave_the_first_ones_as_they_are():
    index = torch.arange(5)
    short, long = (object_noise(2, index, 3, n, 7)[1] for n in (4, 9))
    assert torch.equal(short, long[:, :4])


def test_objects_and_seeds_have_noise_of_their_own():
    drawn = torch.cat([object_noise(seed, torch.arange(400), 8, 2, 3)[0] for seed in (0, 1)])
    assert len(drawn.unique(dim=0)) == 800
    assert abs(float(drawn.mean())) < 0.05
    assert abs(float(drawn.std()) - 1) < 0.03
    near = torch.corrcoef(drawn).fill_diagonal_(0).abs()
    assert float(near.mean()) < 0.4


def test_each_round_of_draws_is_an_order_of_all_members():
    index = torch.arange(30)
    drawn = balanced(3, index, 10)
    assert torch.equal(drawn.view(3, 10).sort().values, torch.arange(10).expand(3, 10))
    assert not torch.equal(drawn[:10], drawn[10:20])
    assert torch.equal(balanced(3, index[[25, 4]], 10), drawn[[25, 4]])


def test_a_stream_on_the_cpu_seeds_nothing_else(monkeypatch):
    """A CUDA device's own stream goes on, for it is not put back."""
    seeds = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    monkeypatch.setattr(torch.cuda, "manual_seed", seeds.append)
    before = torch.get_rng_state()
    with seeded(torch.device("cpu"), 3, 4):
        drawn = torch.randn(5)
    assert seeds == []
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(drawn, torch.randn(5, generator=torch.Generator().manual_seed(mix(3, 4))))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_stream_on_a_cuda_device_is_its_own():
    device, before = torch.device("cuda"), torch.cuda.get_rng_state()
    drawn = []
    for _ in range(2):
        with seeded(device, 3, 4):
            drawn.append(torch.randn(5, device=device))
    assert torch.equal(*drawn)
    assert torch.equal(torch.cuda.get_rng_state(), before)
