"""Surveys that are filled with what passes a selection, many at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from sntorch.errors import ConfigError

# The fraction kept, before any candidate was seen, and how many more than expected are drawn.
GUESS, MARGIN = 0.2, 1.1
MOST_PER_SUPERNOVA = 20_000


class Filling:
    """B surveys with room for so many supernovae each.

    Args:
        n_surveys: B.
        n: Supernovae wanted in each, or in all alike, shape (B,).
        patience: Candidates a wanted supernova after which a survey is given up.

    Raises:
        ConfigError: A survey without any.

    Attributes:
        kept: How many each has, shape (B,).
        seen: How many candidates of each were looked at, shape (B,).
        last: How many it took to fill it, shape (B,).
    """

    def __init__(
        self, n_surveys: int, n: int | Tensor, patience: int = MOST_PER_SUPERNOVA
    ) -> None:
        self.patience = patience
        self.n = torch.as_tensor(n).expand(n_surveys)
        least = int(self.n.min())
        if least < 1:
            raise ConfigError(
                f"n is the number of supernovae in a survey, at least 1; found {least}"
            )
        self.kept = torch.zeros(n_surveys, dtype=torch.int64)
        self.seen = torch.zeros(n_surveys, dtype=torch.int64)
        self.last = torch.zeros(n_surveys, dtype=torch.int64)

    def rounds(self, most: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Surveys that are not full, and how many candidates to draw for each, until all are.

        Args:
            most: About how many candidates are drawn at a time.

        Raises:
            ConfigError: The selection keeps next to nothing.
        """
        while len(open_ := (self.kept < self.n).nonzero()[:, 0]):
            # A survey that keeps next to nothing would ask for more than memory holds.
            counts = self._wanted(open_).clamp(max=most)
            for part in groups(counts, most):
                yield open_[part], counts[part]
            self._give_up()

    def candidates(self, surveys: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Survey of each of the next candidates, and its number among those of its survey.

        Args:
            surveys: Surveys of which candidates are drawn.
            counts: How many of each, M together.

        Returns:
            shape (M,) each.
        """
        owner = surveys.repeat_interleave(counts)
        before = (counts.cumsum(0) - counts).repeat_interleave(counts)
        return owner, self.seen[owner] + torch.arange(len(owner)) - before

    def add(
        self, surveys: Tensor, counts: Tensor, owner: Tensor, kept: Tensor
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Give the kept candidates places where there is room.

        Args:
            surveys: Surveys of which candidates were drawn.
            counts: How many of each.
            owner: Survey of each candidate, in the order of ``surveys``, shape (M,).
            kept: Which passed, shape (M,), bool.

        Returns:
            Survey and place in it of those that found room, and their candidates' numbers.
        """
        owner, row = owner[kept], kept.nonzero()[:, 0]
        new = torch.bincount(owner, minlength=len(self.kept))
        before = torch.zeros_like(self.kept)
        before[surveys] = new[surveys].cumsum(0) - new[surveys]
        place = self.kept[owner] + torch.arange(len(owner)) - before[owner]
        room = place < self.n[owner]
        owner, place, row = owner[room], place[room], row[room]
        full = place == self.n[owner] - 1
        begins = torch.zeros_like(self.kept)
        begins[surveys] = counts.cumsum(0) - counts
        here = row[full] - begins[owner[full]] + 1
        self.last[owner[full]] = self.seen[owner[full]] + here
        self.kept[surveys] += new[surveys]
        self.seen[surveys] += counts
        return (owner, place), row

    def _wanted(self, surveys: Tensor) -> Tensor:
        """Candidates to draw next, by what fraction was kept so far."""
        n = self.n[surveys]
        rate = (self.kept[surveys] + GUESS * n / 4) / (self.seen[surveys] + n / 4)
        missing = n - self.kept[surveys]
        return (MARGIN * missing / rate).ceil().long() + 1

    def _give_up(self) -> None:
        poor = (self.kept < self.n) & (self.seen > self.patience * self.n)
        if bool(poor.any()):
            b = int(poor.nonzero()[0, 0])
            raise ConfigError(
                f"the selection keeps too little: survey {b} has {int(self.kept[b])} of "
                f"{int(self.n[b])} supernovae after {int(self.seen[b])} candidates"
            )


def groups(counts: Tensor, most: int) -> list[Tensor]:
    """Surveys in groups of about ``most`` candidates together: their places."""
    group = (counts.cumsum(0) - 1) // most
    places = torch.arange(len(counts))
    return [places[group == g] for g in group.unique()]
