"""Padded sequences run in groups of similar length, so that little of the work is padding.

Light curves differ so much in length that in a batch padded to the longest most is padding; and
what a group needs stays in a core's cache, where a whole batch's does not. Operations on a group
are too small to be shared by threads: each thread has groups of its own.

Letters in shapes: ``B`` sequences, ``L`` steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import pad

# Sequences a group: fewer have less padding, but more calls of small operations.
GROUP = 64

T = TypeVar("T")


def by_length(
    run: Callable[[Tensor, int], Tensor],
    lengths: Tensor,
    size: int | None = None,
    threads: bool = False,
    order: Tensor | None = None,
) -> Tensor:
    """What ``run`` makes of all sequences, in their order; it must treat each on its own.

    Args:
        run: Gets the indices of the sequences of a group and the steps (one or more) up to which
            to read them; returns a row each.
        lengths: Valid steps, shape (B,).
        size: Sequences a group; default: few where results are all that is wanted of a CPU, all
            where gradients are, or on a GPU, which small groups would leave idle.
        threads: Whether groups may be run side by side where no gradients are wanted; ``run``
            must then draw no random numbers, whose order would be that of the threads.
        order: In which sequences are put into groups, shape (B,); default: the longest first.
    """
    if size is None:
        whole = torch.is_grad_enabled() or lengths.is_cuda
        size = max(len(lengths), 1) if whole else GROUP
    order = lengths.argsort(descending=True) if order is None else order
    groups = [(rows, max(int(lengths[rows].max()), 1)) for rows in order.split(size)]
    beside = threads and not torch.is_grad_enabled() and not lengths.is_cuda
    parts = on_threads(run, groups) if beside else [run(*group) for group in groups]
    return torch.cat(parts)[order.argsort()]


def steps_by_length(
    run: Callable[[Tensor, int], Tensor],
    lengths: Tensor,
    n_steps: int,
    size: int | None = None,
    threads: bool = False,
    order: Tensor | None = None,
) -> Tensor:
    """The same where ``run`` returns steps, shape (rows, steps read, D): (B, L, D), zero behind.

    Args:
        run, lengths, size, threads, order: As of ``by_length``.
        n_steps: Steps L that come out.
    """

    def widened(rows: Tensor, longest: int) -> Tensor:
        states = run(rows, longest)
        return pad(states, (0, 0, 0, n_steps - states.shape[1]))

    return by_length(widened, lengths, size, threads, order)


def on_threads(run: Callable[..., T], calls: Sequence[tuple[object, ...]]) -> list[T]:
    """Results of ``run`` for each of the arguments, on as many threads as PyTorch has.

    No gradients are recorded, and each thread does its operations alone.

    Args:
        run: Called with the arguments of a call.
        calls: Arguments; those that take longest best come first.
    """

    def alone(arguments: tuple[object, ...]) -> T:
        with torch.no_grad():
            return run(*arguments)

    if torch.get_num_threads() < 2 or not calls:
        return [alone(arguments) for arguments in calls]
    # One call goes there, too: shared by threads, its operations might round in another way.
    n_threads = min(torch.get_num_threads(), len(calls))
    # The setting is one of the thread that makes it.
    with ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(alone, calls))
