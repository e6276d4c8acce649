"""Cuts on stretch and colour with a limit of the magnitude: a smooth integral over two numbers.

Letters in shapes: ``M`` supernovae, ``K`` nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.tripp_limit import ProbitLimit
from sntorch.sbi.tripp_range import draw_within
from sntorch.sbi.tripp_selection import TrippSelection

# Gauss-Legendre nodes in each of stretch and colour, over so many standard deviations at most.
NODES, REACH = 14, 5.0


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


def _nodes(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes of a standard normal between bounds and their ln weights, shape (..., K) each."""
    node, weight = (torch.from_numpy(a).to(low) for a in np.polynomial.legendre.leggauss(NODES))
    mode = torch.zeros_like(low).clamp(low, high)
    low, high = torch.maximum(low, mode - REACH), torch.minimum(high, mode + REACH)
    half = (high - low) / 2
    place = ((high + low) / 2)[..., None] + half[..., None] * node
    log_density = -(place**2) / 2 - 0.5 * np.log(2 * np.pi)
    return place, log_density + half[..., None].log() + weight.log()
