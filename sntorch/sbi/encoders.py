"""What a set embedding sees of each supernova.

An encoder is any ``nn.Module`` with an attribute ``n_outputs`` that makes numbers of shape (B, N,
``n_outputs``) of surveys with a ``mask`` (B, N): a light-curve encoder may take the place of the
one here. What it makes of masked supernovae is not looked at.

Letters in shapes: ``B`` surveys, ``N`` supernovae in each, ``F`` features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sntorch.sbi.distances import polynomials
from sntorch.sbi.summary import FIDUCIAL, SummaryData, SummarySurvey

# Scatter about Tripp's relation over which residuals are of order one, mag.
SCATTER = 0.25


class SummaryEncoder(nn.Module):
    """Hubble residual, stretch and colour, their products, and each times polynomials in redshift.

    The residual is from Tripp's relation at one fiducial point: a network then has to learn only
    what is different at another θ. Sums of the products over supernovae, weighted by functions
    of redshift, are what a linear model with Gaussian noise would need.

    Args:
        survey: What is observed, or its settings; the default survey for None.
        fiducial: θ of the residual.
        terms: Number of Chebyshev polynomials in redshift.
    """

    def __init__(
        self,
        survey: SummarySurvey | Mapping[str, Any] | None = None,
        fiducial: Sequence[float] = FIDUCIAL,
        terms: int = 6,
    ) -> None:
        super().__init__()
        self.survey = SummarySurvey.of(survey or {})
        self.fiducial = tuple(float(value) for value in fiducial)
        self.terms = terms
        # The first of them is one everywhere.
        self.n_outputs = (1 + n_products(3)) * terms - 1

    def forward(self, x: SummaryData) -> Tensor:
        """Features of order one, shape (B, N, F), float32."""
        survey, (om0, m0, alpha, beta, _) = self.survey, self.fiducial
        z, (m, x1, c) = x.redshift, x.data.unbind(-1)
        universe = survey.distances.coefficients(z.new_tensor([om0]))
        mu = survey.distances.basis(z) @ universe[0] + 5 * torch.log10(z)
        residual = (m - mu - m0 + alpha * x1 - beta * c) / SCATTER
        stretch = (x1 - survey.x0) / survey.sigma_x
        colour = (c - survey.c0) / survey.sigma_c
        measured = products(torch.stack([residual, stretch, colour], -1).float())
        measured = torch.cat([torch.ones_like(measured[..., :1]), measured], -1)
        place = polynomials(z, survey.z_low, survey.z_high, self.terms).float()
        return (measured[..., None] * place[..., None, :]).flatten(-2)[..., 1:]

    def extra_repr(self) -> str:
        """Show the survey."""
        return f"{self.survey}, terms={self.terms}"


def n_products(n: int) -> int:
    """How many numbers ``products`` makes of n."""
    return n + n * (n + 1) // 2


def products(x: Tensor) -> Tensor:
    """Numbers and the products of any two of them, shape (..., n + n (n + 1) / 2), of (..., n)."""
    first, second = torch.triu_indices(x.shape[-1], x.shape[-1], device=x.device)
    return torch.cat([x, x[..., first] * x[..., second]], -1)
