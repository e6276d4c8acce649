"""A Gaussian copula: the marginal distributions of a sample, tied together by correlations.

Each column is mapped to normal scores by its ranks, their correlation matrix is estimated, and
draws are mapped back by the sample's quantiles (Nelsen 2006, An Introduction to Copulas).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

# What keeps the correlations of columns that are the same positive definite.
NUGGET = 1e-6


@dataclass(frozen=True)
class GaussianCopula:
    """A distribution of D numbers.

    Attributes:
        quantiles: Sorted sample of each number, shape (M, D).
        root: Lower triangle of the correlation matrix of the normal scores, shape (D, D).
    """

    quantiles: Tensor
    root: Tensor

    @classmethod
    def fit(cls, sample: Tensor) -> Self:
        """The copula of a sample of shape (M, D)."""
        ranks = sample.argsort(0).argsort(0).to(sample.dtype)
        scores = torch.special.ndtri((ranks + 0.5) / len(sample))
        correlation = torch.atleast_2d(torch.corrcoef(scores.T))
        eye = torch.eye(len(correlation), dtype=sample.dtype)
        root = torch.linalg.cholesky((correlation + NUGGET * eye) / (1 + NUGGET))
        return cls(sample.sort(0).values, root)

    def at(self, normal: Tensor) -> Tensor:
        """The draw that standard normal numbers (…, D) stand for, shape (…, D)."""
        scores = (self.root @ normal[..., None])[..., 0]
        last = len(self.quantiles) - 1
        place = (torch.special.ndtr(scores) * (last + 1) - 0.5).clamp(0, last)
        below = place.long().clamp(max=max(last - 1, 0))
        column = torch.arange(self.quantiles.shape[1])
        low, high = (
            self.quantiles[below, column],
            self.quantiles[(below + 1).clamp(max=last), column],
        )
        return low + (place - below) * (high - low)
