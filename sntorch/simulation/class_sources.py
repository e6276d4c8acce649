"""The sources of several classes as one: each object is given to the source of its class.

Letters in shapes: ``B`` objects, ``T`` observations, ``F`` bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.data.light_curve import FLUXCAL_ZEROPOINT
from sntorch.simulation.sources import Parameters, Source


@dataclass(frozen=True, eq=False)
class ClassSources:
    """Sources by class.

    Attributes:
        sources: One a class.
        device: Where fluxes are computed.
    """

    sources: Sequence[Source]
    device: torch.device

    def covers(self, label: Tensor, redshift: Tensor, bands: Sequence[str]) -> Tensor:
        """Whether each object's source reaches over each band, bool, shape (B, F)."""
        covered = torch.zeros(len(label), len(bands), dtype=torch.bool)
        for i, source in enumerate(self.sources):
            mine = label == i
            covered[mine] = source.covers(bands, redshift[mine])
        return covered

    def flux(
        self, label: Tensor, truth: Parameters, phase: Tensor, band: Tensor, bands: Sequence[str]
    ) -> Tensor:
        """True fluxes.

        Args:
            label: Class of each object, shape (B,).
            truth: True parameters, B objects first.
            phase: Rest-frame days from peak, shape (B, T).
            band: Index into ``bands``, shape (B, T).
            bands: Names of the bands.

        Returns:
            FLUXCAL (zero point 27.5), shape (B, T).
        """
        flux = torch.zeros_like(phase)
        for i, source in enumerate(self.sources):
            mine = (label == i).nonzero()[:, 0]
            if not len(mine):
                continue
            names = ("redshift", "distmod", "mwebv", *source.parameters)
            chosen = {name: truth[name][mine].to(self.device) for name in names}
            with torch.no_grad():
                result = source.flux(
                    phase[mine].to(self.device), band[mine].to(self.device), bands, chosen
                )
            flux[mine] = result.to(flux)
        return flux

    def peak_magnitude(self, label: Tensor, truth: Parameters, bands: Sequence[str]) -> Tensor:
        """True magnitude at maximum light in the band in which an object is brightest then.

        Args:
            label: Class of each object, shape (B,).
            truth: True parameters, B objects first.
            bands: Names of the bands.

        Returns:
            Shape (B,); infinite where the source covers no band.
        """
        band = torch.arange(len(bands)).expand(len(label), -1)
        phase = torch.zeros(band.shape, dtype=torch.float64)
        flux = self.flux(label, truth, phase, band, bands)
        covered = self.covers(label, truth["redshift"], bands)
        brightest = torch.where(covered, flux, 0.0).clamp(min=0).amax(1)
        return FLUXCAL_ZEROPOINT - 2.5 * torch.log10(brightest)
