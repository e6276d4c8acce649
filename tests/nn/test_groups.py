import pytest
import torch
from torch import Tensor

from sntorch.nn import groups
from sntorch.nn.groups import by_length, on_threads, steps_by_length


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


LENGTHS = torch.tensor([3, 0, 7, 1, 7, 2])
VALUES = torch.arange(6 * 7.0).reshape(6, 7)


def sums(rows: Tensor, longest: int) -> Tensor:
    part = VALUES[rows, :longest]
    return (part * (torch.arange(longest) < LENGTHS[rows, None])).sum(1, keepdim=True)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("threads", [False, True])
def test_results_stand_where_their_sequences_do(monkeypatch, threads):
    monkeypatch.setattr(groups, "GROUP", 2)
    with torch.no_grad():
        found = by_length(sums, LENGTHS, threads=threads)
    expected = [VALUES[i, :n].sum() for i, n in enumerate(LENGTHS)]
    assert found[:, 0].tolist() == [float(e) for e in expected]


def test_groups_are_read_up_to_their_longest_sequence():
    read: list[tuple[list[int], int]] = []

    def run(rows: Tensor, longest: int) -> Tensor:
        read.append((LENGTHS[rows].tolist(), longest))
        return VALUES[rows, :1]

    by_length(run, LENGTHS, size=2)
    assert read == [([7, 7], 7), ([3, 2], 3), ([1, 0], 1)]
    read.clear()
    by_length(run, LENGTHS, size=3, order=torch.arange(6))
    assert read == [([3, 0, 7], 7), ([1, 7, 2], 7)]


def test_with_gradients_there_is_one_group():
    calls: list[int] = []

    def run(rows: Tensor, longest: int) -> Tensor:
        calls.append(len(rows))
        return rows[:, None]

    by_length(run, torch.arange(200))
    assert calls == [200]


def test_steps_behind_those_of_a_group_are_zero():
    def run(rows: Tensor, longest: int) -> Tensor:
        return 1 + VALUES[rows, :longest, None]

    found = steps_by_length(run, LENGTHS, 7, size=2)[..., 0]
    assert found.shape == (6, 7)
    assert torch.equal(found[0, :3], 1 + VALUES[0, :3])
    assert not found[1, 1:].any()
    assert torch.equal(found[2], 1 + VALUES[2])


@pytest.mark.usefixtures("two_threads")
def test_threads_keep_the_order_and_work_alone():
    def run(number: int) -> tuple[int, int, bool]:
        return number, torch.get_num_threads(), torch.is_grad_enabled()

    assert on_threads(run, [(k,) for k in range(8)]) == [(k, 1, False) for k in range(8)]
    assert torch.get_num_threads() == 2
