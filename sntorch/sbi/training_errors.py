"""The errors of a training set as a function of magnitude: their median and their scatter.

SBI++ (Wang et al. 2023, arXiv:2304.05281) calls it the toy noise model: a measurement whose error
is not one of it was not in the training set.

Letters in shapes: ``B`` objects, ``F`` bands, ``Q`` bins of magnitude.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from sntorch.errors import DataError
from sntorch.sbi.photometry import Photometry

BINS = 20
# Scatter below this share of the median is no scatter: errors of one size.
LEAST_SCATTER = 1e-3
NOISY = 3.0


@dataclass(frozen=True, eq=False)
class TrainingErrors:
    """Median and standard deviation of errors at given magnitudes, band by band.

    Attributes:
        knots: Magnitudes, increasing, shape (F, Q).
        middle: Median errors there, shape (F, Q).
        spread: Standard deviations of the errors there, shape (F, Q).
    """

    knots: Tensor
    middle: Tensor
    spread: Tensor

    @classmethod
    def of(cls, x: Photometry) -> Self:
        """Of a training set without missing bands: bins of equally many objects.

        Raises:
            DataError: Missing bands, or fewer than ten objects in a bin.
        """
        if not bool(x.mask.all()) or len(x) < 10 * BINS:
            raise DataError(
                f"training errors: {10 * BINS} objects without missing bands at least are accepted"
            )
        order = x.magnitude.argsort(0)[: len(x) // BINS * BINS]
        magnitude, error = (
            part.gather(0, order).T.reshape(part.shape[1], BINS, -1)
            for part in (x.magnitude, x.error)
        )
        middle = error.median(-1).values
        spread = torch.maximum(error.std(-1), LEAST_SCATTER * middle)
        return cls(magnitude.median(-1).values, middle, spread)

    def median(self, magnitude: Tensor) -> Tensor:
        """Median error, shape (..., F), at magnitudes (..., F)."""
        return self._at(magnitude, self.middle)

    def noisy(self, x: Photometry) -> Tensor:
        """Which errors are three standard deviations above the median, or more: (B, F), bool."""
        above = (x.error - self.median(x.magnitude)) / self._at(x.magnitude, self.spread)
        return x.mask & (above >= NOISY)

    def _at(self, magnitude: Tensor, values: Tensor) -> Tensor:
        """Straight lines between the knots, constant beyond them."""
        columns = []
        for f, one in enumerate(magnitude.unbind(-1)):
            knots = self.knots[f]
            inside = one.clamp(float(knots[0]), float(knots[-1]))
            cell = (torch.searchsorted(knots, inside) - 1).clamp(0, len(knots) - 2)
            # Knots are equal where many objects have one magnitude, that of a detection limit say.
            step = (knots[cell + 1] - knots[cell]).clamp(min=torch.finfo(knots.dtype).tiny)
            share = (inside - knots[cell]) / step
            columns.append(torch.lerp(values[f, cell], values[f, cell + 1], share))
        return torch.stack(columns, -1)
