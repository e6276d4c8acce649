from dataclasses import replace

import pytest
import torch

from sntorch.data.nights import SAME_NIGHT, by_night
from sntorch.simulation.testing import example_batch

BANDS = ("desg", "desr", "desi")


def first_times(times: list[float]) -> list[float]:
    """Of nights, one observation after another."""
    begins: list[float] = []
    for time in times:
        if not begins or time - begins[-1] > SAME_NIGHT:
            begins.append(time)
    return begins


@pytest.mark.parametrize("gap", [0.01, 0.1, 0.2, 0.4, 5.0])
def test_a_night_ends_eight_hours_after_it_began(gap):
    batch = example_batch(n=8, bands=BANDS)
    generator = torch.Generator().manual_seed(int(100 * gap))
    gaps = torch.rand(batch.time.shape, generator=generator, dtype=torch.float64) * 2 * gap
    batch = replace(batch, time=torch.where(batch.mask, 60000 + gaps.cumsum(1), 0.0))
    nights = by_night(batch)
    for i in range(len(batch)):
        begins = first_times(batch.time[i][batch.mask[i]].tolist())
        assert nights.time[i][nights.mask[i]].tolist() == begins
        assert int(nights.mask[i].sum()) == len(begins)


def test_part_has_the_first_nights_of_some_objects():
    nights = by_night(example_batch(n=4, bands=BANDS))
    part = nights.part(torch.tensor([2, 0]), 3)
    assert part.flux.shape == (2, 3, len(BANDS))
    assert torch.equal(part.time, nights.time[[2, 0], :3])
