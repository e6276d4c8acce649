"""Ranks of numbers of any scale: what is monotonic, tied, unknown, or outside."""

from __future__ import annotations

import torch

from sntorch.nn.ranks import RankScaler


def fitted(values: torch.Tensor, n_pieces: int = 4) -> RankScaler:
    scaler = RankScaler(values.shape[1], n_pieces)
    scaler.fit(values)
    return scaler


def test_scores_of_the_fitted_values_are_normal_whatever_the_scale():
    normal = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0))
    for values in (normal, 1e6 * normal.exp() - 3):
        scores = fitted(values)(values)[:, 0]
        torch.testing.assert_close(scores, normal[:, 0].clamp(-2.6, 2.6), atol=0.15, rtol=0.1)


def test_ranks_grow_with_the_value_and_end_at_the_fitted_ones():
    scaler = fitted(torch.tensor([[1.0], [2.0], [4.0], [8.0]]))
    ranks = scaler.ranks(torch.tensor([[-5.0], [1.0], [3.0], [7.0], [8.0], [1e9]]))[:, 0]
    assert (ranks.diff() >= 0).all()
    assert ranks[0] == ranks[1] == 0
    assert ranks[-2] == ranks[-1] == 1
    torch.testing.assert_close(ranks[2], torch.tensor(0.5, dtype=torch.float64))


def test_ties_share_the_middle_of_their_ranks():
    values = torch.tensor([0.0] * 50 + [1.0] * 50)[:, None]
    low, high = fitted(values).ranks(torch.tensor([[0.0], [1.0]]))[:, 0].tolist()
    assert abs(low - 0.25) < 0.01
    assert abs(high - 0.75) < 0.01
    constant = fitted(torch.full((9, 1), 3.0))
    assert constant(torch.tensor([[3.0]]))[0, 0] == 0


def test_pieces_add_up_to_the_rank():
    values = torch.linspace(0, 1, 101)[:, None]
    scaler = fitted(values, n_pieces=4)
    out = scaler(values)
    assert out.shape == (101, scaler.n_outputs) == (101, 6)
    shares = (out[:, 2:] + 1) / 2
    torch.testing.assert_close(shares.sum(1) / 4, values[:, 0], atol=1e-4, rtol=0)
    # A piece is full before the next one begins.
    assert bool(((shares[:, 1:] == 0) | (shares[:, :-1] == 1)).all())


def test_what_is_unknown_is_zero_and_flagged():
    values = torch.tensor([[1.0, torch.nan], [2.0, torch.nan], [3.0, torch.nan]])
    scaler = fitted(values)
    out = scaler(torch.tensor([[torch.nan, torch.nan], [2.5, 7.0]]))
    assert not out[0].any()
    scores, flags, pieces = out[1].split([2, 2, 8])
    # No training object had the second column, so that nothing is known of what it means.
    assert flags.tolist() == [1, 0]
    assert scores[0] > 0
    assert scores[1] == 0
    assert pieces[:4].any()
    assert not pieces[4:].any()


def test_a_saved_scaler_is_the_same():
    values = torch.randn(50, 3)
    again = RankScaler(3, 4)
    again.load_state_dict(fitted(values).state_dict())
    torch.testing.assert_close(again(values), fitted(values)(values))
