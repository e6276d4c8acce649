"""Epochs to borrow: those of the objects that a model to start from had learned from.

When a supernova is observed is decided by the survey and by how long it is seen, not by its class.
Thirty objects of a rare class have thirty cadences, and objects generated at these lie near them;
the common objects of the same survey have many more. Borrowed are those of objects alike in the
numbers that the model knows, such as the redshift.

Letters in shapes: ``N`` donors, ``L`` steps, ``F`` bands, ``P`` numbers of the condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from sntorch.generative.requests import TrainingObjects


class Donors(nn.Module):
    """Cadences of objects of other classes, and in which numbers a new object has to be like them.

    Args:
        days: Days since the reference time, shape (N, L, F), sorted along L.
        counts: Observations of each object and band, shape (N, F).
        numbers: Numbers of the condition, shape (N, P).
    """

    days: Tensor
    counts: Tensor
    numbers: Tensor

    def __init__(self, days: Tensor, counts: Tensor, numbers: Tensor) -> None:
        super().__init__()
        self.register_buffer("days", days)
        self.register_buffer("counts", counts)
        self.register_buffer("numbers", numbers)

    @classmethod
    def of(cls, known: TrainingObjects) -> Donors:
        """The training objects of a model."""
        return cls(known.epochs.days, known.epochs.counts, known.conditions.numbers)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], prefix: str) -> Donors | None:
        """The donors in saved tensors whose names start with ``prefix``, if there are any."""
        names = [prefix + name for name in ("days", "counts", "numbers")]
        return cls(*(state[name] for name in names)) if names[0] in state else None

    def __len__(self) -> int:
        return len(self.counts)
