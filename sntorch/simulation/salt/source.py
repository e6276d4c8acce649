"""SNe Ia by SALT2 or SALT3, with the photometry of the fits.

Guy et al. 2007 (A&A 466, 11) and Kenworthy et al. 2021 (ApJ 923, 265), with the peak magnitude of
Tripp (1998, A&A 331, 815), M - alpha x1 + beta c.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from sntorch.physics.salt.bands import band_integrals, rest_blue_magnitude
from sntorch.physics.salt.photometry import Observations, SALTPhotometry
from sntorch.simulation.distributions import Normal, SplitNormal
from sntorch.simulation.salt.loading import load_surfaces
from sntorch.simulation.sources import Parameters, Source
from sntorch.simulation.spectral import covered


class SALTSource(Source):
    """SNe Ia by SALT2 or SALT3 with the magnitude of a Tripp relation.

    ``magnitude`` is the absolute peak B magnitude (Vega) of an SN with x1 = c = 0; the grey
    scatter belongs into its distribution.

    Args:
        name: sncosmo source, ``salt3``, ``salt2:2.4``, ….
        alpha: Magnitudes brighter per unit of x1.
        beta: Magnitudes fainter per unit of c.
    """

    parameters = ("magnitude", "x1", "c")
    # x1 and c: Scolnic & Kessler 2016 (ApJ 822, L35), G10, rounded.
    defaults = MappingProxyType(
        {
            "magnitude": Normal(-19.36, 0.1),
            "x1": SplitNormal(0.97, 1.47, 0.22),
            "c": SplitNormal(-0.054, 0.043, 0.101),
        }
    )

    def __init__(self, name: str = "salt3", alpha: float = 0.14, beta: float = 3.1) -> None:
        self.surfaces = load_surfaces(name)
        self.alpha, self.beta = alpha, beta
        grid = self.surfaces.m0
        self.phase_range = (float(grid.phase[0]), float(grid.phase[-1]))
        self.wave_range = (float(grid.wave[0]), float(grid.wave[-1]))
        self.zero = rest_blue_magnitude(self.surfaces)

    def flux(
        self, phase: Tensor, band: Tensor, bands: Sequence[str], parameters: Parameters
    ) -> Tensor:
        """FLUXCAL, shape (B, T); see ``Source.flux``."""
        surfaces, z = self.surfaces.to(phase.device), parameters["redshift"]
        x1, c = parameters["x1"], parameters["c"]
        integrals = band_integrals(surfaces, bands, z, parameters["mwebv"])
        seen = Observations(phase * (1 + z)[:, None], band, z)
        # The colour law is zero in B, so c alone leaves the B magnitude as it is.
        magnitude = parameters["magnitude"] - self.alpha * x1 + self.beta * c
        x0 = 10 ** (0.4 * (self.zero - magnitude - parameters["distmod"]))
        theta = torch.stack([torch.zeros_like(x0), x0, x1, c], -1)
        return SALTPhotometry(surfaces.m0.phase, integrals, seen).fluxes(theta).clamp(min=0)

    def covers(self, bands: Sequence[str], redshift: Tensor) -> Tensor:
        """Whether the model reaches over each band at each redshift, shape (B, F)."""
        return covered(bands, redshift, *self.wave_range)
