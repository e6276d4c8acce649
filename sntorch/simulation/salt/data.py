"""What SALT2 or SALT3 is fitted to: usable observations, and objects that have enough of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.physics.bandpasses import get_bandpass
from sntorch.physics.salt.surfaces import SALTSurfaces
from sntorch.simulation.salt.options import N_PARAMETERS, SALTOptions
from sntorch.simulation.salt.result import (
    NO_DETECTION,
    NO_DUST,
    NO_REDSHIFT,
    TOO_FEW,
    SALTFit,
)


@dataclass
class FitData:
    """What is fitted, in double precision, FLUXCAL.

    Attributes:
        time: MJD, shape (B, T).
        flux, flux_err: 0 and 1 where not usable, shape (B, T).
        band: Index among ``bands``, shape (B, T).
        usable: No upper limits, with a finite flux and error in a covered band, shape (B, T).
        redshift, mwebv: NaN where unknown, shape (B,).
        covered: Bands that the model covers at the redshift, shape (B, F).
        bands: Names of the F bands.
    """

    time: Tensor
    flux: Tensor
    flux_err: Tensor
    band: Tensor
    usable: Tensor
    redshift: Tensor
    mwebv: Tensor
    covered: Tensor
    bands: tuple[str, ...]

    @classmethod
    def of(cls, batch: LightCurveBatch, model: SALTSurfaces, scale: float) -> FitData:
        """The light curves of a batch.

        Args:
            batch: Light curves.
            model: Says which wavelengths are covered.
            scale: Of the batch's fluxes to FLUXCAL.
        """
        redshift = batch.redshift.double()
        covered = covers(batch.bands, redshift, *model.wave_range)
        flux, flux_err = scale * batch.flux.double(), scale * batch.flux_err.double()
        usable = batch.mask & ~batch.upper_limit & covered.gather(1, batch.band)
        usable &= torch.isfinite(flux) & torch.isfinite(flux_err) & (flux_err > 0)
        return cls(
            time=batch.time.double(),
            flux=torch.where(usable, flux, 0.0),
            flux_err=torch.where(usable, flux_err, 1.0),
            band=batch.band,
            usable=usable,
            redshift=redshift,
            mwebv=batch.mwebv.double(),
            covered=covered,
            bands=batch.bands,
        )

    def judge(self, result: SALTFit, options: SALTOptions) -> None:
        """Why objects cannot be fitted; the first reason of each counts."""
        detected = (self.flux / self.flux_err > options.min_snr) & self.usable
        for reason, bad in (
            (NO_DETECTION, ~detected.any(1)),
            (TOO_FEW, self.usable.sum(1) < options.min_observations),
            (NO_DUST, ~torch.isfinite(self.mwebv)),
            (NO_REDSHIFT, ~(torch.isfinite(self.redshift) & (self.redshift > -1))),
        ):
            result.reason[bad] = reason

    def unfitted(self) -> SALTFit:
        """The result before anything was fitted."""
        n = len(self.flux)
        empty = self.flux.new_full((n,), torch.nan)
        return SALTFit(
            parameters=empty[:, None].repeat(1, N_PARAMETERS),
            covariance=empty[:, None, None].repeat(1, N_PARAMETERS, N_PARAMETERS),
            chi2=empty,
            used=self.usable.clone(),
            covered=self.covered,
            converged=torch.zeros(n, dtype=torch.bool, device=empty.device),
            n_fits=torch.zeros(n, dtype=torch.long, device=empty.device),
            reason=torch.zeros(n, dtype=torch.long, device=empty.device),
        )


def covers(bands: Sequence[str], redshift: Tensor, low: float, high: float) -> Tensor:
    """Whether all of a band lies within rest-frame ``low`` … ``high``, as sncosmo asks: (B, F)."""
    ends = torch.tensor([get_bandpass(name).support for name in bands]).to(redshift)
    rest = ends / (1 + redshift)[:, None, None]
    return (rest[..., 0] > low) & (rest[..., 1] < high)
