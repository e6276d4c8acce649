"""The dust law of Fitzpatrick (1999, PASP 111, 63), for a tensor of R_V.

From 2700 Å to the infrared the law is a natural cubic spline in x = 1/λ through nine anchors that
depend on R_V; bluewards it is the parametrised ultraviolet curve of Fitzpatrick & Massa (1990,
ApJS 72, 163). The optical anchors are the polynomials in R_V of the paper's appendix, as
``extinction.fitzpatrick99`` and BayeSN use them. Other codes (``dust_extinction.F99``) spline
another set of anchors; they differ by 1e-3.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from sntorch.physics.splines import second_derivative_matrix, spline_matrix

ANCHOR_WAVELENGTHS = (torch.inf, 26500.0, 12200.0, 6000.0, 5470.0, 4670.0, 4110.0, 2700.0, 2600.0)
ULTRAVIOLET = 2700.0
X0, GAMMA = 4.596, 0.99
C3, C4 = 3.23, 0.41
MILKY_WAY_RV = 3.1


def fitzpatrick99(wave: Tensor, rv: Tensor | float = 3.1) -> Tensor:
    """Extinction A(λ) in units of A_V.

    Args:
        wave: Wavelength in the frame of the dust, Å, shape (..., L) or any shape that broadcasts
            against ``rv[..., None]``.
        rv: Ratio of total to selective extinction R_V, shape () or (...).

    Returns:
        A(λ)/A_V, shape of ``wave`` broadcast against ``rv[..., None]`` (of ``wave`` for a single
        R_V).
    """
    rv = torch.as_tensor(rv, dtype=wave.dtype, device=wave.device)
    column = rv[..., None] if rv.ndim else rv
    x = 1e4 / wave
    curve = torch.where(wave < ULTRAVIOLET, _ultraviolet(x, column), _optical(x, rv))
    return 1 + curve / column


class DustCurve:
    """The law at fixed wavelengths, for an R_V that changes: the spline's rows are made once.

    Args:
        wave: Wavelength in the frame of the dust, Å, shape (..., L).
    """

    def __init__(self, wave: Tensor) -> None:
        self.x = 1e4 / wave
        positions, second = _knots(wave.dtype, wave.device)
        self.rows = spline_matrix(positions, self.x, second)
        self.ultraviolet = wave < ULTRAVIOLET
        self.reaches_ultraviolet = bool(self.ultraviolet.any())

    def __call__(self, rv: Tensor) -> Tensor:
        """A(λ)/A_V for R_V of shape (..., C): shape (..., C, L)."""
        column = rv[..., None]
        curve = anchors(rv) @ self.rows.transpose(-1, -2)
        if self.reaches_ultraviolet:
            x = self.x.unsqueeze(-2)
            curve = torch.where(self.ultraviolet.unsqueeze(-2), _ultraviolet(x, column), curve)
        return 1 + curve / column


def _optical(x: Tensor, rv: Tensor) -> Tensor:
    """k(λ-V) = E(λ-V)/E(B-V) from the spline."""
    positions, second = _knots(x.dtype, x.device)
    basis = spline_matrix(positions, x, second)
    return (basis * anchors(rv)[..., None, :] if rv.ndim else basis * anchors(rv)).sum(-1)


def anchors(rv: Tensor) -> Tensor:
    """k(λ-V) at the nine anchor wavelengths, shape (..., 9)."""
    one = torch.ones_like(rv)
    optical = [
        0 * one,
        0.26469 * rv / 3.1,
        0.82925 * rv / 3.1,
        -0.422809 + 1.0027 * rv + 2.13572e-4 * rv**2,
        -5.1354e-2 + 1.00216 * rv - 7.35778e-5 * rv**2,
        0.700127 + 1.00184 * rv - 3.32598e-5 * rv**2,
        1.19456 + 1.01707 * rv - 5.46959e-3 * rv**2 + 7.97809e-4 * rv**3 - 4.45636e-5 * rv**4,
    ]
    ultraviolet = _ultraviolet(_knots(rv.dtype, rv.device)[0][-2:], rv[..., None])
    return torch.cat([torch.stack(optical, -1) - rv[..., None], ultraviolet], -1)


def _ultraviolet(x: Tensor, rv: Tensor) -> Tensor:
    """k(λ-V) bluewards of 2700 Å (Fitzpatrick & Massa 1990), with the far-ultraviolet rise."""
    c2 = -0.824 + 4.717 / rv
    c1 = 2.030 - 3.007 * c2
    bump = x**2 / ((x**2 - X0**2) ** 2 + (GAMMA * x) ** 2)
    y = (x - 5.9).clamp(min=0)
    return c1 + c2 * x + C3 * bump + C4 * (0.5392 * y**2 + 0.05644 * y**3)


@cache
@torch.inference_mode(False)
def _knots(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Anchors in x, 1/µm, and their second-derivative matrix; kept, as a copy to a GPU is slow.

    Made outside inference mode, as what is kept may take part in a gradient later.
    """
    positions = 1e4 / torch.tensor(ANCHOR_WAVELENGTHS, dtype=dtype, device=device)
    return positions, second_derivative_matrix(positions)
