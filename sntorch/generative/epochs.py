"""When generated objects are observed: the epochs of training objects.

Letters in shapes: ``N`` training objects, ``L`` steps, ``F`` bands.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sntorch.errors import DataError


class EpochPrior(nn.Module):
    """The cadences of a training set.

    Args:
        days: Days since the reference time, shape (N, L, F), sorted along L.
        counts: Observations of each object and band, shape (N, F).
        t_ref: Reference times, MJD, shape (N,).

    Raises:
        DataError: An object without observations.
    """

    days: Tensor
    counts: Tensor
    t_ref: Tensor

    def __init__(self, days: Tensor, counts: Tensor, t_ref: Tensor) -> None:
        super().__init__()
        if not len(counts) or not bool((counts.sum(-1) > 0).all()):
            raise DataError("no object with an observation and a reference time to train on")
        self.register_buffer("days", days.double())
        self.register_buffer("counts", counts.long())
        self.register_buffer("t_ref", t_ref.double())

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], prefix: str) -> EpochPrior:
        """The cadences in saved tensors whose names start with ``prefix``."""
        return cls(*(state[prefix + name] for name in ("days", "counts", "t_ref")))

    def __len__(self) -> int:
        return len(self.counts)

    def combined(self, member: int, counts: Tensor, generator: torch.Generator) -> Tensor:
        """As many epochs as asked for, of one training object and, where it has too few, others.

        Args:
            member: The training object.
            counts: Epochs to give in each band, shape (F,).
            generator: Decides which.

        Returns:
            Days since the reference time, shape (max(counts), F), sorted; 0 where padded.
        """
        out = torch.zeros(int(counts.max()), len(counts), dtype=torch.float64)
        others = torch.randperm(len(self), generator=generator).tolist()
        for f, n in enumerate(counts.tolist()):
            parts: list[Tensor] = []
            missing = n
            while missing:
                # Every band has observations somewhere in the training set, so this ends.
                donor = others[len(parts) % len(others)] if parts else member
                own = self.days[donor, : int(self.counts[donor, f]), f].cpu()
                chosen = torch.randperm(len(own), generator=generator)[:missing]
                parts.append(own[chosen])
                missing -= len(chosen)
            if n:
                out[:n, f] = torch.cat(parts).sort().values
        return out
