"""The mean light curve of simulated supernovae, and how bright a supernova is in units of it.

Fluxes at one distance, of all bands, are fitted by least squares with a natural cubic spline in
rest-frame phase times Chebyshev polynomials in redshift, which stand for K-corrections. How much
brighter than that a supernova is follows in closed form, weighted by its errors:

    A = Σ f T / σ²  /  Σ T² / σ²,   1 / σ_A² = Σ T² / σ².

Letters in shapes: ``M`` supernovae, ``T`` observations of each, ``F`` bands, ``K`` knots, ``Z``
polynomials.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.physics.splines import second_derivative_matrix, spline_matrix
from sntorch.sbi.distances import DistanceModuli, polynomials

# Rest-frame days; beyond the ends the spline is straight.
KNOTS = (-14, -9, -5, -2, 1, 4, 8, 12, 17, 22, 28, 35, 45)
TERMS_Z = 4
# Distance modulus at which fluxes are compared.
REFERENCE = 38.0
# Enough for a smooth mean, and few enough for one least-squares problem.
MOST_OBJECTS = 4_000
# Of the normal matrix, in units of its mean diagonal: phases without observations stay small.
RIDGE = 1e-6


class MeanLightCurve(nn.Module):
    """Expected fluxes of a supernova of mean brightness in one universe.

    Args:
        bands: Names of the F bands.
        z_low: Least redshift.
        z_high: Largest redshift.
        om0: Matter density of the flat universe in which distances are taken.
        h0: Hubble constant, km/s/Mpc.
    """

    knots: Tensor
    second: Tensor
    coefficient: Tensor

    def __init__(
        self,
        bands: Sequence[str],
        z_low: float,
        z_high: float,
        om0: float = 0.3,
        h0: float = 70.0,
    ) -> None:
        super().__init__()
        self.bands, self.om0 = tuple(bands), float(om0)
        self.distances = DistanceModuli(z_low, z_high, h0)
        knots = torch.tensor(KNOTS, dtype=torch.float64)
        self.register_buffer("knots", knots, persistent=False)
        self.register_buffer("second", second_derivative_matrix(knots), persistent=False)
        empty = torch.zeros(len(self.bands), len(KNOTS), TERMS_Z, dtype=torch.float64)
        self.register_buffer("coefficient", empty)

    def forward(self, batch: LightCurveBatch) -> Tensor:
        """Expected fluxes, shape (M, T), float64, in the batch's zero point."""
        own = torch.einsum("fkz,mz->mfk", self.coefficient, self._polynomials(batch))
        rows = spline_matrix(self.knots, self._phase(batch), self.second)
        index = batch.band[..., None].expand(-1, -1, len(KNOTS))
        return (rows * own.gather(1, index)).sum(-1) / self._to_reference(batch)[:, None]

    @torch.no_grad()
    def fit(self, batch: LightCurveBatch) -> None:
        """Learn the mean of the first ``MOST_OBJECTS`` supernovae.

        Raises:
            ConfigError: A band without any observation.
        """
        self.check(batch)
        batch = batch[:MOST_OBJECTS]
        rows = spline_matrix(self.knots, self._phase(batch), self.second)
        basis = (rows[..., None] * self._polynomials(batch)[:, None, None]).flatten(2)
        scale = self._to_reference(batch)[:, None]
        flux, error = batch.flux.double() * scale, batch.flux_err.double() * scale
        for number, band in enumerate(self.bands):
            chosen = batch.mask & (batch.band == number)
            if not bool(chosen.any()):
                raise ConfigError(
                    f"no simulated observation in {band}: a mean light curve needs some in each "
                    f"of {', '.join(self.bands)}"
                )
            # Supernovae differ by about their own flux, whatever the error.
            variance = error[chosen] ** 2 + (flux[chosen] ** 2).mean()
            x = basis[chosen]
            normal = x.T @ (x / variance[:, None])
            normal.diagonal().add_(RIDGE * normal.diagonal().mean())
            found = torch.linalg.solve(normal, x.T @ (flux[chosen] / variance))
            self.coefficient[number] = found.view(len(KNOTS), TERMS_Z)

    def brightness(self, batch: LightCurveBatch, expected: Tensor) -> tuple[Tensor, Tensor]:
        """A and σ_A, shape (M,) each.

        Args:
            batch: The supernovae.
            expected: Fluxes T, shape (M, T).
        """
        weight = torch.where(batch.mask, batch.flux_err.double() ** -2, 0.0)
        square = (weight * expected**2).sum(1)
        return (weight * batch.flux * expected).sum(1) / square, square.rsqrt()

    def check(self, batch: LightCurveBatch) -> None:
        """Refuse light curves of other bands.

        Raises:
            ConfigError: Of others, or in another order.
        """
        if batch.bands != self.bands:
            raise ConfigError(
                f"light curves have the bands {', '.join(batch.bands)}; accepted are "
                f"{', '.join(self.bands)}"
            )

    def _phase(self, batch: LightCurveBatch) -> Tensor:
        """Rest-frame days since the reference time, shape (M, T), float64."""
        return batch.phase.double() / (1 + batch.redshift.double())[:, None]

    def _polynomials(self, batch: LightCurveBatch) -> Tensor:
        """Shape (M, Z)."""
        low, high = self.distances.z_low, self.distances.z_high
        return polynomials(batch.redshift.double(), low, high, TERMS_Z)

    def _to_reference(self, batch: LightCurveBatch) -> Tensor:
        """Factors that bring fluxes to the reference distance, shape (M,)."""
        z = batch.redshift.double()
        universe = self.distances.coefficients(z.new_tensor(self.om0))
        mu = self.distances.basis(z) @ universe + 5 * torch.log10(z)
        return 10 ** (0.4 * (mu - REFERENCE))
