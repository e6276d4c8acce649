"""Numbers of observations in every accepted shape, and their masks."""

from __future__ import annotations

import pytest
import torch

from sntorch.errors import ConfigError
from sntorch.generative.lengths import asked_counts, mask_from_counts


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
    assert asked_counts(lengths, 3, 2).tolist() == expected


def test_other_shapes_are_refused():
    with pytest.raises(ConfigError, match="is accepted"):
        asked_counts(torch.ones(5), 3, 2)


def test_masks():
    assert mask_from_counts(torch.tensor([[1, 2]])).tolist() == [[[True, True], [False, True]]]
    assert mask_from_counts(torch.tensor([[1, 2]]), 4).shape == (1, 4, 2)
