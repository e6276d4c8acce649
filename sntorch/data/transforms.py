"""What is done to photometry before a network sees it: cuts, dereddening, invertible maps.

A *cut* or a *correction* takes a ``LightCurveBatch`` and returns one. A *scaler* maps tensors of
values and errors and has an ``inverse``; it is fitted on training objects only and kept in the
checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from sntorch.data.batch import LightCurveBatch
from sntorch.data.magnitudes import POGSON
from sntorch.errors import DataError
from sntorch.physics.bandpasses import get_bandpass
from sntorch.physics.extinction import MILKY_WAY_RV, fitzpatrick99

Transform = Callable[[LightCurveBatch], LightCurveBatch]


def asinh_magnitude(flux: Tensor, softening: Tensor | float, zeropoint: float) -> Tensor:
    """Asinh magnitude ("luptitude", Lupton, Gunn & Szalay 1999), finite for any flux.

    Args:
        flux: Flux with magnitude ``zeropoint`` at 1, any shape.
        softening: Flux b below which the scale becomes linear, broadcastable to ``flux``.
        zeropoint: Magnitude of a source with flux 1.
    """
    b = torch.as_tensor(softening, dtype=flux.dtype, device=flux.device)
    return zeropoint - POGSON * (torch.asinh(flux / (2 * b)) + b.log())


def asinh_magnitude_err(flux: Tensor, flux_err: Tensor, softening: Tensor | float) -> Tensor:
    """Standard deviation of ``asinh_magnitude``, mag: the flux's, propagated to first order."""
    b = torch.as_tensor(softening, dtype=flux.dtype, device=flux.device)
    return POGSON * flux_err / (flux.square() + 4 * b.square()).sqrt()


def flux_from_asinh_magnitude(
    magnitude: Tensor, softening: Tensor | float, zeropoint: float
) -> Tensor:
    """The flux of an asinh magnitude: the inverse of ``asinh_magnitude``."""
    b = torch.as_tensor(softening, dtype=magnitude.dtype, device=magnitude.device)
    return 2 * b * torch.sinh((zeropoint - magnitude) / POGSON - b.log())


class AsinhMagnitudes(nn.Module):
    """Fluxes of several bands to asinh magnitudes and back, with one softening a band.

    Args:
        softening: Flux b of each band, shape (F,).
        zeropoint: Magnitude of a source with flux 1.
    """

    softening: Tensor

    def __init__(self, softening: Tensor, zeropoint: float) -> None:
        super().__init__()
        self.register_buffer("softening", softening)
        self.zeropoint = zeropoint

    @classmethod
    def fit(cls, batch: LightCurveBatch) -> AsinhMagnitudes:
        """Softening from the median error of each band: below one sigma the scale is linear."""
        errors = [batch.flux_err[batch.mask & (batch.band == f)] for f in range(len(batch.bands))]
        overall = batch.flux_err[batch.mask].median()
        medians = [e.median() if e.numel() else overall for e in errors]
        return cls(torch.stack(medians), batch.zeropoint)

    def forward(self, flux: Tensor, flux_err: Tensor, band: Tensor) -> tuple[Tensor, Tensor]:
        """Magnitudes and their errors; ``band`` holds indices, same shape as ``flux``."""
        b = self.softening.to(flux.dtype)[band]
        return asinh_magnitude(flux, b, self.zeropoint), asinh_magnitude_err(flux, flux_err, b)

    def inverse(
        self, magnitude: Tensor, magnitude_err: Tensor, band: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fluxes and their errors."""
        b = self.softening.to(magnitude.dtype)[band]
        flux = flux_from_asinh_magnitude(magnitude, b, self.zeropoint)
        return flux, magnitude_err / POGSON * (flux.square() + 4 * b.square()).sqrt()


class Standardise(nn.Module):
    """Subtract a mean and divide by a standard deviation, along the last axis or over everything.

    Args:
        mean: shape (D,) or ().
        scale: Standard deviation, positive, shape (D,) or ().
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    @classmethod
    def fit(cls, values: Tensor, mask: Tensor, common: bool = False) -> Standardise:
        """Moments over the unmasked entries of each column (..., D), or of all columns together.

        A column without entries, or without spread, keeps mean 0 or scale 1.
        """
        axes = tuple(range(values.ndim)) if common else tuple(range(values.ndim - 1))
        count = mask.sum(axes).clamp(min=1)
        mean = torch.where(mask, values, 0).sum(axes) / count
        variance = torch.where(mask, (values - mean).square(), 0).sum(axes) / count
        return cls(mean, torch.where(variance > 0, variance.sqrt(), 1.0))

    def forward(self, values: Tensor) -> Tensor:
        """Standardised values, same shape."""
        return (values - self.mean.to(values.dtype)) / self.scale.to(values.dtype)

    def inverse(self, values: Tensor) -> Tensor:
        """What ``forward`` was given."""
        return values * self.scale.to(values.dtype) + self.mean.to(values.dtype)


@dataclass(frozen=True)
class MinimumSNR:
    """Keep observations with a signal-to-noise ratio of at least ``snr``; limits are dropped."""

    snr: float

    def __call__(self, batch: LightCurveBatch) -> LightCurveBatch:
        """The batch without the fainter observations."""
        return batch.where((batch.flux >= self.snr * batch.flux_err) & ~batch.upper_limit)


@dataclass(frozen=True)
class PhaseRange:
    """Keep observations from ``first`` to ``last`` days after ``t_ref``; rest frame on request.

    Raises:
        DataError: The rest frame is asked for and an object has no redshift.
    """

    first: float
    last: float
    rest_frame: bool = False

    def __call__(self, batch: LightCurveBatch) -> LightCurveBatch:
        """The batch without the earlier and later observations."""
        if self.rest_frame:
            _require_redshift(batch)
        stretch = 1 + batch.redshift[:, None] if self.rest_frame else 1.0
        phase = batch.phase / stretch
        return batch.where((phase >= self.first) & (phase <= self.last))


@dataclass(frozen=True)
class Deredden:
    """Remove Milky-Way dust with the Fitzpatrick (1999) law at each band's pivot wavelength.

    The correction inside a broad band depends on the spectrum; this one is exact for a narrow
    band and is meant for classifiers and pictures. The SED models apply the dust inside their
    integrals instead. Objects of unknown E(B-V) are left as they are.
    """

    rv: float = MILKY_WAY_RV

    def __call__(self, batch: LightCurveBatch) -> LightCurveBatch:
        """The batch with brighter fluxes and errors, and E(B-V) set to 0."""
        pivots = torch.tensor(
            [get_bandpass(b).pivot_wavelength for b in batch.bands], dtype=torch.float64
        )
        a_per_av = fitzpatrick99(pivots, self.rv).to(batch.device)
        ebv = torch.nan_to_num(batch.mwebv)[:, None]
        factor = (10 ** (0.4 * self.rv * ebv * a_per_av[batch.band])).to(batch.flux.dtype)
        known = torch.where(batch.mwebv.isnan(), batch.mwebv, 0.0)
        return replace(
            batch, flux=batch.flux * factor, flux_err=batch.flux_err * factor, mwebv=known
        )


@dataclass(frozen=True)
class Compose:
    """Several transforms, one after the other."""

    transforms: tuple[Transform, ...]

    def __call__(self, batch: LightCurveBatch) -> LightCurveBatch:
        """The batch after all of them."""
        for transform in self.transforms:
            batch = transform(batch)
        return batch


def _require_redshift(batch: LightCurveBatch) -> None:
    unknown = (~batch.redshift.isfinite()).nonzero()[:, 0].tolist()
    if unknown:
        others = f" and {len(unknown) - 1} others" if len(unknown) > 1 else ""
        raise DataError(
            f"{batch.object_id[unknown[0]]}{others}: no redshift, so no rest-frame phase; "
            "use rest_frame=false, or light curves with redshifts"
        )
