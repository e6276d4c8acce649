"""Which summarised supernovae are kept, by what their light-curve fits say.

A selection is a function P(kept | d) of the measured d = (m, x1, c). Before selection d is normal
given redshift and population, d ~ N(mean, covariance), so that the share of supernovae kept is its
mean over that distribution: a closed form for a limit of the magnitude alone, a smooth integral
over two numbers where stretch and colour have to lie within a range as well.

Letters in shapes: ``B`` samples, ``N`` supernovae, ``M`` of them in any samples.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.tripp_range import NUMBERS, draw_within
from sntorch.sbi.truncated_normal import truncated_normal
from sntorch.simulation.streams import Streams

# Standard deviations beyond a limit at which a supernova is taken to be out of any survey's sight.
FAINTEST = -38.0
# Gauss-Legendre nodes in each of stretch and colour, over so many standard deviations at most.
NODES, REACH = 14, 5.0


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


@dataclass(frozen=True)
class ProbitLimit(TrippSelection):
    """P(kept) = Φ((limit - m) / width) of the measured peak magnitude.

    Attributes:
        limit: Magnitude at which one half is kept.
        width: Standard deviation of the limit, mag.
    """

    # Nearly all draws are accepted, but where nothing is within sight.
    patience: ClassVar[int] = 20
    limit: float
    width: float

    def __post_init__(self) -> None:
        if self.width <= 0:
            raise ConfigError(f"magnitude limit: width > 0 is accepted; found {self.width}")

    def __str__(self) -> str:
        return f"Φ(({self.limit:g} - m) / {self.width:g})"

    def log_probability(self, data: Tensor) -> Tensor:
        """ln P(kept | d), shape (...), of measured m, x1 and c (..., 3)."""
        return torch.special.log_ndtr((self.limit - data[..., 0]) / self.width)

    def log_kept(self, mean: Tensor, covariance: Tensor) -> Tensor:
        """ln of the mean of P(kept | d), shape (...); see ``TrippSelection``."""
        total = (self.width**2 + covariance[..., 0, 0]).sqrt()
        return torch.special.log_ndtr((self.limit - mean[..., 0]) / total)

    def tried(
        self, attempt: int, mean: Tensor, factor: Tensor, luck: Tensor
    ) -> tuple[Tensor, Tensor]:
        """d, shape (M, 3), of which hardly any is refused; see ``TrippSelection``."""
        del attempt
        white = torch.special.ndtri(luck[:, :3])
        size = factor[..., 0, 0]
        first, accepted = self.magnitudes(mean[..., 0], size**2, luck[:, 3], white[..., 0])
        white = torch.cat([((first - mean[..., 0]) / size)[..., None], white[..., 1:]], -1)
        return mean + (factor @ white[..., None])[..., 0], luck[:, 4].log() < accepted

    def magnitudes(
        self, mean: Tensor, variance: Tensor, luck: Tensor, white: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Kept ones of normal magnitudes, and ln of the probability to accept each.

        A magnitude is kept where its sum with a normal number of the limit's width lies below the
        limit: the sum is drawn below it, then the magnitude given the sum.

        Args:
            mean: Of the magnitudes before selection.
            variance: Of the magnitudes before selection.
            luck: Uniform numbers, the same shape.
            white: Standard normal numbers, the same shape.
        """
        total = variance + self.width**2
        highest = (self.limit - mean) / total.sqrt()
        step, accepted = truncated_normal(torch.full_like(mean, -torch.inf), highest, luck)
        accepted = torch.where(highest < FAINTEST, -torch.inf, accepted)
        left = (variance * self.width**2 / total).sqrt()
        return mean + variance / total.sqrt() * step + left * white, accepted


@dataclass(frozen=True)
class FitCuts(TrippSelection):
    """Fits with |x1| and |c| below limits, of what a magnitude limit keeps, where there is one.

    Attributes:
        limit: Of the magnitude; None for none.
        x1: Largest |x1|.
        c: Largest |c|.
    """

    # One draw in ten or more is accepted, however improbable it is to be kept.
    patience: ClassVar[int] = 300
    limit: ProbitLimit | None = None
    x1: float = 3.0
    c: float = 0.3

    def __post_init__(self) -> None:
        for name in ("x1", "c"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"fit cuts: {name} > 0 is accepted; found {getattr(self, name)}")

    def __str__(self) -> str:
        inside = f"(|x1| < {self.x1:g}, |c| < {self.c:g})"
        return inside if self.limit is None else f"{self.limit} {inside}"

    @property
    def ranges(self) -> tuple[float, float]:
        """|x1| and |c| beyond which nothing is kept."""
        return self.x1, self.c

    def within(self, data: Tensor) -> Tensor:
        """Whether x1 and c lie within the range, shape (...), bool, of (..., 3)."""
        return (data[..., 1].abs() < self.x1) & (data[..., 2].abs() < self.c)

    def log_probability(self, data: Tensor) -> Tensor:
        """ln P(kept | d), shape (...), of measured m, x1 and c (..., 3)."""
        found = torch.zeros_like(data[..., 0])
        if self.limit is not None:
            found = self.limit.log_probability(data)
        return torch.where(self.within(data), found, -torch.inf)

    def log_kept(self, mean: Tensor, covariance: Tensor) -> Tensor:
        """ln of the mean of P(kept | d), shape (...); see ``TrippSelection``.

        Gauss-Legendre quadrature over stretch and colour, of which the magnitude's limit is a
        closed form; nodes lie about the mode before the limit, so that of what one in 10¹⁸ keeps
        a few per cent are lost.
        """
        m, x, c = mean.unbind(-1)
        root = torch.linalg.cholesky(covariance[..., 1:, 1:])
        across, down, slope = root[..., 0, 0], root[..., 1, 1], root[..., 1, 0]
        first, first_weight = _nodes((-self.x1 - x) / across, (self.x1 - x) / across)
        middle = (c[..., None] + slope[..., None] * first) / down[..., None]
        edge = (self.c / down)[..., None]
        second, second_weight = _nodes(-edge - middle, edge - middle)
        log_weight = first_weight[..., None] + second_weight
        if self.limit is None:
            return log_weight.logsumexp((-2, -1))
        # The magnitude given the white numbers of stretch and colour.
        pull = torch.linalg.solve_triangular(root, covariance[..., 1:, :1], upper=False)[..., 0]
        spread = covariance[..., 0, 0] - (pull**2).sum(-1) + self.limit.width**2
        expected = pull[..., 0, None, None] * first[..., None]
        expected = m[..., None, None] + expected + pull[..., 1, None, None] * second
        place = (self.limit.limit - expected) / spread.sqrt()[..., None, None]
        return (log_weight + torch.special.log_ndtr(place)).logsumexp((-2, -1))

    def tried(
        self, attempt: int, mean: Tensor, factor: Tensor, luck: Tensor
    ) -> tuple[Tensor, Tensor]:
        """d, shape (M, 3), and which of them are kept, shape (M,); see ``TrippSelection``.

        By turns what the limit keeps, for the range to decide, and the reverse. Both are exact.
        The first takes less time, the second finds what is improbable to be kept, too.
        """
        if attempt % 2 == 1:
            return draw_within(mean, factor, self.ranges, self.limit, luck)
        way = super().tried if self.limit is None else self.limit.tried
        data, kept = way(attempt, mean, factor, luck)
        return data, kept & self.within(data)


def draw_all(mean: Tensor, factor: Tensor, streams: Streams) -> Tensor:
    """d of N(mean, factor factorᵀ) without any selection, shape (B, N, 3)."""
    white = streams.normal("data", mean.shape[1], 3)
    return mean + (factor @ white[..., None])[..., 0]


def _nodes(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes of a standard normal between bounds and their ln weights, shape (..., K) each."""
    node, weight = (torch.from_numpy(a).to(low) for a in np.polynomial.legendre.leggauss(NODES))
    mode = torch.zeros_like(low).clamp(low, high)
    low, high = torch.maximum(low, mode - REACH), torch.minimum(high, mode + REACH)
    half = (high - low) / 2
    place = ((high + low) / 2)[..., None] + half[..., None] * node
    log_density = -(place**2) / 2 - 0.5 * np.log(2 * np.pi)
    return place, log_density + half[..., None].log() + weight.log()
