"""What a batched fit of SALT2 or SALT3 found."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from sntorch.simulation.salt.options import N_PARAMETERS

FITTED, NO_REDSHIFT, NO_DUST, TOO_FEW, NO_DETECTION = range(5)
REASONS = ("", "no redshift", "no Milky-Way E(B-V)", "too few points", "no detection")


@dataclass
class SALTFit:
    """What was found for B supernovae; NaN where one could not be fitted.

    Attributes:
        parameters: t0 (MJD), x0, x1, c, shape (B, 4).
        covariance: Of the same, shape (B, 4, 4).
        chi2: shape (B,).
        used: Observations that counted, shape (B, T).
        covered: Bands that the model covers at the redshift, shape (B, F).
        converged: shape (B,): at a minimum within the bounds, with a covariance.
        n_fits: How often it was fitted, shape (B,).
        reason: Index into ``REASONS`` of why it was not, shape (B,); 0: it was.
    """

    parameters: Tensor
    covariance: Tensor
    chi2: Tensor
    used: Tensor
    covered: Tensor
    converged: Tensor
    n_fits: Tensor
    reason: Tensor

    @property
    def errors(self) -> Tensor:
        """Standard deviations of the parameters, shape (B, 4)."""
        return self.covariance.diagonal(dim1=1, dim2=2).sqrt()

    @property
    def ndof(self) -> Tensor:
        """Degrees of freedom, shape (B,)."""
        return self.used.sum(-1) - N_PARAMETERS

    @property
    def probability(self) -> Tensor:
        """Of a χ² as large or larger, shape (B,); NaN without degrees of freedom."""
        half = torch.where(self.ndof > 0, self.ndof / 2, torch.nan)
        return torch.special.gammaincc(half, self.chi2 / 2)

    def to(self, device: torch.device | str) -> SALTFit:
        """The same on another device."""
        return SALTFit(*(getattr(self, f.name).to(device) for f in fields(self)))
