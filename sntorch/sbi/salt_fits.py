"""Surveys of supernovae as SALT fits of their light curves summarise them.

As in ``tripp.py``, but every supernova of every survey has a redshift and a covariance of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor, nn

from sntorch.data.batch import LightCurveBatch
from sntorch.data.magnitudes import POGSON
from sntorch.errors import DataError
from sntorch.physics.cosmology import Cosmology
from sntorch.physics.salt.photometry import X0, X1, C
from sntorch.sbi.encoders import n_products, products
from sntorch.sbi.taking import taken
from sntorch.sbi.tripp_learning import FIDUCIAL, shown
from sntorch.simulation.salt.result import SALTFit

SHOWN = (X0, X1, C)
# Of a standardised magnitude by its fit alone, mag.
TYPICAL_ERROR = 0.02


@dataclass
class SALTFits:
    """B surveys of at most N supernovae each.

    Attributes:
        redshift: shape (B, N).
        mu: Distance moduli, shape (B, N).
        data: m_B, x1 and c, shape (B, N, 3).
        covariance: Of them by the fit, shape (B, N, 3, 3); the redshift's error is not in it.
        mask: Which are supernovae, shape (B, N), bool.
        n_candidates: How many exploded for them, shape (B,); what a survey does not tell.
    """

    redshift: Tensor
    mu: Tensor
    data: Tensor
    covariance: Tensor
    mask: Tensor
    n_candidates: Tensor

    def __len__(self) -> int:
        return len(self.redshift)

    @classmethod
    def one(
        cls,
        fit: SALTFit,
        kept: Tensor,
        batch: LightCurveBatch,
        zero: float,
        cosmology: Cosmology,
    ) -> Self:
        """The survey of the supernovae that were fitted and kept.

        Args:
            fit: Of the supernovae of ``batch``.
            kept: Which are kept, bool: ``SALTFitCut.accepts`` of the cut that was simulated.
            batch: Their light curves, with redshifts.
            zero: m_B of x0 = 1, see ``rest_blue_magnitude``.
            cosmology: Gives the distances.

        Raises:
            DataError: None is kept.
        """
        rows = (kept & fit.converged & (fit.parameters[:, X0] > 0)).nonzero()[:, 0]
        if not len(rows):
            raise DataError(f"none of {len(batch)} SALT fits is kept: no survey")
        z = batch.redshift[rows].double()
        data, covariance = magnitudes(fit, rows, zero)
        parts = (z, cosmology.distmod(z), data, covariance, torch.ones_like(z, dtype=torch.bool))
        return cls(*(part[None] for part in parts), n_candidates=torch.tensor([len(batch)]))

    def take(self, index: Tensor) -> Self:
        """The chosen surveys."""
        return taken(self, index, *(f.name for f in fields(self)))

    def to(self, device: torch.device | str) -> Self:
        """The same on a device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})


def magnitudes(fit: SALTFit, rows: Tensor, zero: float) -> tuple[Tensor, Tensor]:
    """m_B, x1 and c of chosen fits, shape (M, 3), and their covariance, shape (M, 3, 3)."""
    theta, covariance = fit.parameters[rows].double(), fit.covariance[rows].double()
    scale = torch.ones_like(theta[:, SHOWN])
    scale[:, 0] = -POGSON / theta[:, X0]
    data = theta[:, SHOWN].clone()
    data[:, 0] = zero - 2.5 * torch.log10(theta[:, X0])
    block = covariance[:, SHOWN][:, :, SHOWN]
    return data, block * scale[:, :, None] * scale[:, None]


class SALTFitEncoder(nn.Module):
    """What a set embedding sees of each supernova: the fit, its errors, products of any two."""

    def __init__(self) -> None:
        super().__init__()
        self.n_outputs = n_products(8)

    def forward(self, x: SALTFits) -> Tensor:
        """Features of order one, shape (B, N, F), float32; 0 where there is no supernova."""
        _, alpha, beta = FIDUCIAL
        direction = x.data.new_tensor([1.0, alpha, -beta])
        error = ((x.covariance @ direction) @ direction).clamp(min=1e-12).sqrt()
        columns = shown(x.redshift, x.mu, x.data, x.covariance)
        # Of the standardised magnitude, by the fit alone: errors of m, x1 and c are correlated.
        columns = torch.cat([columns, torch.log(error / TYPICAL_ERROR)[..., None]], -1)
        return products(torch.where(x.mask[..., None], columns, 0.0).float())
