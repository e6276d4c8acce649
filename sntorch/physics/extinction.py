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
# k(λ-V) + R_V at the anchors redwards of 2700 Å: coefficients of 1, R_V, R_V², ...
OPTICAL = (
    (0.0,),
    (0.0, 0.26469 / 3.1),
    (0.0, 0.82925 / 3.1),
    (-0.422809, 1.0027, 2.13572e-4),
    (-5.1354e-2, 1.00216, -7.35778e-5),
    (0.700127, 1.00184, -3.32598e-5),
    (1.19456, 1.01707, -5.46959e-3, 7.97809e-4, -4.45636e-5),
)
# Which of ``powers`` are 1/R_V and 1.
INVERSE, CONSTANT = 1, 2
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
    """The law at fixed wavelengths, for an R_V that changes: only its powers are left to compute.

    Args:
        wave: Wavelength in the frame of the dust, Å, shape (..., L).

    Attributes:
        rows: Spline rows at the wavelengths, shape (..., L, 9).
        table: A(λ)/A_V of each of ``powers``, shape (..., 6, L).
    """

    def __init__(self, wave: Tensor) -> None:
        x = 1e4 / wave
        positions, second = _knots(wave.dtype, wave.device)
        self.rows = spline_matrix(positions, x, second)
        table = (self.rows @ anchor_coefficients(wave.dtype, wave.device).T).movedim(-1, 0)
        constant, slope = _ultraviolet_terms(x)
        beyond = torch.zeros_like(table)
        beyond[INVERSE], beyond[INVERSE - 1] = constant, slope
        table = torch.where(wave < ULTRAVIOLET, beyond, table)
        table[CONSTANT] += 1
        self.table = table.movedim(0, -2).contiguous()

    def __call__(self, rv: Tensor) -> Tensor:
        """A(λ)/A_V for R_V of shape (..., C): shape (..., C, L)."""
        return powers(rv) @ self.table


def _optical(x: Tensor, rv: Tensor) -> Tensor:
    """k(λ-V) = E(λ-V)/E(B-V) from the spline."""
    positions, second = _knots(x.dtype, x.device)
    basis = spline_matrix(positions, x, second)
    return (basis * anchors(rv)[..., None, :] if rv.ndim else basis * anchors(rv)).sum(-1)


def anchors(rv: Tensor) -> Tensor:
    """k(λ-V) at the nine anchor wavelengths, shape (..., 9)."""
    return rv[..., None] * (powers(rv) @ anchor_coefficients(rv.dtype, rv.device))


def powers(rv: Tensor) -> Tensor:
    """R_V⁻², R_V⁻¹, 1, ... R_V³, shape (..., 6): A(λ)/A_V is a linear function of them."""
    inverse, square = 1 / rv, rv * rv
    terms = [inverse * inverse, inverse, torch.ones_like(rv), rv, square, square * rv]
    return torch.stack(terms, -1)


@cache
@torch.inference_mode(False)
def anchor_coefficients(dtype: torch.dtype, device: torch.device) -> Tensor:
    """k(λ-V) / R_V at the anchors, of each of ``powers``: shape (6, 9)."""
    table = torch.zeros(6, len(ANCHOR_WAVELENGTHS), dtype=dtype, device=device)
    for i, coefficients in enumerate(OPTICAL):
        polynomial = torch.tensor(coefficients, dtype=dtype, device=device)
        table[INVERSE : INVERSE + len(coefficients), i] = polynomial
    table[CONSTANT, : len(OPTICAL)] -= 1
    constant, slope = _ultraviolet_terms(_knots(dtype, device)[0][len(OPTICAL) :])
    table[INVERSE, len(OPTICAL) :], table[INVERSE - 1, len(OPTICAL) :] = constant, slope
    return table


def _ultraviolet(x: Tensor, rv: Tensor) -> Tensor:
    """k(λ-V) bluewards of 2700 Å (Fitzpatrick & Massa 1990), with the far-ultraviolet rise."""
    constant, slope = _ultraviolet_terms(x)
    return constant + slope / rv


def _ultraviolet_terms(x: Tensor) -> tuple[Tensor, Tensor]:
    """The same as a constant and a multiple of 1/R_V.

    It is c1 + c2 x + c3 D(x) + c4 F(x), c1 = 2.030 - 3.007 c2, c2 = -0.824 + 4.717 / R_V.
    """
    bump = x**2 / ((x**2 - X0**2) ** 2 + (GAMMA * x) ** 2)
    y = (x - 5.9).clamp(min=0)
    rise = 0.5392 * y**2 + 0.05644 * y**3
    return 2.030 - 0.824 * (x - 3.007) + C3 * bump + C4 * rise, 4.717 * (x - 3.007)


@cache
@torch.inference_mode(False)
def _knots(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Anchors in x, 1/µm, and their second-derivative matrix; kept, as a copy to a GPU is slow.

    Made outside inference mode, as what is kept may take part in a gradient later.
    """
    positions = 1e4 / torch.tensor(ANCHOR_WAVELENGTHS, dtype=dtype, device=device)
    return positions, second_derivative_matrix(positions)
