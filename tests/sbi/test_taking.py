"""Chosen observations of objects of any kind."""

from dataclasses import dataclass

import pytest
import torch

from sntorch.sbi.taking import taken


@dataclass(frozen=True, eq=False)
class Several:
    a: torch.Tensor
    inner: object
    name: str


def several():
    inside = Taker(torch.arange(4))
    return Several(torch.arange(8).reshape(4, 2), inside, "here")


class Taker:
    def __init__(self, values):
        self.values = values

    def take(self, index):
        return taken(self, index, "values")


@pytest.mark.parametrize("index", [torch.tensor([2, 0]), torch.tensor([True, False, True, False])])
def test_rows_of_tensors_and_what_takes_itself(index):
    whole = several()
    part = taken(whole, index, "a", "inner")
    assert torch.equal(part.a, whole.a[index])
    assert torch.equal(part.inner.values, torch.arange(4)[index])
    assert part.name == "here"
    assert len(whole.a) == len(whole.inner.values) == 4


def test_what_is_not_named_is_shared():
    whole = several()
    assert taken(whole, slice(0, 1), "a").inner is whole.inner
