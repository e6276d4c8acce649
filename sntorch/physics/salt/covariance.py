"""SALT's own errors: the covariance of model fluxes.

References: Guy et al. (2007; 2010, A&A 523, A7), Kenworthy et al. (2021), in the form of sncosmo's
``bandflux_rcov``. Relative to the fluxes of two observations i, j of one object it is

    δ_ij V(t_i, λ̄) / F̄(t_i)² + k(λ̄)²   (the second term where both are in one band),
    V = V00 + 2 x1 V01 + x1² V11,  F̄ = band average of M0 + x1 M1 (no dust, no colour),

with λ̄ the band's mean wavelength at rest. For SALT2, V is relative to the average of M0², and
scaled. As there, a negative V is 10⁻⁴ and the relative variance of a flux ≤ 0 is 10⁴.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sntorch.physics.bandpasses import Bandpass, get_bandpass
from sntorch.physics.salt.bands import SPACING, Stack
from sntorch.physics.salt.kernel import TAPS, locate, phase_taps
from sntorch.physics.salt.photometry import X1, Observations
from sntorch.physics.salt.surfaces import Grid, SALTSurfaces

NEGATIVE_VARIANCE = 1e-4
NO_FLUX_VARIANCE = 1e4


@dataclass
class ModelErrors:
    """Relative errors of model fluxes.

    Attributes:
        variance: Of each observation alone, shape (B, T).
        dispersion: k of its band, shared by all observations in it, shape (B, T).
    """

    variance: Tensor
    dispersion: Tensor


class SALTErrors:
    """Model errors of B objects at their observations.

    Args:
        surfaces: The model.
        bands: Names of F bands.
        seen: The observations.
    """

    def __init__(self, surfaces: SALTSurfaces, bands: Sequence[str], seen: Observations) -> None:
        curves = [get_bandpass(name) for name in bands]
        stretch = 1 + seen.redshift
        mean = [mean_wavelength(curve) / stretch for curve in curves]
        parts = [surfaces.v00, surfaces.v01, surfaces.v11]
        self.phases = [surfaces.m0.phase, surfaces.v00.phase]
        averages = [_averages(surfaces, curve, seen.redshift) for curve in curves]
        self.tables = [torch.stack(averages, 1), _nodes(parts, mean)]
        self.scaled = surfaces.error_scale is not None
        if surfaces.error_scale is not None:
            self.phases.append(surfaces.error_scale.phase)
            self.tables.append(_nodes([surfaces.error_scale], mean))
        self.dispersion = torch.stack(
            [interpolate(surfaces.dispersion_wave, surfaces.dispersion, w) for w in mean], -1
        )
        self.seen = seen

    def take(self, rows: Tensor) -> SALTErrors:
        """The chosen objects."""
        chosen = object.__new__(SALTErrors)
        chosen.phases, chosen.scaled = self.phases, self.scaled
        chosen.tables = [table[rows] for table in self.tables]
        chosen.dispersion, chosen.seen = self.dispersion[rows], self.seen.take(rows)
        return chosen

    def __call__(self, theta: Tensor) -> ModelErrors:
        """Errors for t0, x0, x1, c: shape (B, 4)."""
        t0, x1 = theta[:, :1], theta[:, X1, None]
        phase = (self.seen.time - t0) / (1 + self.seen.redshift)[:, None]
        values = [self._at(p, t, phase) for p, t in zip(self.phases, self.tables, strict=True)]
        (m0, m1), (v00, v01, v11) = values[0].unbind(1), values[1].unbind(1)
        variance = v00 + 2 * x1 * v01 + x1**2 * v11
        variance = torch.where(variance < 0, NEGATIVE_VARIANCE, variance)
        if self.scaled:
            variance = variance * (m0 * values[2][:, 0]) ** 2
        total = m0 + x1 * m1
        relative = variance / torch.where(total > 0, total, 1.0) ** 2
        relative = torch.where(total > 0, relative, NO_FLUX_VARIANCE)
        return ModelErrors(relative, self.dispersion.gather(1, self.seen.band))

    def _at(self, nodes: Tensor, table: Tensor, phase: Tensor) -> Tensor:
        """Tables (B, F, S, P + 4) at each observation, shape (B, S, T)."""
        base, weights = phase_taps(locate(nodes, phase), 0)
        n_tables, n_nodes = table.shape[2:]
        start = (self.seen.band * n_tables * n_nodes + base)[:, None]
        start = start + torch.arange(TAPS, device=phase.device)[:, None]
        index = torch.stack([start + s * n_nodes for s in range(n_tables)], 1)
        picked = table.flatten(1).gather(1, index.flatten(1)).view(index.shape)
        return (picked * weights).sum(-2)


def mean_wavelength(bandpass: Bandpass) -> float:
    """∫ λ T dλ / ∫ T dλ, Å, on midpoints at most 1 Å apart as in sncosmo."""
    low, high = bandpass.support
    count = math.ceil(high - low)
    wave = low + (high - low) / count * (np.arange(count) + 0.5)
    through = np.interp(wave, bandpass.wave, bandpass.transmission)
    return float((wave * through).sum() / through.sum())


def interpolate(nodes: Tensor, values: Tensor, points: Tensor) -> Tensor:
    """Linear interpolation of ``values`` (N,) at points of any shape, straight on beyond."""
    cell = (torch.searchsorted(nodes, points.contiguous()) - 1).clamp(0, len(nodes) - 2)
    share = (points - nodes[cell]) / (nodes[cell + 1] - nodes[cell])
    return torch.lerp(values[cell], values[cell + 1], share)


def _averages(surfaces: SALTSurfaces, bandpass: Bandpass, redshift: Tensor) -> Tensor:
    """Band averages of M0 and M1 at the nodes in phase, shape (B, 2, P + 4)."""
    stretch = (1 + redshift)[:, None]
    low, high = (edge / stretch for edge in bandpass.support)
    # The band as seen at rest is cut into steps of at most 5 Å again.
    count = torch.ceil((high - low) / SPACING)
    step = torch.arange(int(count.max()), device=redshift.device)
    wave = low + (high - low) / count * (step + 0.5)
    grid, through = (
        torch.as_tensor(v).to(redshift) for v in (bandpass.wave, bandpass.transmission)
    )
    inside = (step < count) & (wave < high)
    photons = wave * interpolate(grid, through, wave * stretch) * inside
    weights = photons / photons.sum(-1, keepdim=True)
    stack = Stack([surfaces.m0, surfaces.m1])
    at = stack.node_weights(wave, weights)
    return stack.sum(at, torch.ones_like(at.inner)[:, None])[:, 0]


def _nodes(grids: Sequence[Grid], mean: Sequence[Tensor]) -> Tensor:
    """Surfaces at one wavelength a band, at their nodes in phase: shape (B, F, S, P + 4)."""
    stack = Stack(grids)
    at = [stack.node_weights(w[:, None], torch.ones_like(w)[:, None]) for w in mean]
    return torch.stack([stack.sum(w, torch.ones_like(w.inner)[:, None])[:, 0] for w in at], 1)
