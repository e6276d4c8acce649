"""Supernovae as a survey's light-curve fits summarise them: m, x1 and c, with a magnitude limit.

The "simple model" of Boyd et al. (2024, arXiv:2407.15923) and FlowSN (Boyd et al. 2026,
arXiv:2603.11165), here with Tripp's (1998, A&A 331, 815) standardisation. For candidate i

    z ~ p(z) ∝ z² on [z_low, z_high],  x ~ N(x0, σ_x²),  c ~ N(c0, σ_c²),
    m = μ(z; Ω_m) + M0 - α x + β c + N(0, σ_int²),
    d = (m, x, c) + N(0, W(z)),  W diagonal, its standard deviations linear in z,
    P(detected | d) = Φ((m_limit - d_m - a d_x - b d_c) / σ_limit).

All is linear and Gaussian, so that d | z, θ ~ N(η, C) and

    P(detected | z, θ) = Φ((m_limit - vᵀη) / √(σ_limit² + vᵀC v)),  v = (1, a, b):

what a selection makes of a survey is known exactly. θ = (Ω_m, M0, α, β, σ_int) throughout.

Letters in shapes: ``B`` surveys, ``N`` supernovae in each, ``C`` points θ, ``Q`` nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from sntorch.building import plain
from sntorch.errors import ConfigError
from sntorch.sbi.distances import DistanceModuli
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.taking import taken

PARAMETERS = ("om0", "m0", "alpha", "beta", "sigma_int")
FIDUCIAL = (0.3, -19.3, 0.14, 3.0, 0.10)
NODES = 32
PRIOR = BoxPrior(PARAMETERS, (0.05, -19.8, 0.0, 1.5, 0.02), (0.7, -18.9, 0.3, 4.5, 0.3))


@dataclass(frozen=True)
class SummarySurvey:
    """A survey of summarised supernovae; see the head of this file for what the symbols mean.

    Attributes:
        z_low, z_high: Range of redshifts.
        x0, sigma_x: Mean and standard deviation of the stretch x1.
        c0, sigma_c: Mean and standard deviation of the colour c.
        noise: Standard deviations of m, x1 and c: a constant and a slope in redshift for each.
        m_limit, sigma_limit: Limiting magnitude and its blur.
        x_weight, c_weight: a and b, how stretch and colour shift the limit.
        h0: Hubble constant, km/s/Mpc.
    """

    z_low: float = 0.05
    z_high: float = 0.8
    x0: float = 0.0
    sigma_x: float = 1.0
    c0: float = 0.0
    sigma_c: float = 0.1
    noise: tuple[tuple[float, float], ...] = ((0.03, 0.12), (0.15, 0.9), (0.02, 0.04))
    m_limit: float = 22.6
    sigma_limit: float = 0.25
    x_weight: float = 0.0
    c_weight: float = 0.0
    h0: float = 70.0

    def __post_init__(self) -> None:
        if not 0 < self.z_low < self.z_high:
            raise ConfigError(
                f"survey: 0 < z_low < z_high is accepted; found {self.z_low} and {self.z_high}"
            )
        for name in ("sigma_x", "sigma_c", "sigma_limit"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"survey: {name} > 0 is accepted; found {getattr(self, name)}")

    @staticmethod
    def of(survey: SummarySurvey | Mapping[str, Any]) -> SummarySurvey:
        """A survey of its settings, as configs and checkpoints hold them; a survey as it is."""
        if isinstance(survey, SummarySurvey):
            return survey
        arguments = {k: v for k, v in plain(survey).items() if not k.startswith("_")}
        if "noise" in arguments:
            arguments["noise"] = tuple(tuple(pair) for pair in arguments["noise"])
        return SummarySurvey(**arguments)

    def settings(self) -> dict[str, Any]:
        """What ``of`` takes, in plain types."""
        return plain(asdict(self))

    @cached_property
    def distances(self) -> DistanceModuli:
        """Distance moduli in the survey's range."""
        return DistanceModuli(self.z_low, self.z_high, self.h0)

    @cached_property
    def nodes(self) -> tuple[Tensor, Tensor]:
        """Gauss-Legendre nodes in redshift and their weights p(z) dz, shape (Q,) each."""
        t, weight = np.polynomial.legendre.leggauss(NODES)
        width = self.z_high - self.z_low
        z = torch.from_numpy(self.z_low + (t + 1) / 2 * width)
        return z, torch.from_numpy(weight) * width / 2 * self.redshift_density(z)

    def redshift_density(self, z: Tensor) -> Tensor:
        """p(z) of candidates, the shape of ``z``."""
        return 3 * z**2 / (self.z_high**3 - self.z_low**3)

    def redshift_quantile(self, u: Tensor) -> Tensor:
        """Redshift below which a fraction ``u`` of the candidates lies."""
        low, high = self.z_low**3, self.z_high**3
        return (low + u * (high - low)) ** (1 / 3)

    def noise_sd(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Standard deviations of measured m, x1 and c, each the shape of ``z``."""
        m, x, c = (first + slope * z for first, slope in self.noise)
        return m, x, c

    def log_detection(self, data: Tensor) -> Tensor:
        """ln P(detected | d), shape (...), for d of shape (..., 3)."""
        return torch.special.log_ndtr((self.m_limit - self._seen(data)) / self.sigma_limit)

    def is_detected(self, data: Tensor, luck: Tensor) -> Tensor:
        """Whether d is detected, shape (...), with a standard normal number for each limit."""
        return self._seen(data) < self.m_limit + self.sigma_limit * luck

    def log_selection(self, z: Tensor, theta: Tensor) -> Tensor:
        """ln P(detected | z, θ), shape (B, C, N).

        Args:
            z: Redshifts, shape (N,) or (B, N).
            theta: shape (B, C, 5).
        """
        w_m, w_x, w_c = (sd[..., None, :] ** 2 for sd in self.noise_sd(z))
        mean, variance = self.seen(z, theta)
        noise = w_m + self.x_weight**2 * w_x + self.c_weight**2 * w_c
        total = variance + noise + self.sigma_limit**2
        return torch.special.log_ndtr((self.m_limit - mean) / total.sqrt())

    def seen(self, z: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the true magnitude that the limit is on, given z and θ.

        Args:
            z: Redshifts, shape (N,) or (B, N).
            theta: shape (B, C, 5).

        Returns:
            Shapes (B, C, N) and (B, C, 1).
        """
        a, b = self.x_weight, self.c_weight
        om0, m0, alpha, beta, sigma_int = theta[..., None].unbind(-2)
        mu = self.distances.coefficients(om0[..., 0]) @ self.distances.basis(z).mT
        mean = mu + 5 * torch.log10(z)[..., None, :] + m0
        mean = mean + (a - alpha) * self.x0 + (b + beta) * self.c0
        variance = sigma_int**2 + (a - alpha) ** 2 * self.sigma_x**2
        return mean, variance + (b + beta) ** 2 * self.sigma_c**2

    def _seen(self, data: Tensor) -> Tensor:
        """The magnitude that the limit is on, shape (...)."""
        return data[..., 0] + self.x_weight * data[..., 1] + self.c_weight * data[..., 2]


# That of FlowSN's analytical model, without its drift of colour with redshift.
FLOWSN = SummarySurvey(
    z_high=1.1,
    x0=-0.432,
    sigma_x=1.124,
    c0=-0.061,
    sigma_c=0.065,
    m_limit=24.0,
    x_weight=-0.1,
    c_weight=-1.0,
)


@dataclass
class SummaryData:
    """Surveys of supernovae, padded to one length.

    Attributes:
        redshift: shape (B, N); a redshift of the survey where padded.
        data: Measured m, x1 and c, shape (B, N, 3); 0 where padded.
        mask: Which are supernovae, shape (B, N), bool.
        n_candidates: How many explosions were looked at for them, shape (B,).
    """

    redshift: Tensor
    data: Tensor
    mask: Tensor
    n_candidates: Tensor = field(repr=False)

    def __len__(self) -> int:
        return len(self.redshift)

    def to(self, device: torch.device | str) -> Self:
        """The same on a device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def take(self, index: Tensor | slice) -> Self:
        """The chosen surveys."""
        return taken(self, index, *(f.name for f in fields(self)))
