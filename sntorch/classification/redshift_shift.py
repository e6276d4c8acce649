"""Training objects at other redshifts than their own: later, slower, fainter.

As avocado (Boone 2019, arXiv:1907.04690, § 3.1): the new redshift is log-uniform from 0.95 times
the old one, as noise cannot be taken away, to 5 times. Durations are multiplied by
(1 + z') / (1 + z) and fluxes by the squared ratio of the luminosity distances. avocado reads a
Gaussian process off at the wavelengths that were emitted, and ParSNIP (Boone 2021,
arXiv:2109.13999) decodes its model at the new redshift; both can go far. Here measurements
themselves are moved, which is quick enough for every batch and only good for short ways:

* ν L_ν is taken to be the same at the two wavelengths that a band sees at z and z'. Measurements
  in a band that no longer holds the wavelength it was emitted at, its pivot times
  (1 + z') / (1 + z), are left out, and ``largest`` bounds that factor.
* A night's error stays, as if it were all of the sky: the flux shrinks within it and noise fills
  up what shrank of its own. For errors that are partly of the source's light this is a little too
  much noise. Nearer objects keep their signal-to-noise ratio; none ever gains any.
* The gaps between nights are stretched, too, and nothing is left out for being too faint.
  Upper limits are those of the sky and stay.

Objects at redshift zero or below, of our own galaxy, stay where they are.

Letters in shapes: ``B`` objects, ``T`` padded observations, ``F`` bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sntorch.classification.augmentation import Augmentation, uniform
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError, DataError
from sntorch.physics.bandpasses import get_bandpass
from sntorch.physics.cosmology import Cosmology

NEAREST, FARTHEST = 0.95, 5.0


@dataclass(frozen=True)
class RedshiftShift(Augmentation):
    """Move objects to redshifts drawn log-uniformly about their own.

    Args:
        largest: Of |(1 + z') / (1 + z) - 1|.
        share: Of the objects that are moved.
        host_redshifts: Which columns of ``data.host`` are redshifts, photometric or of the host's
            spectrum; they keep their relative error (z_host - z) / (1 + z). Must be said where
            there are such columns; [] for none of them.
        host_redshift_errors: Which columns are errors of these.

    Raises:
        ConfigError: A size or share outside [0, 1], or without any size.
    """

    largest: float = 0.1
    share: float = 0.5
    host_redshifts: Sequence[int] | None = None
    host_redshift_errors: Sequence[int] = ()

    def __post_init__(self) -> None:
        if not 0 < self.largest < 1 or not 0 <= self.share <= 1:
            raise ConfigError(
                f"RedshiftShift(largest={self.largest}, share={self.share}): largest above 0 and "
                "below 1 and a share of 0 to 1 are accepted"
            )

    def __call__(self, batch: LightCurveBatch, generator: torch.Generator) -> LightCurveBatch:
        """Moved light curves, whose redshifts say so.

        Raises:
            DataError: An object without a redshift.
            ConfigError: Columns of the host of which it was not said whether they are redshifts,
                or columns that there are not.
        """
        _require_redshifts(batch)
        chosen = uniform(len(batch), generator, batch.redshift) < self.share
        drawn = self._drawn(batch.redshift, uniform(len(batch), generator, batch.redshift))
        moved = chosen & (batch.redshift > 0) & _reached(batch, drawn)
        redshift = torch.where(moved, drawn, batch.redshift)
        host = self._host(batch, redshift)
        return replace(moved_to(batch, redshift, generator), host=host)

    def _drawn(self, redshift: Tensor, lot: Tensor) -> Tensor:
        """Log-uniform between what avocado and ``largest`` allow; of no meaning for z <= 0."""
        old = redshift.clamp(min=1e-6)
        low = torch.maximum(NEAREST * old, (1 + old) * (1 - self.largest) - 1)
        high = torch.minimum(FARTHEST * old, (1 + old) * (1 + self.largest) - 1)
        return torch.lerp(low.log(), high.log(), lot).exp()

    def _host(self, batch: LightCurveBatch, redshift: Tensor) -> Tensor:
        """Columns of the host at the new redshift, shape (B, H)."""
        n_columns = batch.host.shape[1]
        if self.host_redshifts is None and n_columns:
            raise ConfigError(
                f"RedshiftShift: the light curves have {n_columns} host columns; say which are "
                "redshifts, host_redshifts=[0] for the first, [] for none"
            )
        places = list(self.host_redshifts or ())
        errors = list(self.host_redshift_errors)
        if any(not 0 <= place < n_columns for place in places + errors):
            raise ConfigError(
                f"RedshiftShift(host_redshifts={places}, host_redshift_errors={errors}): the "
                f"light curves have {n_columns} host columns, counted from 0"
            )
        host, old, new = batch.host.clone(), batch.redshift[:, None], redshift[:, None]
        stretch = (1 + new) / (1 + old)
        host[:, places] = new + (host[:, places] - old) * stretch
        host[:, errors] *= stretch
        return host


def moved_to(
    batch: LightCurveBatch, redshift: Tensor, generator: torch.Generator
) -> LightCurveBatch:
    """The objects as seen at other redshifts; columns of the host stay.

    Args:
        batch: The light curves, each with a redshift.
        redshift: New ones, shape (B,); the old one where it is zero or below.
        generator: Of the noise, a CPU one.
    """
    stretch = (1 + redshift) / (1 + batch.redshift)
    cosmology = Cosmology()
    near, far = (cosmology.luminosity_distance(z) for z in (batch.redshift, redshift))
    dimming = torch.where(redshift == batch.redshift, 1.0, (near / far).square())
    moved = replace(
        batch,
        time=_stretched(batch, stretch),
        redshift=redshift,
        redshift_err=batch.redshift_err * stretch,
        **_dimmed(batch, dimming.to(batch.flux)[:, None], generator),
    )
    return moved.where(_in_band(batch, stretch))


def _dimmed(
    batch: LightCurveBatch, factor: Tensor, generator: torch.Generator
) -> dict[str, Tensor]:
    """Flux and error times a factor (B, 1), the error never smaller than it was, shape (B, T)."""
    normal = torch.randn(batch.flux.shape, generator=generator).to(batch.flux)
    # Of the old noise, the factor is left.
    missing = 0.0 if batch.noiseless else (1 - factor.square()).clamp(min=0).sqrt()
    flux = batch.flux * factor + missing * batch.flux_err * normal
    error = batch.flux_err * factor.clamp(min=1)
    measured = batch.mask & ~batch.upper_limit
    return {
        "flux": torch.where(measured, flux, batch.flux),
        "flux_err": torch.where(measured, error, batch.flux_err),
    }


def _stretched(batch: LightCurveBatch, stretch: Tensor) -> Tensor:
    """Times about the reference time, or the first where there is none, shape (B, T)."""
    first = torch.where(batch.mask, batch.time, torch.inf).amin(1) if batch.time.shape[1] else 0.0
    start = torch.where(batch.t_ref.isfinite(), batch.t_ref, first)[:, None]
    return torch.where(batch.mask, start + (batch.time - start) * stretch[:, None], batch.time)


def _in_band(batch: LightCurveBatch, stretch: Tensor) -> Tensor:
    """Whether the wavelength at which it was emitted is still one of the band, shape (B, T)."""
    passes = [get_bandpass(name) for name in batch.bands]
    ends = torch.tensor([b.edges for b in passes], dtype=torch.float64, device=batch.device)
    pivot = torch.tensor([b.pivot_wavelength for b in passes], dtype=torch.float64).to(ends)
    seen = pivot * stretch[:, None]
    inside = (seen >= ends[:, 0]) & (seen <= ends[:, 1])
    return batch.mask & inside.gather(1, batch.band)


def _reached(batch: LightCurveBatch, redshift: Tensor) -> Tensor:
    """Whether anything is left of an object at a redshift, shape (B,)."""
    return _in_band(batch, (1 + redshift) / (1 + batch.redshift)).any(1)


def _require_redshifts(batch: LightCurveBatch) -> None:
    unknown = batch.redshift.isnan()
    if bool(unknown.any()):
        first = batch.object_id[int(unknown.nonzero()[0, 0])]
        raise DataError(
            f"{first} and {int(unknown.sum()) - 1} others: no redshift to move them from; leave "
            "RedshiftShift out of model.augment, or train on objects with redshifts"
        )
