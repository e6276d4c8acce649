"""Fluxes of SALT light curves and all their first and second derivatives.

f = x0 [a0(t0, c) + x1 a1(t0, c)] with a_m the band integrals (``bands``) at the phase
(time - t0) / (1 + z). Phases outside the model have no flux; at its last day the flux jumps to
zero, at its nodes the second derivative in time jumps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from sntorch.physics.photometry import LN
from sntorch.physics.salt.bands import BandIntegrals
from sntorch.physics.salt.kernel import TAPS, locate, phase_taps

PARAMETERS = ("t0", "x0", "x1", "c")
T0, X0, X1, C = range(4)


@dataclass
class Observations:
    """Where and when B objects were observed T times.

    Attributes:
        time: MJD, or any days, shape (B, T).
        band: Index into the F bands, shape (B, T).
        redshift: shape (B,).
    """

    time: Tensor
    band: Tensor
    redshift: Tensor

    def take(self, rows: Tensor) -> Self:
        """The chosen objects."""
        return replace(
            self, time=self.time[rows], band=self.band[rows], redshift=self.redshift[rows]
        )


@dataclass
class Photometry:
    """Fluxes with derivatives; rows and columns of parameters are t0, x0, x1, c.

    Attributes:
        flux: FLUXCAL, shape (B, T).
        jacobian: shape (B, T, 4).
        second: shape (B, T, 4, 4).
    """

    flux: Tensor
    jacobian: Tensor
    second: Tensor


class SALTPhotometry:
    """Fluxes of B objects at their observations, for any parameters.

    Args:
        phase: Phases of the surfaces' nodes, rest-frame days, shape (P,).
        integrals: For the objects' redshifts and the bands.
        seen: Their observations.
    """

    def __init__(self, phase: Tensor, integrals: BandIntegrals, seen: Observations) -> None:
        self.phase, self.integrals, self.seen = phase, integrals, seen

    def take(self, rows: Tensor) -> SALTPhotometry:
        """The chosen objects."""
        chosen = BandIntegrals(self.integrals.series[rows], self.integrals.color[rows])
        return SALTPhotometry(self.phase, chosen, self.seen.take(rows))

    def components(self, t0: Tensor, c: Tensor) -> Tensor:
        """a0 and a1 at several times of peak and one colour, without derivatives.

        Args:
            t0: shape (B, G).
            c: shape (B,).

        Returns:
            shape (B, 2, G, T), FLUXCAL for x0 = 1.
        """
        time = self.seen.time[:, None] - t0[..., None]
        grid = self._at(time, c, 0, 0)[:, 0, :, 0]
        color = self.integrals.color.gather(1, self.seen.band)
        return grid * torch.exp(-LN * c[:, None] * color)[:, None, None]

    def fluxes(self, theta: Tensor) -> Tensor:
        """Fluxes alone for t0, x0, x1, c (B, 4): shape (B, T)."""
        t0, x0, x1, c = theta.unbind(-1)
        m0, m1 = self.components(t0[:, None], c).squeeze(2).unbind(1)
        return x0[:, None] * (m0 + x1[:, None] * m1)

    def __call__(self, theta: Tensor) -> Photometry:
        """Fluxes and derivatives for t0, x0, x1, c: shape (B, 4)."""
        t0, x0, x1, c = theta.unbind(-1)
        time = (self.seen.time - t0[:, None])[:, None]
        s = self._at(time, c, 2, 2).squeeze(4)
        color = -LN * self.integrals.color.gather(1, self.seen.band)[:, None, None]
        factor = torch.exp(c[:, None, None, None] * color)
        # (B, 2, phase derivative, T) of a = e^{c k} S and its derivatives in c.
        a = factor * s[:, 0]
        a_c = factor * (s[:, 1] + color * s[:, 0])
        a_cc = factor * (s[:, 2] + 2 * color * s[:, 1] + color**2 * s[:, 0])
        one = x1[:, None, None]
        total, total_c, total_cc = (v[:, 0] + one * v[:, 1] for v in (a, a_c, a_cc))
        scale = x0[:, None]
        flux = scale * total[:, 0]
        first = (scale * total[:, 1], total[:, 0], scale * a[:, 1, 0], scale * total_c[:, 0])
        second = flux.new_zeros(*flux.shape, 4, 4)
        for (i, j), value in {
            (T0, T0): scale * total[:, 2],
            (T0, X0): total[:, 1],
            (T0, X1): scale * a[:, 1, 1],
            (T0, C): scale * total_c[:, 1],
            (X0, X1): a[:, 1, 0],
            (X0, C): total_c[:, 0],
            (X1, C): scale * a_c[:, 1, 0],
            (C, C): scale * total_cc[:, 0],
        }.items():
            second[..., i, j] = second[..., j, i] = value
        return Photometry(flux, torch.stack(first, -1), second)

    def _at(self, time: Tensor, c: Tensor, order: int, color_order: int) -> Tensor:
        """The series and its derivatives in c and t0, but for the mean colour.

        Args:
            time: Days since t0, observer frame, shape (B, G, T).
            c: shape (B,).
            order, color_order: Highest derivatives.

        Returns:
            shape (B, color_order + 1, 2, order + 1, G, T).
        """
        stretch = (1 + self.seen.redshift)[:, None, None]
        base, weights = phase_taps(locate(self.phase, time / stretch), order)
        # d/dt0 = -1/(1+z) d/dphase.
        chain = torch.stack([(-1 / stretch[..., 0]) ** k for k in range(order + 1)], -1)
        weights = weights * chain[:, :, None, :, None]
        n, n_terms, *_, n_nodes = self.integrals.series.shape
        powers = _powers(c, n_terms, color_order)
        series = (powers @ self.integrals.series.flatten(2)).view(n, color_order + 1, -1)
        band = self.seen.band[:, None].expand_as(base)
        start = (band * 2 * n_nodes + base)[..., None] + torch.arange(TAPS, device=c.device)
        index = torch.stack([start, start + n_nodes], 1).flatten(1)
        nodes = series.gather(2, index[:, None].expand(-1, color_order + 1, -1))
        nodes = nodes.view(n, color_order + 1, 2, 1, *start.shape[1:])
        return (nodes * weights.movedim(3, 1)[:, None, None]).sum(-1)


def _powers(c: Tensor, n_terms: int, order: int) -> Tensor:
    """c^n and its derivatives, shape (B, order + 1, N)."""
    n = torch.arange(n_terms, device=c.device)
    rows, factor = [], torch.ones(n_terms, dtype=c.dtype, device=c.device)
    for k in range(order + 1):
        rows.append(factor * c[:, None] ** (n - k).clamp(min=0))
        factor = factor * (n - k).clamp(min=0)
    return torch.stack(rows, 1)
