"""Nights that bands choose."""

from __future__ import annotations

import torch

from sntorch.generative.lengths import mask_from_counts
from sntorch.generative.nights import choose_nights


def chosen(score, counts, n_steps):
    return choose_nights(score, mask_from_counts(torch.tensor([counts]), n_steps))


def test_the_best_nights_are_taken_in_order():
    score = torch.tensor([[[0.0, 1.0], [0.0, 3.0], [0.0, 2.0], [0.0, 9.0]]])
    weights = chosen(score, [3, 2], 4)
    night = torch.tensor([[10.0, 20.0, 30.0, 40.0]])
    times = torch.einsum("bkmf,bm->bkf", weights, night)[0]
    # Three nights: the band with three observations takes all, the other its best two of them.
    assert times[:, 0].tolist() == [10, 20, 30, 0]
    assert times[:, 1].tolist() == [20, 30, 0, 0]


def test_a_band_without_observations_takes_no_night():
    assert not bool(chosen(torch.randn(1, 3, 2), [3, 0], 3)[..., 1].any())


def test_weights_are_zeros_and_ones_whatever_the_scores():
    torch.manual_seed(0)
    counts = torch.randint(1, 7, (200, 3))
    weights = choose_nights(torch.randn(200, 8, 3), mask_from_counts(counts, 8))
    rounded = weights.round()
    torch.testing.assert_close(weights, rounded, atol=1e-5, rtol=0)
    assert torch.equal(rounded.sum(2), mask_from_counts(counts, 8).float())
    places = torch.einsum("bkmf,m->bkf", rounded, torch.arange(1.0, 9.0))
    both = mask_from_counts(counts, 8)
    later = places.diff(dim=1)[both[:, 1:]]
    assert bool((later > 0).all())


def test_the_gradient_prefers_nights_that_lower_the_loss():
    score = torch.zeros(1, 3, 2)
    score[0, :, 1] = torch.tensor([0.1, 0.0, -0.1])
    score.requires_grad_()
    weights = chosen(score, [3, 1], 3)
    night = torch.tensor([[0.0, 1.0, 2.0]])
    # The one observation is wanted late; the first night is taken.
    time = torch.einsum("bkmf,bm->bkf", weights, night)[0, 0, 1]
    assert float(time.detach()) == 0
    (slope,) = torch.autograd.grad((time - 2) ** 2, score)
    assert slope[0, 2, 1] < slope[0, 0, 1]
    assert not bool(slope[..., 0].any())


def test_padding_changes_no_choice():
    torch.manual_seed(0)
    score, counts = torch.randn(1, 6, 2), [4, 2]
    long = chosen(score, counts, 6)
    torch.testing.assert_close(long[:, :4, :4], chosen(score[:, :4], counts, 4))
