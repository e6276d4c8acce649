"""Every column mapped to [-1, 1], as in the seed talk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sntorch.data.magnitudes import POGSON
from sntorch.data.rows import LightCurveRows
from sntorch.data.transforms import (
    asinh_magnitude,
    asinh_magnitude_err,
    flux_from_asinh_magnitude,
)
from sntorch.errors import DataError
from sntorch.generative.encoding.base import RowEncoding, phase_of


class MinMaxEncoding(RowEncoding):
    """The encoding of the seed talk: times, magnitudes and errors mapped to [-1, 1], one range
    each.

    The k-th observations of all bands form a row and light curves are cut to the shortest band, so
    objects that lack a band are left out. The range is that of the training set, applied once.
    """

    low: Tensor
    high: Tensor

    def __init__(self, bands: Sequence[str], zeropoint: float) -> None:
        super().__init__(bands, zeropoint)
        self._buffer("low", 3)
        self._buffer("high", 3)

    def phase(self, x: Tensor) -> Tensor:
        """Phase mapped to [-1, 1], shape (B, L, F): the time columns themselves."""
        return x[..., : self.n_bands]

    def time_code(self, days: Tensor) -> Tensor:
        """Phases mapped to [-1, 1], shape (B, L, F)."""
        return self._scaled(0, days)

    def _select(self, rows: LightCurveRows) -> LightCurveRows:
        complete = rows.mask.all(-1, keepdim=True).expand_as(rows.mask)
        return replace(rows, mask=complete)

    def _fit(self, rows: LightCurveRows) -> None:
        rows = self._select(replace(rows, time=phase_of(rows)))
        if not bool(rows.mask.any()):
            raise DataError(
                f"no training object has observations in all of {', '.join(self.bands)}"
            )
        for i, column in enumerate(self._columns(rows)):
            seen = column[rows.mask]
            self.low[i], self.high[i] = seen.min(), seen.max()
        self.high.copy_(torch.maximum(self.high, self.low + 1e-3))

    def _columns(self, rows: LightCurveRows) -> tuple[Tensor, Tensor, Tensor]:
        magnitude = asinh_magnitude(rows.flux, self.softening, self.zeropoint)
        return rows.time, magnitude, asinh_magnitude_err(rows.flux, rows.flux_err, self.softening)

    def _encode(self, rows: LightCurveRows) -> tuple[Tensor, Tensor, Tensor]:
        a, b, c = (self._scaled(i, column) for i, column in enumerate(self._columns(rows)))
        return a, b, c

    def _scaled(self, i: int, column: Tensor) -> Tensor:
        return 2 * (column - self.low[i]) / (self.high[i] - self.low[i]) - 1

    def _decode(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        width = self.high - self.low
        time, magnitude, error = (
            (part + 1) / 2 * width[i] + self.low[i] for i, part in enumerate(x.chunk(3, dim=-1))
        )
        flux = flux_from_asinh_magnitude(magnitude, self.softening, self.zeropoint)
        # tanh reaches -1 only in the limit, so the error stays at or above the smallest of the
        # training set.
        return time, flux, error / POGSON * (flux.square() + 4 * self.softening.square()).sqrt()
