"""New cadences from those of two real objects: the first nights of one, the last of the other.

Whole cadences of training objects repeat: a generated object at the epochs of a training object
lies near it whatever its photometry, and thirty objects have thirty cadences. The head of one and
the tail of another, moved by a few days so that they meet in a night, have only real intervals
between nights, and of N objects there are about N² times as many as nights.

Letters in shapes: ``L`` steps, ``F`` bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

# Observations closer than this, in days, are of one night.
NIGHT = 0.5


@dataclass(frozen=True)
class Cadence:
    """The epochs of an object.

    Attributes:
        bands: Days since the reference time, a sorted tensor a band.
        nights: First epoch of every night, shape (K,).
    """

    bands: list[Tensor]
    nights: Tensor

    @classmethod
    def of(cls, bands: Sequence[Tensor]) -> Self:
        """The cadence of sorted days, a tensor a band."""
        return cls([*bands], night_starts(torch.cat([*bands])))


def night_starts(days: Tensor) -> Tensor:
    """First epoch of every night, shape (K,), of epochs ``days`` (M,) in any order."""
    days = days.sort().values
    new = torch.ones_like(days, dtype=torch.bool)
    new[1:] = days.diff() > NIGHT
    return days[new]


def spliced(
    head: Cadence, tail: Cadence, share: float, largest_shift: float
) -> list[Tensor] | None:
    """The nights of one object up to some night, and those of another one after it.

    Args:
        head: The epochs of one object.
        tail: Those of another one.
        share: Which night of the first object is its last, from 0 (its first) to 1 (its last).
        largest_shift: Days that the tail may be moved by, at most.

    Returns:
        Sorted days of each band, or None where the tail has no night to meet in or none after it.
    """
    first, second = head.nights, tail.nights
    last = first[min(int(share * len(first)), len(first) - 1)]
    meeting = int((second - last).abs().argmin())
    shift = last - second[meeting]
    if float(shift.abs()) > largest_shift or meeting == len(second) - 1:
        return None
    cut = second[meeting + 1]
    return [
        torch.cat([a[a < last + NIGHT], b[b >= cut] + shift])
        for a, b in zip(head.bands, tail.bands, strict=True)
    ]
