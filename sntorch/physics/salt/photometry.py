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
PAIRS = ((T0, T0), (T0, X0), (T0, X1), (T0, C), (X0, X1), (X0, C), (X1, C), (C, C))


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
    """Fluxes with derivatives.

    Attributes:
        flux: FLUXCAL, shape (B, T).
        jacobian: With respect to t0, x0, x1, c, shape (B, 4, T).
        second: With respect to ``PAIRS`` of them (the others are zero), shape (B, 8, T).
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
        (grid,) = self._at(time, c, 0, 0)
        color = self.integrals.color.gather(1, self.seen.band)
        return grid[:, :, :, 0] * torch.exp(-LN * c[:, None] * color)[:, None, None]

    def fluxes(self, theta: Tensor) -> Tensor:
        """Fluxes alone for t0, x0, x1, c (B, 4): shape (B, T)."""
        t0, x0, x1, c = theta.unbind(-1)
        m0, m1 = self.components(t0[:, None], c).squeeze(2).unbind(1)
        return x0[:, None] * (m0 + x1[:, None] * m1)

    def __call__(self, theta: Tensor) -> Photometry:
        """Fluxes and derivatives for t0, x0, x1, c: shape (B, 4)."""
        t0, x0, x1, c = theta.unbind(-1)
        time = (self.seen.time - t0[:, None])[:, None]
        color = -LN * self.integrals.color.gather(1, self.seen.band)
        factor = torch.exp(c[:, None] * color)[:, None, None]
        color = color[:, None, None]
        # (B, 2, derivatives in time, T) of S, where a = e^{c k} S, and its derivatives in c.
        s, s_c, s_cc = (v.squeeze(2) for v in self._at(time, c, 2, 2))
        a = factor * s
        a_c = factor * (s_c + color * s[:, :, :2])
        a_cc = factor * (s_cc + 2 * color * s_c[:, :, :1] + color**2 * s[:, :, :1])
        one = x1[:, None, None]
        (f, f_t, f_tt), (f_c, f_tc), (f_cc,) = (
            (v[:, 0] + one * v[:, 1]).unbind(1) for v in (a, a_c, a_cc)
        )
        m1, m1_t, m1_c = a[:, 1, 0], a[:, 1, 1], a_c[:, 1, 0]
        x0 = x0[:, None]
        return Photometry(
            x0 * f,
            torch.stack([x0 * f_t, f, x0 * m1, x0 * f_c], 1),
            torch.stack([x0 * f_tt, f_t, x0 * m1_t, x0 * f_tc, m1, f_c, x0 * m1_c, x0 * f_cc], 1),
        )

    def _at(self, time: Tensor, c: Tensor, order: int, color_order: int) -> list[Tensor]:
        """The series, but for the mean colour, and its derivatives in c and t0.

        Args:
            time: Days since t0, observer frame, shape (B, G, T).
            c: shape (B,).
            order, color_order: Highest derivatives in t0, and in c.

        Returns:
            For each derivative j in c: shape (B, 2, G, order + 1 - j, T).
        """
        stretch = (1 + self.seen.redshift)[:, None, None]
        base, weights = phase_taps(locate(self.phase, time / stretch), order)
        # d/dt0 = -1/(1+z) d/dphase.
        chain = torch.cat([(-1 / stretch) ** k for k in range(order + 1)], 1)
        weights = weights * chain[:, None, :, None]
        n, n_terms, *_, n_nodes = self.integrals.series.shape
        powers = _powers(c, n_terms, color_order)
        series = (powers @ self.integrals.series.flatten(2)).view(n, color_order + 1, -1)
        start = (self.seen.band[:, None] * 2 * n_nodes + base)[:, :, None]
        start = start + torch.arange(TAPS, device=c.device)[:, None]
        index = torch.stack([start, start + n_nodes], 1)
        found = []
        for j in range(color_order + 1):
            nodes = series[:, j].gather(1, index.flatten(1)).view(index.shape)
            known = weights[:, None, :, : order + 1 - j]
            total = nodes[..., None, 0, :] * known[..., 0, :]
            for k in range(1, TAPS):
                total = torch.addcmul(total, nodes[..., None, k, :], known[..., k, :])
            found.append(total)
        return found


def _powers(c: Tensor, n_terms: int, order: int) -> Tensor:
    """c^n and its derivatives, shape (B, order + 1, N)."""
    n = torch.arange(n_terms, device=c.device)
    rows, factor = [], torch.ones(n_terms, dtype=c.dtype, device=c.device)
    for k in range(order + 1):
        rows.append(factor * c[:, None] ** (n - k).clamp(min=0))
        factor = factor * (n - k).clamp(min=0)
    return torch.stack(rows, 1)
