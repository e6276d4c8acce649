"""Selection in a likelihood by an efficiency that was learnt from injections.

A survey of summarised supernovae detects by the magnitude s = m + a x + b c before noise, and by
redshift. Given θ, s is normal, so that

    P(detected | z, θ) = ∫ ds N(s; η_s, σ_s²) ε(s, z),

here by Gauss-Hermite quadrature over a learnt ε. Any Pyro model of a population takes the same
into account by ``inference.selected.selection_factor``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from sntorch.inference.efficiency import EfficiencyModule
from sntorch.sbi.simulated import TESTED
from sntorch.sbi.summary import SummarySurvey
from sntorch.statistics.shares import BinnedShares, binned_shares

NODES = 32
# How far from the limit injections are put, mag: beyond, next to all or none are detected.
REACH = 2.5
S_POINTS, Z_POINTS = 501, 129


def inject(survey: SummarySurvey, n: int, seed: int, repeats: int = 16) -> tuple[Tensor, Tensor]:
    """Supernovae about the magnitude limit, put through noise and detection.

    Args:
        survey: What is observed.
        n: Number of injections.
        seed: Any integer.
        repeats: How often each is measured.

    Returns:
        Latents s and z, shape (n, 2), and the mean probability of detection of the measurements
        of each, shape (n,).
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    u = torch.rand(2, n, generator=generator, dtype=torch.float64)
    seen = survey.m_limit + REACH * (2 * u[0] - 1)
    z = survey.z_low + (survey.z_high - survey.z_low) * u[1]
    x, c = survey.x0 + survey.sigma_x * normal(n), survey.c0 + survey.sigma_c * normal(n)
    true = torch.stack([seen - survey.x_weight * x - survey.c_weight * c, x, c], -1)
    sd = torch.stack(survey.noise_sd(z), -1)
    kept = torch.zeros(n, dtype=torch.float64)
    for _ in range(repeats):
        kept += survey.log_detection(true + sd * normal(n, 3)).exp() / repeats
    # A mean of ones may come out above one by rounding.
    return torch.stack([seen, z], -1), kept.clamp(max=1.0)


@dataclass(frozen=True, eq=False)
class LearntSelection:
    """ln P(detected | z, θ) of a learnt efficiency; takes the place of the exact one.

    Attributes:
        survey: What is observed; its noise and its limit are not used.
        efficiency: Of the latents s and z.
    """

    survey: SummarySurvey
    efficiency: EfficiencyModule

    def __call__(self, z: Tensor, theta: Tensor) -> Tensor:
        """Shape (B, C, N), of z (N,) or (B, N) and θ (B, C, 5)."""
        node, weight = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(NODES))
        mean, variance = self.survey.seen(z, theta)
        seen = mean[..., None] + variance.sqrt()[..., None] * node
        log_weight = (weight / weight.sum()).log()
        log_efficiency = torch.nn.functional.logsigmoid(self._logit(seen, z[..., None, :, None]))
        return (log_efficiency + log_weight).logsumexp(-1)

    def held_out(self, n: int, bins: int, seed: int) -> tuple[BinnedShares, BinnedShares]:
        """Injections that nothing was learnt from, counted in bins of z and s; the learnt shares.

        Args:
            n: Number of injections.
            bins: On each side.
            seed: Any integer.
        """
        latents, probability = inject(self.survey, n, seed + TESTED, repeats=1)
        generator = torch.Generator().manual_seed(seed + TESTED + 1)
        luck = torch.rand(n, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            learnt = self.efficiency(latents).exp()
        seen, z = latents.unbind(-1)
        edges = (
            np.linspace(self.survey.z_low, self.survey.z_high, bins + 1),
            np.linspace(*self._reach, bins + 1),
        )
        counted = binned_shares(z, seen, luck < probability, *edges)
        return counted, binned_shares(z, seen, learnt, *edges)

    @cached_property
    def table(self) -> Tensor:
        """Logit of ε on a grid, shape (len(s), len(z)).

        It is nearly straight in s and smooth in z, so that straight lines between close points,
        and beyond the last ones, are as good as the network and far faster.
        """
        s = torch.linspace(*self._reach, S_POINTS, dtype=torch.float64)
        z = torch.linspace(self.survey.z_low, self.survey.z_high, Z_POINTS, dtype=torch.float64)
        pairs = torch.stack(torch.broadcast_tensors(s[:, None], z), -1)
        return self.efficiency.logit(pairs)

    @property
    def _reach(self) -> tuple[float, float]:
        return self.survey.m_limit - REACH, self.survey.m_limit + REACH

    def _logit(self, seen: Tensor, z: Tensor) -> Tensor:
        """Logit of ε; the arguments broadcast."""
        row, s = _cell(seen, *self._reach, S_POINTS)
        column, t = _cell(z, self.survey.z_low, self.survey.z_high, Z_POINTS)
        flat, corner = self.table.reshape(-1), row * Z_POINTS + column
        near = flat[corner] * (1 - t) + flat[corner + 1] * t
        far = flat[corner + Z_POINTS] * (1 - t) + flat[corner + Z_POINTS + 1] * t
        return near * (1 - s) + far * s


def _cell(value: Tensor, low: float, high: float, n: int) -> tuple[Tensor, Tensor]:
    """The interval of n points in which a value lies, or the nearest one, and where in it."""
    place = (value - low) / (high - low) * (n - 1)
    cell = place.detach().floor().clamp(0, n - 2).long()
    return cell, place - cell
