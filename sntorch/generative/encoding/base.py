"""What every encoding of rows does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from sntorch.data.batch import LightCurveBatch
from sntorch.data.rows import LightCurveRows
from sntorch.errors import ConfigError, DataError
from sntorch.generative.base import blank_batch

# Days between the neighbours of an observation, at least.
SHORTEST_SPAN = 1e-3


class RowEncoding(nn.Module, ABC):
    """A map between light curves and rows of numbers of order one.

    Args:
        bands: The F bands.
        zeropoint: Zero point of the fluxes.
    """

    softening: Tensor
    t_ref: Tensor

    def __init__(self, bands: Sequence[str], zeropoint: float) -> None:
        super().__init__()
        self.bands = tuple(bands)
        self.zeropoint = float(zeropoint)
        self._buffer("softening", len(self.bands))
        self._buffer("t_ref")

    @property
    def n_bands(self) -> int:
        """Number of bands F."""
        return len(self.bands)

    @classmethod
    def fit(cls, batch: LightCurveBatch) -> Self:
        """The encoding that suits these training objects.

        Raises:
            DataError: A band without observations.
        """
        encoding = cls(batch.bands, batch.zeropoint)
        rows = usable_rows(batch)
        for name, seen in zip(batch.bands, rows.mask.any(0).any(0).tolist(), strict=True):
            if not seen:
                raise DataError(
                    f"band {name} has no observation in the training set; choose bands that have"
                )
        for f in range(encoding.n_bands):
            encoding.softening[f] = rows.flux_err[..., f][rows.mask[..., f]].median()
        encoding.t_ref.copy_(batch.t_ref[batch.t_ref.isfinite()].median().round())
        encoding._fit(rows)
        return encoding

    def encode(self, batch: LightCurveBatch) -> tuple[Tensor, Tensor]:
        """Encoded rows (B, L, 3F), float32, zero where padded, and their mask (B, L, F).

        Upper limits and observations that are not finite are left out.
        """
        rows = self._select(usable_rows(batch))
        mask = rows.mask
        columns = self._encode(replace(rows, time=phase_of(rows)))
        return torch.cat([torch.where(mask, c, 0.0) for c in columns], dim=-1).float(), mask

    def decode(self, x: Tensor, mask: Tensor) -> LightCurveRows:
        """Light curves with times relative to ``t_ref``, from encoded rows and their mask."""
        source = blank_batch(len(x), self.bands, self.zeropoint, float(self.t_ref), x.device)
        return observed(source, mask, *self.columns(x, mask))

    def columns(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Phases in days, fluxes and errors, each (B, L, F), of encoded rows and their mask."""
        return self._decode(x.double(), mask)

    @abstractmethod
    def time_code(self, days: Tensor) -> Tensor:
        """The time columns of given phases in days, shape (B, L, F), sorted along L."""

    @abstractmethod
    def phase(self, x: Tensor) -> Tensor:
        """Phase of every observation in units of its spread, shape (B, L, F); differentiable.

        Args:
            x: Encoded rows, shape (B, L, 3F), or their first F columns.
        """

    def departure(self, x: Tensor, mask: Tensor) -> Tensor:
        """How far each flux lies from the line between its two neighbours in its band, in units
        of the error of that difference; differentiable.

        Args:
            x: Encoded rows, shape (B, L, 3F).
            mask: Observations, shape (B, L, F).

        Returns:
            Shape (B, L, F); 0 where an observation has not two neighbours.
        """
        days, flux, flux_err = self._decode(x, mask)
        before, after = slice(None, -2), slice(2, None)
        whole = days[:, after] - days[:, before]
        share = (days[:, 1:-1] - days[:, before]) / whole.clamp(min=SHORTEST_SPAN)
        line = share * flux[:, after] + (1 - share) * flux[:, before]
        variance = flux_err.square()
        spread = share**2 * variance[:, after] + (1 - share) ** 2 * variance[:, before]
        found = (flux[:, 1:-1] - line) / (variance[:, 1:-1] + spread).sqrt()
        inside = mask[:, before] & mask[:, 1:-1] & mask[:, after]
        return pad(torch.where(inside, found, 0.0), (0, 0, 1, 1)).to(x.dtype)

    @abstractmethod
    def from_phase(self, phase: Tensor) -> Tensor:
        """The time columns, shape (B, L, F), of phases as ``phase`` gives them; differentiable.

        Args:
            phase: Phases, shape (B, L, F), in the order of the steps.
        """

    def level(self, x: Tensor, mask: Tensor) -> Tensor:
        """Brightness level of each object, shape (B,): the mean of its encoded values."""
        value = x[..., self.n_bands : 2 * self.n_bands]
        return torch.where(mask, value, 0.0).sum((1, 2)) / mask.sum((1, 2)).clamp(min=1)

    def with_level(self, x: Tensor, mask: Tensor, level: Tensor) -> Tensor:
        """The same rows, their values shifted to the brightness level ``level`` (B,)."""
        time, value, error = x.chunk(3, dim=-1)
        shift = level - self.level(x, mask)
        return torch.cat([time, value + shift[:, None, None], error], dim=-1)

    def measure(self, x: Tensor, noise: Tensor) -> Tensor:
        """Observe noiseless light curves: add their own errors, as in a flux measurement.

        Args:
            x: Encoded rows whose values are noiseless, shape (B, L, 3F).
            noise: Standard normal numbers, shape (B, L, F).

        Raises:
            ConfigError: This encoding cannot.
        """
        raise _without_measurement(self)

    def measured(
        self, x: Tensor, mask: Tensor, noise: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """The light curves that ``measure`` and ``columns`` give, and those without noise.

        Args:
            x: Encoded rows whose values are noiseless, shape (B, L, 3F).
            mask: Observations, shape (B, L, F).
            noise: Standard normal numbers, shape (B, L, F).

        Returns:
            Phases in days; the true flux and the standard deviation of its measurement; the
            measured flux and the error that goes with it. Each has shape (B, L, F).

        Raises:
            ConfigError: This encoding cannot.
        """
        raise _without_measurement(self)

    @abstractmethod
    def _fit(self, rows: LightCurveRows) -> None: ...

    @abstractmethod
    def _encode(self, rows: LightCurveRows) -> tuple[Tensor, Tensor, Tensor]: ...

    @abstractmethod
    def _decode(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]: ...

    def _select(self, rows: LightCurveRows) -> LightCurveRows:
        return rows

    def _buffer(self, name: str, *shape: int) -> None:
        self.register_buffer(name, torch.ones(shape, dtype=torch.float64))

    def extra_repr(self) -> str:
        """Show the bands."""
        return f"bands={','.join(self.bands)}, zeropoint={self.zeropoint}"


def _without_measurement(encoding: RowEncoding) -> ConfigError:
    name = type(encoding).__name__
    return ConfigError(f"{name} has no measurement layer: set measurement to false")


def usable_objects(batch: LightCurveBatch) -> LightCurveBatch:
    """The objects of a batch that have a reference time."""
    return batch[batch.t_ref.isfinite()]


def usable_rows(batch: LightCurveBatch) -> LightCurveRows:
    """Rows of the measured, finite observations of a batch, in float64."""
    batch = batch.to(torch.float64)
    finite = (
        batch.time.isfinite()
        & batch.flux.isfinite()
        & (batch.flux_err > 0)
        & batch.flux_err.isfinite()
    )
    return replace(batch, mask=batch.mask & ~batch.upper_limit & finite).to_rows()


def observed(
    source: LightCurveBatch, mask: Tensor, days: Tensor, flux: Tensor, flux_err: Tensor
) -> LightCurveRows:
    """Light curves from phases and photometry.

    Args:
        source: The objects, with their reference times.
        mask: True where there is an observation, shape (B, L, F).
        days: Days since the reference time, shape (B, L, F).
        flux: Flux, shape (B, L, F).
        flux_err: Its error, shape (B, L, F).
    """
    return LightCurveRows(
        time=torch.where(mask, days + source.t_ref[:, None, None], 0.0),
        flux=torch.where(mask, flux, 0.0),
        flux_err=torch.where(mask, flux_err, 1.0),
        mask=mask,
        upper_limit=torch.zeros_like(mask),
        source=source,
    )


def phase_of(rows: LightCurveRows) -> Tensor:
    """Days since ``t_ref``, shape (B, L, F); 0 where padded."""
    return torch.where(rows.mask, rows.time - rows.source.t_ref[:, None, None], 0.0)
