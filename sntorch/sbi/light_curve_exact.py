"""The likelihood of a survey of light curves that passed cuts, exact up to a quadrature.

For a supernova of the bank's member k that was kept,

    ln p = ln ∫ N(δ; Δ_k, σ_int²) Π N(f; 10^(-0.4 δ) s_k, σ_k²) dδ
         - ln ∫ N(δ; Δ_k, σ_int²) P(kept | δ, k) dδ,

Δ_k as ``light_curve_survey.py`` has it, redshift and epochs as they were.

Letters in shapes: as there; ``C`` points θ.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from sntorch.data.magnitudes import LN_PER_MAG
from sntorch.errors import ConfigError
from sntorch.sbi.light_curve_survey import LightCurveSurvey, LightCurveSurveys
from sntorch.sbi.taking import taken

# Nodes about the offset that fits a light curve best, over so many standard errors on both sides.
NODES, WIDTHS = 121, 6.5
# Fainter light curves do not bound their brightness from below.
FAINTEST = 6.0


class LightCurveLikelihood:
    """ln p(survey | θ) of B surveys at C points each, by quadrature over every supernova's δ.

    Args:
        survey: What was observed.
        data: The surveys.
        scheme: "conditional" on the redshifts and epochs that were kept, or "ignored" selection.

    Raises:
        ConfigError: An unknown scheme, or light curves that hardly show anything.
    """

    def __init__(
        self, survey: LightCurveSurvey, data: LightCurveSurveys, scheme: str = "conditional"
    ) -> None:
        if scheme not in ("conditional", "ignored"):
            raise ConfigError(f"scheme {scheme}: conditional or ignored is accepted")
        self.survey, self.scheme, self.member = survey, scheme, data.member
        expected, batch = survey.expected[data.member.flatten()], data.batch
        weight = torch.where(batch.mask, batch.flux_err.double() ** -2, 0.0)
        linear = (weight * batch.flux * expected.flux).sum(1).reshape(data.member.shape)
        square = (weight * expected.flux.double() ** 2).sum(1).reshape(data.member.shape)
        snr = linear / square.sqrt()
        _check_bright(snr)
        best = -2.5 * torch.log10(linear / square)
        places = torch.linspace(-WIDTHS, WIDTHS, NODES, dtype=torch.float64)
        self.offsets = best[..., None] + places / (LN_PER_MAG * snr)[..., None]
        brightness = 10 ** (-0.4 * self.offsets)
        found = linear[..., None] * brightness - square[..., None] * brightness**2 / 2
        # Up to a constant of each supernova, so that exponentials neither over- nor underflow.
        self.log_photometry = found - found.amax(-1, keepdim=True)
        self.log_kept = survey.log_kept[data.member]

    def __len__(self) -> int:
        return len(self.member)

    def __call__(self, theta: Tensor) -> Tensor:
        """ln p up to a constant, shape (B, C), of θ (B, C, 3)."""
        mean = self.survey.mean_offset(self.member, theta)
        sigma = theta[..., 2][..., None]
        found = _average(self.log_photometry, self.offsets[:, None], mean, sigma)
        if self.scheme == "conditional":
            found = found - _average(self.log_kept, self.survey.offsets, mean, sigma)
        return found.sum(-1)

    def take(self, index: Tensor) -> Self:
        """That of the chosen surveys."""
        return taken(self, index, "member", "offsets", "log_photometry", "log_kept")


def _average(log_value: Tensor, offset: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
    """ln ∫ N(δ; mean, σ²) exp(value) dδ, shape (B, C, N), by values at evenly spaced offsets.

    Args:
        log_value: shape (B, N, G).
        offset: Where they are, shape (G,) or (B, 1, N, G).
        mean: shape (B, C, N).
        sigma: shape (B, C, 1).
    """
    step = offset[..., 1] - offset[..., 0]
    distance = (offset - mean[..., None]) / sigma[..., None]
    log_weight = torch.log(step / (sigma * (2 * torch.pi) ** 0.5))
    return (log_value[:, None] - distance**2 / 2).logsumexp(-1) + log_weight


def _check_bright(snr: Tensor) -> None:
    """Refuse light curves that hardly show anything, by S/N of the whole, shape (B, N)."""
    if float(snr.min()) < FAINTEST:
        raise ConfigError(
            f"a light curve has a signal-to-noise ratio of {float(snr.min()):.1f} as a whole; its "
            f"exact likelihood needs {FAINTEST:g} at least, so take a stricter cut"
        )
