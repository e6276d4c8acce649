"""Coordinates of a flow, tokens, and epochs: what goes in comes out."""

from __future__ import annotations

import pytest
import torch
from toys import flow, population

from sntorch.errors import DataError
from sntorch.generative.data_augmentation import thinned
from sntorch.generative.epochs import EpochPrior
from sntorch.generative.flow_space import EpochSpace, PhotometrySpace
from sntorch.generative.tokens import TokenLayout


def values():
    torch.manual_seed(0)
    mask = torch.arange(5) < torch.tensor([5, 3, 1])[:, None]
    value = torch.randn(3, 5) + 3 * torch.randn(3, 1)
    return torch.where(mask, value, 0.0), torch.where(mask, torch.randn(3, 5), 0.0), mask


def test_tokens_of_rows_and_back():
    mask = torch.rand(4, 6, 3) < 0.5
    mask[0] = False
    rows = torch.where(mask, torch.randn(4, 6, 3), 0.0)
    layout = TokenLayout.of(mask, width=20)
    assert layout.mask.shape == (4, 20)
    assert torch.equal(layout.scatter(layout.gather(rows)), rows)
    assert torch.equal(layout.counts.long(), mask.sum(1))


def test_values_come_back():
    value, error, mask = values()
    space = PhotometrySpace()
    space.fit(value, mask)
    state = space(value, error, mask)
    again = space.inverse(state)
    torch.testing.assert_close(again[0][mask], value[mask])
    torch.testing.assert_close(again[1][mask], error[mask])
    torch.testing.assert_close(space.project(state, mask), state)


def test_noise_has_one_level_an_object_and_no_mean_shape():
    _, _, mask = values()
    noise = PhotometrySpace().noise(torch.randn(3), torch.randn(3, 5, 2), mask)
    level, shape, _ = noise.unbind(-1)
    torch.testing.assert_close(level[0], level[0, :1].expand(5))
    torch.testing.assert_close(shape.sum(1), torch.zeros(3), atol=1e-6, rtol=0)
    assert not bool(noise[~mask].any())


def test_epochs_come_back_and_any_code_is_sorted():
    rows = population(20).to_rows()
    days = torch.where(rows.mask, rows.time - 57000, 0.0)
    space = EpochSpace()
    space.fit(days, rows.mask)
    torch.testing.assert_close(space.inverse(space(days))[rows.mask], days[rows.mask])
    assert bool((space.inverse(100 * torch.randn(9, 7, 3)).diff(dim=1) > 0).all())


def test_cadences_need_observations():
    with pytest.raises(DataError, match="no object with an observation"):
        EpochPrior(torch.zeros(2, 3, 1), torch.tensor([[3], [0]]), torch.zeros(2))


def test_combined_epochs_are_sorted_and_known():
    prior = EpochPrior(
        torch.tensor([[[1.0], [2.0], [0.0]], [[5.0], [6.0], [7.0]]]),
        torch.tensor([[2], [3]]),
        torch.zeros(2),
    )
    (found,) = prior.cadences().combined(0, torch.tensor([4]), torch.Generator().manual_seed(0))
    days = found.tolist()
    assert days == sorted(days)
    assert days[:2] == [1.0, 2.0]
    assert set(days[2:]) < {5.0, 6.0, 7.0}


def test_augmentation_leaves_something_of_every_object():
    model = flow()
    model.fit_encoding(population(40))
    known = model.flow.encode(population(40))
    augmentation = model.flow.augmentation
    augmentation.dropout = 0.99
    moved, value, mask = augmentation(model.flow.encoding, known.days, known.value, known.mask)
    assert bool(mask.flatten(1).any(1).all())
    assert not bool((mask & ~known.mask).any())
    shift = (moved - known.days)[:, 0, 0]
    torch.testing.assert_close(moved, known.days + shift[:, None, None])
    assert bool(value.isfinite().all())


def test_thinned_observations_are_some_of_those_that_there_are():
    mask = torch.arange(9)[:, None] < torch.tensor([[9, 4], [2, 1], [0, 5]])[:, None]
    torch.manual_seed(0)
    found = [thinned(mask, 4) for _ in range(50)]
    assert all(not bool((each & ~mask).any()) for each in found)
    assert all(each.flatten(1).sum(1).tolist() == [4, 3, 4] for each in found)
    assert torch.equal(torch.stack(found).any(0), mask)
