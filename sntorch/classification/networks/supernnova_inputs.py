"""What SuperNNova reads of a night: fluxes, errors, the time since the night before, the bands.

Möller & de Boissière (2020, MNRAS 491, 4277, § 4.1): fluxes and errors of all bands, the days
since the previous night, and one number for each combination of bands that can be observed,
2^F - 1 of them, which is 1 for the combination of the night. Normalised by

    x -> (log(x - x_min + 1e-5) - μ) / σ,    x not below x_min,

with x_min, μ and σ of the training set: one each for all fluxes, all errors and all time steps
(``global``), or for every band (``perfilter``). What a band did not observe is a flux and error
of 0, which enters x_min, μ and σ as it does in the authors' code.

``cosmo`` and ``cosmo_quantile`` divide fluxes and errors by the largest flux of the light curve or
its 0.99 quantile, so that brightness, which with a redshift tells the distance, is not used.

Letters in shapes: ``B`` objects, ``N`` nights, ``F`` bands, ``D`` numbers a night.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sntorch.classification.inputs import elapsed
from sntorch.data.batch import LightCurveBatch
from sntorch.data.nights import Nights, by_night
from sntorch.errors import ConfigError

NAMES = ("global", "perfilter", "cosmo", "cosmo_quantile")
SMALLEST = 1e-5
# Fluxes below are outliers that would compress all others.
LOWEST = -2000.0


class LogStandardised(nn.Module):
    """Logarithm above the smallest training value, then zero mean and unit deviation.

    Args:
        n: Columns, each with its own constants.
    """

    lowest: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(self, n: int) -> None:
        super().__init__()
        self.register_buffer("lowest", torch.zeros(n))
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("spread", torch.ones(n))

    def fit(self, values: Tensor) -> None:
        """Constants of training values, shape (K, n) or, for a common one, (K, 1)."""
        self.lowest.copy_(values.amin(0).clamp(min=LOWEST))
        logarithm = self._logarithm(values)
        self.mean.copy_(logarithm.mean(0))
        self.spread.copy_(logarithm.std(0, correction=0).clamp(min=SMALLEST))

    def forward(self, values: Tensor) -> Tensor:
        """Of values (…, n); those below the smallest training value count as that."""
        return (self._logarithm(values) - self.mean) / self.spread

    def _logarithm(self, values: Tensor) -> Tensor:
        return ((values - self.lowest).clamp(min=0) + SMALLEST).log()


class NightInputs(nn.Module):
    """Numbers of nights.

    Args:
        n_bands: Number of bands F.
        normalisation: ``global``, ``perfilter``, ``cosmo`` or ``cosmo_quantile``.

    Raises:
        ConfigError: Another normalisation.
    """

    def __init__(self, n_bands: int, normalisation: str = "global") -> None:
        super().__init__()
        if normalisation not in NAMES:
            raise ConfigError(f"normalisation={normalisation}: accepted are {', '.join(NAMES)}")
        self.normalisation = normalisation
        self.n_bands = n_bands
        self.n_outputs = 2 * n_bands + 1 + 2**n_bands - 1
        self.flux = LogStandardised(n_bands)
        self.error = LogStandardised(n_bands)
        self.gap = LogStandardised(1)

    def fit(self, batch: LightCurveBatch) -> None:
        """Constants of all nights of training objects; without any, those they have."""
        nights = by_night(batch)
        if not bool(nights.mask.any()):
            return
        flux, error = nights.flux[nights.mask].float(), _errors(nights)[nights.mask]
        if self.normalisation != "perfilter":
            flux, error = flux.reshape(-1, 1), error.reshape(-1, 1)
        self.flux.fit(flux)
        self.error.fit(error)
        self.gap.fit(elapsed(nights.time, nights.mask)[nights.mask][:, None])

    def forward(self, nights: Nights) -> Tensor:
        """Numbers, shape (B, N, D); zero where padded."""
        flux, error = nights.flux.float(), _errors(nights)
        if self.normalisation.startswith("cosmo"):
            scale = self._brightness(nights)[:, None, None]
            flux, error = flux / scale, error / scale
        else:
            flux, error = self.flux(flux), self.error(error)
        gap = self.gap(elapsed(nights.time, nights.mask)[..., None])
        parts = torch.cat([flux, error, gap, self._combination(nights.seen)], dim=-1)
        return torch.where(nights.mask[..., None], parts, 0.0)

    def _combination(self, seen: Tensor) -> Tensor:
        place = 2 ** torch.arange(self.n_bands, device=seen.device)
        number = (seen * place).sum(-1)
        every = torch.arange(1, 2**self.n_bands, device=seen.device)
        return (number[..., None] == every).float()

    def _brightness(self, nights: Nights) -> Tensor:
        """Largest flux of each object or its 0.99 quantile, shape (B,); at least one error."""
        flux = torch.where(nights.seen, nights.flux.float(), torch.nan).flatten(1)
        share = 0.99 if self.normalisation == "cosmo_quantile" else 1.0
        error = torch.where(nights.seen, nights.flux_err.float(), torch.inf).flatten(1)
        return flux.nanquantile(share, dim=1).fmax(error.amin(1)).nan_to_num(1.0, posinf=1.0)


def _errors(nights: Nights) -> Tensor:
    return torch.where(nights.seen, nights.flux_err.float(), 0.0)
