"""Cadences spliced from two objects."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sntorch.generative.epochs import Cadences, EpochPrior
from sntorch.generative.splicing import Cadence, night_starts, spliced


def nights(*days: float) -> Cadence:
    """Two bands, observed an hour apart in every night."""
    first = torch.tensor(days, dtype=torch.float64)
    return Cadence.of([first, first + 0.04])


def test_observations_of_one_night_are_one_night():
    days = torch.tensor([3.0, 0.0, 0.1, 3.4, 0.05], dtype=torch.float64)
    assert night_starts(days).tolist() == [0.0, 3.0]


def test_the_tail_follows_the_head_after_its_own_interval():
    found = spliced(nights(0, 5, 10, 15), nights(-1, 6, 9, 20), share=0.3, largest_shift=5.0)
    assert found is not None
    # The night of day 5 meets that of day 6, so the tail comes a day earlier.
    assert found[0].tolist() == [0, 5, 8, 19]
    assert found[1].tolist() == pytest.approx([0.04, 5.04, 8.04, 19.04])


@pytest.mark.parametrize("tail", [(0.0, 30.0), (-9.0, -2.0)])
def test_nothing_is_spliced_far_from_a_night_or_after_the_last_one(tail: tuple[float, ...]):
    assert spliced(nights(0, 5, 10), nights(*tail), share=0.99, largest_shift=5.0) is None


def prior(n: int, n_bands: int = 2) -> Cadences:
    """Objects with 3 to 8 nights, a few days apart, in every band."""
    generator = torch.Generator().manual_seed(n)
    counts = torch.randint(3, 9, (n, 1), generator=generator).expand(n, n_bands)
    gaps = 1 + 6 * torch.rand(n, 8, 1, generator=generator, dtype=torch.float64)
    days = (gaps.cumsum(1) - 12).expand(-1, -1, n_bands) + torch.arange(n_bands) * 0.04
    return EpochPrior(days, counts, torch.zeros(n)).cadences()


@given(st.integers(2, 20), st.integers(0, 2**20))
def test_a_new_cadence_is_sorted_and_has_no_more_epochs_than_known_ones(n: int, seed: int):
    known = prior(n)
    found = known.spliced(0, torch.arange(n), torch.Generator().manual_seed(seed))
    counts = torch.tensor([len(days) for days in found])
    assert bool((counts >= known.counts.amin(0)).all())
    assert bool((counts <= known.counts.amax(0)).all())
    assert all(bool((days.diff() > 0).all()) for days in found)
    assert float(found[0][0]) == float(known.days[0, 0, 0])


def test_most_new_cadences_are_those_of_no_object():
    known = prior(30)
    own = {tuple(known.of(i).bands[0].tolist()) for i in range(30)}
    stream = torch.Generator().manual_seed(1)
    found = [known.spliced(i % 30, torch.arange(30), stream)[0].tolist() for i in range(300)]
    assert sum(tuple(days) in own for days in found) < 60


def test_intervals_are_those_of_real_cadences():
    known = prior(30)
    real = torch.cat([known.of(i).bands[0].diff() for i in range(30)])
    stream = torch.Generator().manual_seed(2)
    made = torch.cat([known.spliced(i, torch.arange(30), stream)[0].diff() for i in range(30)])
    nearest = (made[:, None] - real).abs().amin(1)
    assert float(nearest.max()) < 1e-9


def test_bands_and_single_nights_stay_as_they_are():
    days = torch.zeros(12, 8, 2, dtype=torch.float64)
    days[..., 0], days[..., 1] = torch.arange(8.0) * 5, torch.arange(8.0) * 5 + 0.01
    counts = torch.tensor([[8, 0], [1, 1], *[[8, 8]] * 10])
    known = EpochPrior(days, counts, torch.zeros(12)).cadences()
    stream = torch.Generator().manual_seed(0)
    for _ in range(20):
        one_band, one_night, both = (known.spliced(i, torch.arange(12), stream) for i in range(3))
        assert [len(b) > 0 for b in one_band] == [True, False]
        assert [len(b) for b in one_night] == [1, 1]
        assert all(len(b) > 0 for b in both)
