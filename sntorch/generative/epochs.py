"""When generated objects are observed: the epochs of training objects.

Letters in shapes: ``N`` training objects, ``L`` steps, ``F`` bands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain, cycle

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from sntorch.errors import DataError
from sntorch.generative.donors import Donors
from sntorch.generative.splicing import Cadence, spliced

# Days by which the second half of a spliced cadence may be moved, and pairs that are tried.
LARGEST_SHIFT = 5.0
TRIES = 8
# Which part of its nights a cadence keeps, each time that it gets another end; with one cut, those
# of thirty objects still lie near theirs.
CUTS = ((0.2, 0.45), (0.55, 0.8))
# Numbers that decide the splices: the partner and the share of each try.
N_SPLICING = 2 * TRIES * len(CUTS)


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

    def cadences(self, donors: Donors | None = None) -> Cadences:
        """The same, to make new ones from, and those of donors after them; on the CPU."""
        days, counts = self.days.cpu(), self.counts.cpu()
        if donors is None:
            return Cadences(days, counts)
        return Cadences(days, counts, (donors.days.cpu(), donors.counts.cpu()))


def lengthened(days: Tensor, n_steps: int) -> Tensor:
    """Days (N, L, F) padded with zeros, or cut, to a number of steps."""
    return pad(days, (0, 0, 0, n_steps - days.shape[1]))


class Cadences:
    """The cadences of a training set, and new ones made from them.

    Args:
        days: As of ``EpochPrior``, on the CPU.
        counts: The same.
        more: Days and counts of donors, which come after the training objects.
    """

    def __init__(
        self, days: Tensor, counts: Tensor, more: tuple[Tensor, Tensor] | None = None
    ) -> None:
        self.days, self.counts = days, counts
        if more is not None:
            n_steps = max(days.shape[1], more[0].shape[1])
            days = torch.cat([lengthened(each, n_steps) for each in (days, more[0])])
            counts = torch.cat([counts, more[1]])
        self.known = Cadence.of(days, counts)

    def begun(self, members: Tensor, donors: Tensor) -> Tensor:
        """Donors (B,) where they have as many observations as may be, else members (B,)."""
        counts = self.known.counts
        return torch.where(self._fits(counts[donors], counts[members]), donors, members)

    def spliced(
        self, members: Tensor, partners: tuple[Tensor, Tensor], noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """New cadences: the first nights of an object, then those of two others.

        A band never gets more or fewer observations than some training object has, and it has any
        where the first object has; an object of one night has nothing to splice. Where no partner
        fits, the epochs are those of the object itself.

        Args:
            members: The objects that begin, shape (B,).
            partners: Objects like each of them, shape (B, K), and how many count, shape (B,).
            noise: Uniform numbers, which decide which of them go on, and where, shape
                (B, ``N_SPLICING``).

        Returns:
            Sorted days (B, L, F), and how many there are of each band, shape (B, F).
        """
        found = self.known[members]
        for shares, own in zip(CUTS, noise.chunk(len(CUTS), dim=1), strict=True):
            found = self._ended(found, partners, own, shares)
        return found.days, found.counts

    def _ended(
        self,
        begun: Cadence,
        partners: tuple[Tensor, Tensor],
        noise: Tensor,
        shares: tuple[float, float],
    ) -> Cadence:
        """Cadences of B objects with the last nights of a partner each, where one fits."""
        others, n_others = partners
        days, counts = begun.days.clone(), begun.counts.clone()
        low, high = shares
        left = (begun.n_nights > 1).nonzero()[:, 0]
        for turn in noise.unflatten(1, (TRIES, 2)).unbind(1):
            heads, (pick, share) = begun[left], turn[left].unbind(1)
            place = torch.minimum((pick * n_others[left]).long(), n_others[left] - 1)
            tails = self.known[others[left, place]]
            share = low + (high - low) * share
            made, numbers, found = spliced(heads, tails, share, LARGEST_SHIFT)
            found &= self._fits(numbers, heads.counts)
            days[left[found]], counts[left[found]] = made[found], numbers[found]
            left = left[~found]
            if not len(left):
                break
        return Cadence.of(days, counts)

    def _fits(self, counts: Tensor, own: Tensor) -> Tensor:
        """Whether bands have as many observations (M, F) as may be, shape (M,)."""
        low, high, most = self.counts.amin(0), self.counts.amax(0), self.counts.sum(-1).max()
        each = (counts >= low) & (counts <= high) & ((counts > 0) == (own > 0))
        return each.all(-1) & (counts.sum(-1) <= most)

    def combined(self, member: int, counts: Tensor, generator: torch.Generator) -> list[Tensor]:
        """As many epochs as asked for, of one training object and, where it has too few, others.

        Args:
            member: The training object.
            counts: Epochs to give in each band, shape (F,).
            generator: Decides which.

        Returns:
            Sorted days of each band.
        """
        order = torch.randperm(len(self.counts), generator=generator).tolist()
        others = [i for i in order if i != member] or [member]
        return [
            self._chosen(chain([member], cycle(others)), f, n, generator)
            for f, n in enumerate(counts.tolist())
        ]

    def _chosen(
        self, donors: Iterable[int], band: int, n: int, generator: torch.Generator
    ) -> Tensor:
        """``n`` epochs of a band, sorted, from the first donors that have as many."""
        parts: list[Tensor] = [self.days.new_zeros(0)]
        # Every band has observations somewhere in the training set, so this ends.
        for donor in donors:
            if not n:
                break
            own = self.days[donor, : int(self.counts[donor, band]), band]
            chosen = torch.randperm(len(own), generator=generator)[:n]
            parts.append(own[chosen])
            n -= len(chosen)
        return torch.cat(parts).sort().values
