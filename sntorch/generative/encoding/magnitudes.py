"""Increments, asinh magnitudes, logarithmic errors: nothing impossible can be written."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from sntorch.data.rows import LightCurveRows
from sntorch.data.transforms import asinh_magnitude, flux_from_asinh_magnitude
from sntorch.generative.encoding.base import RowEncoding, phase_of
from sntorch.generative.encoding.mean_curve import MeanCurve

SHORTEST_STEP = 1e-4
LARGEST_CODE = 12.0


class MagnitudeEncoding(RowEncoding):
    """Increments of time, asinh magnitudes, and how far an error lies from the usual one.

    - times: the first phase of a band, then increments through the inverse of softplus; both
      standardised with one mean and scale for all bands, which keeps visits of several bands
      together;
    - values: asinh magnitudes (Lupton et al. 1999) minus the mean light curve of each band,
      divided by one scale for all bands, which keeps colours. What is left of an object is mostly
      its distance, and its shape and colours stand out;
    - errors: ln σ of the flux minus a straight line in magnitude, fitted for each band. For a
      survey limited by the sky the line is flat; photon noise tilts it.
    """

    first: Tensor
    step: Tensor
    value_scale: Tensor
    error_line: Tensor
    error_scale: Tensor
    phase_moments: Tensor

    def __init__(self, bands: Sequence[str], zeropoint: float) -> None:
        super().__init__(bands, zeropoint)
        for name in ("first", "step", "phase_moments"):
            self._buffer(name, 2)
        self.mean_curve = MeanCurve(self.n_bands)
        self._buffer("value_scale")
        self._buffer("error_scale", self.n_bands)
        self._buffer("error_line", 2, self.n_bands)

    def phase(self, x: Tensor) -> Tensor:
        """Standardised phase, shape (B, L, F), from the time columns."""
        return (self._days(x[..., : self.n_bands]) - _to(self.phase_moments[0], x)) / _to(
            self.phase_moments[1], x
        )

    def from_phase(self, phase: Tensor) -> Tensor:
        """The time columns of standardised phases (B, L, F); what is out of order is put right."""
        middle, spread = _to(self.phase_moments, phase)
        return self.time_code(phase * spread + middle)

    def time_code(self, days: Tensor) -> Tensor:
        """The time columns of given phases in days, shape (B, L, F), sorted along L."""
        first = (days[:, :1] - self.first[0]) / self.first[1]
        gaps = (inverse_softplus(days.diff(dim=1)) - self.step[0]) / self.step[1]
        return torch.cat([first, gaps], dim=1)

    def photometry_code(self, rows: LightCurveRows) -> tuple[Tensor, Tensor]:
        """The value and error columns, each (B, L, F), of rows whose times are phases."""
        magnitude = asinh_magnitude(rows.flux, self.softening, self.zeropoint)
        value = (magnitude - self.mean_curve(rows.time)) / self.value_scale
        usual = self.error_line[0] + self.error_line[1] * magnitude
        return value, (rows.flux_err.log() - usual) / self.error_scale

    def photometry(self, days: Tensor, value: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
        """Flux and its error, each (B, L, F), from phases in days and the other columns."""
        value, error = (c.clamp(-LARGEST_CODE, LARGEST_CODE) for c in (value, error))
        magnitude = value * self.value_scale + self.mean_curve(days)
        flux = flux_from_asinh_magnitude(magnitude, self.softening, self.zeropoint)
        usual = self.error_line[0] + self.error_line[1] * magnitude
        return flux, (usual + error * self.error_scale).exp()

    def days(self, code: Tensor) -> Tensor:
        """Phases in days, sorted along L, of any time columns (B, L, F)."""
        return self._days(code.clamp(-LARGEST_CODE, LARGEST_CODE))

    def measure(self, x: Tensor, noise: Tensor) -> Tensor:
        """Add noise of the encoded size to the encoded fluxes; differentiable."""
        time, value, error = x.chunk(3, dim=-1)
        shown = value.clamp(-LARGEST_CODE, LARGEST_CODE)
        mean, scale = self.mean_curve(self._days(time.detach())), _to(self.value_scale, x)
        softening, line = _to(self.softening, x), _to(self.error_line, x)
        magnitude = shown * scale + mean
        flux = flux_from_asinh_magnitude(magnitude, softening, self.zeropoint)
        usual = line[0] + line[1] * magnitude
        spread = (
            usual + error.clamp(-LARGEST_CODE, LARGEST_CODE) * _to(self.error_scale, x)
        ).exp()
        observed = asinh_magnitude(flux + spread * noise, softening, self.zeropoint)
        return torch.cat([time, (observed - mean) / scale, error], dim=-1)

    def measured(
        self, x: Tensor, mask: Tensor, noise: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Phases; true fluxes and the spread of measurements; measured fluxes and errors.

        An error is that usual at the measured brightness, as in the training set, so it differs a
        little from the spread of measurements.
        """
        days, true, spread = self.columns(x, mask)
        flux = true + spread * noise
        magnitude = asinh_magnitude(flux, self.softening, self.zeropoint)
        error = x[..., 2 * self.n_bands :].clamp(-LARGEST_CODE, LARGEST_CODE)
        usual = self.error_line[0] + self.error_line[1] * magnitude
        return days, (true, spread), (flux, (usual + error * self.error_scale).exp())

    def _fit(self, rows: LightCurveRows) -> None:
        days, mask = phase_of(rows), rows.mask
        moments(days[:, :1], mask[:, :1], out=self.first)
        moments(inverse_softplus(days.diff(dim=1)), mask[:, 1:], out=self.step)
        moments(days, mask, out=self.phase_moments)
        value = asinh_magnitude(rows.flux, self.softening, self.zeropoint)
        self.mean_curve.fit(days, value, mask)
        residual = value - self.mean_curve(days)
        self.value_scale.copy_(residual[mask].std(correction=0).clamp(min=1e-3))
        self._fit_errors(value, rows.flux_err.log(), mask)

    def _fit_errors(self, value: Tensor, level: Tensor, mask: Tensor) -> None:
        for f in range(self.n_bands):
            x, y = value[..., f][mask[..., f]], level[..., f][mask[..., f]]
            variance = x.var(correction=0)
            slope = (
                ((x - x.mean()) * (y - y.mean())).mean() / variance
                if variance > 0
                else x.new_zeros(())
            )
            self.error_line[:, f] = torch.stack([y.mean() - slope * x.mean(), slope])
            residual = y - self.error_line[0, f] - slope * x
            self.error_scale[f] = residual.std(correction=0).clamp(min=1e-3)

    def _encode(self, rows: LightCurveRows) -> tuple[Tensor, Tensor, Tensor]:
        return self.time_code(rows.time), *self.photometry_code(rows)

    def _decode(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        time, value, error = x.chunk(3, dim=-1)
        days = self.days(time)
        return days, *self.photometry(days, value, error)

    def _days(self, code: Tensor) -> Tensor:
        first = code[:, :1] * _to(self.first[1], code) + _to(self.first[0], code)
        gaps = softplus(code[:, 1:] * _to(self.step[1], code) + _to(self.step[0], code))
        return torch.cat([first, first + gaps.cumsum(1)], dim=1)


def inverse_softplus(days: Tensor) -> Tensor:
    """The number whose softplus is ``days``; intervals shorter than 10 s are taken as 10 s."""
    days = days.clamp(min=SHORTEST_STEP)
    return days + (-torch.expm1(-days)).log()


def moments(values: Tensor, mask: Tensor, out: Tensor) -> None:
    """Write mean and standard deviation of the unmasked values into ``out``, shape (2,)."""
    if bool(mask.any()):
        seen = values[mask]
        out[0], out[1] = seen.mean(), seen.std(correction=0).clamp(min=1e-3)
    else:
        out[0], out[1] = 0.0, 1.0


def _to(value: Tensor, like: Tensor) -> Tensor:
    return value.to(like.dtype)
