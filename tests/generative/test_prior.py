"""Numbers of observations, epochs and brightness levels drawn for whole objects."""

from __future__ import annotations

import pytest
import torch

from sntorch.errors import ConfigError, DataError
from sntorch.generative.prior import ObjectPrior, mask_from_counts

COUNTS = torch.tensor([[3, 0], [5, 5], [0, 0], [2, 7]])


def prior(n: int = 4) -> ObjectPrior:
    return ObjectPrior(COUNTS[:n], torch.zeros(n, 7, 2), torch.arange(float(n)))


def test_counts_stay_together_and_empty_objects_are_left_out():
    assert len(prior()) == 3
    assert prior().longest == 7
    assert prior().counts.tolist() == [[3, 0], [5, 5], [2, 7]]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        (4, [[4, 4]] * 3),
        (torch.tensor([4, 2]), [[4, 2]] * 3),
        (torch.tensor([4, 2, 1]), [[4, 4], [2, 2], [1, 1]]),
        (torch.tensor([[1, 2], [3, 4], [5, 6]]), [[1, 2], [3, 4], [5, 6]]),
    ],
)
def test_lengths_in_every_accepted_shape(lengths, expected):
    assert prior().resolve(lengths, 3).tolist() == expected


def test_other_shapes_are_refused():
    with pytest.raises(ConfigError, match="is accepted"):
        prior().resolve(torch.ones(5), 3)


def test_no_objects():
    with pytest.raises(DataError, match="no object"):
        ObjectPrior(COUNTS[2:3], torch.zeros(1, 7, 2), torch.zeros(1))


def test_smoothed_levels_are_new_and_as_wide_as_before():
    torch.manual_seed(0)
    levels = torch.randn(500) * 2 + 1
    many = ObjectPrior(torch.ones(500, 1), torch.zeros(500, 1, 1), levels)
    drawn = many.smooth(levels.repeat(20), torch.randn(10000))
    assert drawn.std().item() == pytest.approx(levels.std().item(), rel=0.02)
    assert drawn.mean().item() == pytest.approx(levels.mean().item(), abs=0.05)
    assert not bool(torch.isin(drawn, levels).any())


def test_masks():
    assert mask_from_counts(torch.tensor([[1, 2]])).tolist() == [[[True, True], [False, True]]]
    assert mask_from_counts(torch.tensor([[1, 2]]), 4).shape == (1, 4, 2)
