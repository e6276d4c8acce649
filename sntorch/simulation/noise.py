"""Noise of difference-image photometry: sky, photons and zero points.

variance = sky² + p·F + (f·F)², with p the photon variance per unit of flux (from zero point and
gain) and f the relative error of the zero point. The flux is drawn from a normal distribution with
that variance, so it can be negative, and the same standard deviation is reported: pulls are N(0,
1).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from sntorch.data.magnitudes import LN_PER_MAG
from sntorch.errors import ConfigError
from sntorch.simulation.streams import Streams
from sntorch.simulation.surveys import Observations


@dataclass(frozen=True)
class NoiseModel:
    """Turns true fluxes into measured ones.

    Attributes:
        zeropoint_err: Standard deviation of each exposure's zero point, mag, beside what the
            survey says.
        scale: All photometric errors are multiplied by it; 0.01 gives nearly perfect data.
        redshift_err: Standard deviation of the reported redshift.
        peak_err: Standard deviation of the reported time of peak, days.
    """

    zeropoint_err: float = 0.005
    scale: float = 1.0
    redshift_err: float = 0.0
    peak_err: float = 0.0

    def __post_init__(self) -> None:
        if self.scale <= 0:
            raise ConfigError(f"noise needs scale > 0; found {self.scale}")
        for name in ("zeropoint_err", "redshift_err", "peak_err"):
            if getattr(self, name) < 0:
                raise ConfigError(f"noise needs {name} >= 0; found {getattr(self, name)}")

    def flux_err(self, flux: Tensor, observations: Observations) -> Tensor:
        """Standard deviation of the measured flux, shape (B, T), FLUXCAL.

        Args:
            flux: True flux, shape (B, T), FLUXCAL.
            observations: What the survey did.
        """
        relative = observations.relative_err**2 + (LN_PER_MAG * self.zeropoint_err) ** 2
        photons = observations.poisson * flux.clamp(min=0)
        return self.scale * (observations.sky_err**2 + photons + relative * flux**2).sqrt()

    def measure(
        self, streams: Streams, flux: Tensor, observations: Observations
    ) -> tuple[Tensor, Tensor]:
        """Measured flux and its reported error, shape (B, T) each, FLUXCAL."""
        error = self.flux_err(flux, observations)
        noise = streams.within("noise").normal("flux", flux.shape[1])
        return flux + error * noise.to(flux), error

    def report(
        self, streams: Streams, redshift: Tensor, peak_mjd: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Redshift and time of peak as a header would give them, shape (B,) each."""
        streams = streams.within("header")
        return (
            redshift + self.redshift_err * streams.normal("redshift"),
            peak_mjd + self.peak_err * streams.normal("peak"),
        )
