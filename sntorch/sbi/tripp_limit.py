"""A limit of the measured peak magnitude, of which all is known in closed form.

Letters in shapes: ``M`` supernovae.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.tripp_selection import TrippSelection
from sntorch.sbi.truncated_normal import truncated_normal

# Standard deviations beyond a limit at which a supernova is taken to be out of any survey's sight.
FAINTEST = -38.0


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
