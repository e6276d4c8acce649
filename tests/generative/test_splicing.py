"""Cadences spliced from two objects."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sntorch.generative.epochs import N_SPLICING, Cadences, EpochPrior
from sntorch.generative.noise import object_uniforms
from sntorch.generative.splicing import Cadence, night_starts, spliced


def nights(*days: float) -> Cadence:
    """An object of two bands, observed an hour apart in every night; up to eight nights."""
    first = torch.zeros(8, dtype=torch.float64)
    first[: len(days)] = torch.tensor(days)
    both = torch.stack([first, first + 0.04], dim=-1)
    return Cadence.of(both[None], torch.tensor([[len(days)] * 2]))


def test_observations_of_one_night_are_one_night():
    days = torch.tensor([[3.0, 0.0, 0.1, 3.4, 0.05], [torch.inf, 7.0, 9.0, 8.0, torch.inf]])
    assert night_starts(days).tolist() == [[0.0, 3.0, torch.inf], [7.0, 8.0, 9.0]]


def test_the_tail_follows_the_head_after_its_own_interval():
    pair = nights(0, 5, 10, 15), nights(-1, 6, 9, 20)
    days, counts, found = spliced(*pair, share=torch.tensor([0.3]), largest_shift=5.0)
    assert bool(found.all())
    assert counts.tolist() == [[4, 4]]
    # The night of day 5 meets that of day 6, so the tail comes a day earlier.
    assert days[0, :4, 0].tolist() == [0, 5, 8, 19]
    assert days[0, :4, 1].tolist() == pytest.approx([0.04, 5.04, 8.04, 19.04])


@pytest.mark.parametrize("tail", [(0.0, 30.0), (-9.0, -2.0)])
def test_nothing_is_spliced_far_from_a_night_or_after_the_last_one(tail: tuple[float, ...]):
    pair = nights(0, 5, 10), nights(*tail)
    assert spliced(*pair, share=torch.tensor([0.99]), largest_shift=5.0)[2].tolist() == [False]


def prior(n: int, n_bands: int = 2) -> Cadences:
    """Objects with 3 to 8 nights, a few days apart, in every band."""
    generator = torch.Generator().manual_seed(n)
    counts = torch.randint(3, 9, (n, 1), generator=generator).expand(n, n_bands)
    gaps = 1 + 6 * torch.rand(n, 8, 1, generator=generator, dtype=torch.float64)
    days = (gaps.cumsum(1) - 12).expand(-1, -1, n_bands) + torch.arange(n_bands) * 0.04
    return EpochPrior(days, counts, torch.zeros(n)).cadences()


def drawn(known: Cadences, members: Tensor, seed: int) -> list[list[Tensor]]:
    """New cadences that begin as ``members``, any object of the set being a partner."""
    n = len(known.counts)
    noise = object_uniforms(seed, torch.arange(len(members)), N_SPLICING)
    partners = torch.arange(n).expand(len(members), -1), torch.full((len(members),), n)
    days, counts = known.spliced(members, partners, noise)
    return [
        [own[:m, f] for f, m in enumerate(number)]
        for own, number in zip(days, counts.tolist(), strict=True)
    ]


@given(st.integers(2, 20), st.integers(0, 2**20))
def test_a_new_cadence_is_sorted_and_has_no_more_epochs_than_known_ones(n: int, seed: int):
    known = prior(n)
    (found,) = drawn(known, torch.tensor([0]), seed)
    counts = torch.tensor([len(days) for days in found])
    assert bool((counts >= known.counts.amin(0)).all())
    assert bool((counts <= known.counts.amax(0)).all())
    assert all(bool((days.diff() > 0).all()) for days in found)
    assert float(found[0][0]) == float(known.days[0, 0, 0])


def own(known: Cadences, member: int) -> Tensor:
    """Days of the first band of a training object."""
    return known.days[member, : int(known.counts[member, 0]), 0]


def test_most_new_cadences_are_those_of_no_object():
    known = prior(30)
    theirs = {tuple(own(known, i).tolist()) for i in range(30)}
    found = drawn(known, torch.arange(300) % 30, 1)
    assert sum(tuple(days[0].tolist()) in theirs for days in found) < 60


def test_intervals_are_those_of_real_cadences():
    known = prior(30)
    real = torch.cat([own(known, i).diff() for i in range(30)])
    made = torch.cat([days[0].diff() for days in drawn(known, torch.arange(30), 2)])
    nearest = (made[:, None] - real).abs().amin(1)
    assert float(nearest.max()) < 1e-9


def test_a_cadence_depends_on_nothing_that_is_drawn_beside_it():
    known = prior(30)
    many, few = drawn(known, torch.arange(300) % 30, 3), drawn(known, torch.arange(20), 3)
    for one, same in zip(few, many, strict=False):
        assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))


def test_bands_and_single_nights_stay_as_they_are():
    days = torch.zeros(12, 8, 2, dtype=torch.float64)
    days[..., 0], days[..., 1] = torch.arange(8.0) * 5, torch.arange(8.0) * 5 + 0.01
    counts = torch.tensor([[8, 0], [1, 1], *[[8, 8]] * 10])
    known = EpochPrior(days, counts, torch.zeros(12)).cadences()
    for seed in range(20):
        one_band, one_night, both = drawn(known, torch.arange(3), seed)
        assert [len(b) > 0 for b in one_band] == [True, False]
        assert [len(b) for b in one_night] == [1, 1]
        assert all(len(b) > 0 for b in both)
