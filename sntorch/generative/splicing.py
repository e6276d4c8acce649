"""New cadences from those of two real objects: the first nights of one, the last of the other.

Whole cadences of training objects repeat: a generated object at the epochs of a training object
lies near it whatever its photometry, and thirty objects have thirty cadences. The head of one and
the tail of another, moved by a few days so that they meet in a night, have only real intervals
between nights, and of N objects there are about N² times as many as nights. What was spliced can
be spliced again.

Letters in shapes: ``M`` objects or pairs of them, ``L`` steps, ``F`` bands, ``K`` nights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from sntorch.generative.lengths import mask_from_counts

# Observations closer than this, in days, are of one night.
NIGHT = 0.5


@dataclass(frozen=True)
class Cadence:
    """The epochs of some objects.

    Attributes:
        days: Days since the reference time, sorted along L, shape (M, L, F).
        counts: Observations of each band, in its first steps, shape (M, F).
        nights: First epoch of every night, infinite where there are no more, shape (M, K).
    """

    days: Tensor
    counts: Tensor
    nights: Tensor

    @classmethod
    def of(cls, days: Tensor, counts: Tensor) -> Self:
        """The cadences of sorted days (M, L, F) and numbers of them (M, F)."""
        known = torch.where(mask_from_counts(counts, days.shape[1]), days, torch.inf)
        return cls(days, counts, night_starts(known.flatten(1)))

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, index: Tensor) -> Cadence:
        return Cadence(self.days[index], self.counts[index], self.nights[index])

    @property
    def n_nights(self) -> Tensor:
        """Number of nights, shape (M,)."""
        return self.nights.isfinite().sum(1)


def night_starts(days: Tensor) -> Tensor:
    """First epoch of every night, infinite where there are no more, shape (M, K), of epochs
    ``days`` (M, T) in any order, infinite where there are none.
    """
    days = days.sort(dim=1).values
    new = days.isfinite()
    new[:, 1:] &= days.diff(dim=1) > NIGHT
    starts = torch.where(new, days, torch.inf).sort(dim=1).values
    return starts[:, : max(int(new.sum(1).max()), 1)]


def spliced(
    head: Cadence, tail: Cadence, share: Tensor, largest_shift: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The nights of some objects up to some night, and those of as many others after it.

    Args:
        head: The epochs of some objects.
        tail: Those of the others, padded to as many steps.
        share: Which night of a first object is its last, from 0 (its first) to 1 (its last),
            shape (M,).
        largest_shift: Days that a tail may be moved by, at most.

    Returns:
        Sorted days (M, L, F); numbers of them (M, F), which may be larger than L; and whether the
        tail has a night to meet in and one after it, shape (M,).
    """
    place = torch.minimum((share * head.n_nights).long(), head.n_nights - 1)
    last = head.nights.gather(1, place[:, None])
    meeting = (tail.nights - last).abs().argmin(1, keepdim=True)
    shift = last - tail.nights.gather(1, meeting)
    found = (shift.abs() <= largest_shift)[:, 0] & (meeting[:, 0] + 1 < tail.n_nights)
    cut = tail.nights.gather(1, (meeting + 1).clamp(max=tail.nights.shape[1] - 1))
    n_steps = head.days.shape[1]
    first, second = (
        (mask_from_counts(c.counts, n_steps) & chosen).sum(1)
        for c, chosen in (
            (head, head.days < last[..., None] + NIGHT),
            (tail, tail.days >= cut[..., None]),
        )
    )
    step = torch.arange(n_steps)[:, None]
    source = (step + (tail.counts - second - first)[:, None]).clamp(0, n_steps - 1)
    moved = tail.days.gather(1, source) + shift[..., None]
    return torch.where(step < first[:, None], head.days, moved), first + second, found
