"""What a selection of summarised supernovae is: which are kept, by what their fits say.

A selection is a function P(kept | d) of the measured d = (m, x1, c). Before selection d is normal
given redshift and population, d ~ N(mean, covariance), so that the share of supernovae kept is its
mean over that distribution. ``tripp_limit.py`` and ``tripp_cuts.py`` know that in closed form.

Letters in shapes: ``B`` samples, ``N`` supernovae, ``M`` of them in any samples.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.simulation.streams import Streams

# Uniform numbers that an attempt to draw a supernova takes.
NUMBERS = 5


class TrippSelection(ABC):
    """What is kept of summarised supernovae; a frozen dataclass says what it learnt from.

    A selection of one's own says ``log_probability``. Samples are then drawn by trial, and the
    share that is kept can be learnt (``tripp_efficiency.py``), but is not known in closed form.
    """

    # Times that supernovae are drawn before it is given up to find kept ones.
    patience: ClassVar[int] = 10_000

    @property
    def ranges(self) -> tuple[float, float]:
        """|x1| and |c| beyond which nothing is kept."""
        return math.inf, math.inf

    @property
    def in_closed_form(self) -> bool:
        """Whether ``log_kept`` is known."""
        return type(self).log_kept is not TrippSelection.log_kept

    @abstractmethod
    def log_probability(self, data: Tensor) -> Tensor:
        """ln P(kept | d), shape (...), of measured m, x1 and c (..., 3)."""

    def log_kept(self, mean: Tensor, covariance: Tensor) -> Tensor:
        """ln of the mean of P(kept | d), shape (...), over d ~ N(mean, covariance).

        Args:
            mean: shape (..., 3).
            covariance: shape (..., 3, 3).

        Raises:
            ConfigError: A selection of which that is not known.
        """
        raise ConfigError(
            f"selection {self}: the share that it keeps is not known in closed form; learn it "
            "from injections (methods=[efficiency,ignored])"
        )

    def draw_kept(self, mean: Tensor, factor: Tensor, streams: Streams) -> Tensor:
        """Kept d of N(mean, factor factorᵀ), shape (B, N, 3); NaN where none was found.

        Args:
            mean: shape (B, N, 3).
            factor: Lower triangular, shape (B, N, 3, 3).
            streams: Of the B samples.
        """
        found = torch.full_like(mean, torch.nan)
        row, place = (each.flatten() for each in torch.ones(mean.shape[:2]).nonzero().T)
        for attempt in range(self.patience):
            counter = NUMBERS * place[:, None] + torch.arange(NUMBERS)
            luck = streams[row].uniform_at(f"kept {attempt}", counter)
            data, kept = self.tried(attempt, mean[row, place], factor[row, place], luck)
            found[row[kept], place[kept]] = data[kept]
            row, place = row[~kept], place[~kept]
            if not len(row):
                break
        return found

    def tried(
        self, attempt: int, mean: Tensor, factor: Tensor, luck: Tensor
    ) -> tuple[Tensor, Tensor]:
        """d, shape (M, 3), and which of them are kept, shape (M,); by trial.

        Args:
            attempt: Number of the attempt.
            mean: shape (M, 3).
            factor: Lower triangular, shape (M, 3, 3).
            luck: Uniform numbers, shape (M, ``NUMBERS``).
        """
        del attempt
        white = torch.special.ndtri(luck[:, :3])
        data = mean + (factor @ white[..., None])[..., 0]
        return data, luck[:, 3].log() < self.log_probability(data)


def draw_all(mean: Tensor, factor: Tensor, streams: Streams) -> Tensor:
    """d of N(mean, factor factorᵀ) without any selection, shape (B, N, 3)."""
    white = streams.normal("data", mean.shape[1], 3)
    return mean + (factor @ white[..., None])[..., 0]
