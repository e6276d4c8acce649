"""The likelihood of a survey of summarised supernovae, with what selection does to it.

With d | z, θ ~ N(η, C) (see ``summary.py``) and only supernovae kept that were detected,

    conditional    Σ_i [ln N(d_i) - ln P(detected | z_i, θ)]         redshifts as they came
    fixed_number   Σ_i ln N(d_i) - N ln β(θ)                         redshifts follow p(z)
    poisson        Σ_i ln N(d_i) - R β(θ)                            R explosions expected, R known
    unknown_rate   as fixed_number                                   R integrated over dR / R
    ignored        Σ_i ln N(d_i)                                     what is wrong

up to what does not depend on θ, with β(θ) = ∫ p(z) P(detected | z, θ) dz. (``poisson`` is that of
an inhomogeneous Poisson process, whose Σ ln R + ln p(z_i) does not depend on θ.) As stretch and
colour are distributed independently of θ, ln N(d_i) is that of the magnitude alone, given both.

Letters in shapes: as in ``summary.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.summary import SummaryData, SummarySurvey
from sntorch.sbi.taking import taken

SCHEMES = ("conditional", "fixed_number", "poisson", "unknown_rate", "ignored")
# ln P(detected | z, θ), shape (B, C, N), of z (N,) or (B, N) and θ (B, C, 5).
LogSelection = Callable[[Tensor, Tensor], Tensor]


class SummaryLikelihood:
    """ln p(survey | θ) for B surveys at C points each.

    Args:
        survey: What was observed.
        data: The surveys.
        scheme: One of ``SCHEMES``.
        log_selection: ln P(detected | z, θ); that of the survey where None is given.
        rate: Expected number of explosions of a survey, for ``poisson``.

    Raises:
        ConfigError: An unknown scheme, an empty survey, or a rate that is missing or in vain.
    """

    def __init__(
        self,
        survey: SummarySurvey,
        data: SummaryData,
        scheme: str = "fixed_number",
        log_selection: LogSelection | None = None,
        rate: float | None = None,
    ) -> None:
        if scheme not in SCHEMES:
            raise ConfigError(f"scheme {scheme}: one of {', '.join(SCHEMES)} is accepted")
        if (rate is not None) != (scheme == "poisson"):
            raise ConfigError(f"scheme {scheme}: a rate is for poisson, which needs one")
        if not bool(data.mask.any(1).all()):
            raise ConfigError("a survey has no supernova: there is nothing to infer from")
        self.survey, self.scheme, self.rate = survey, scheme, rate
        self.log_selection = survey.log_selection if log_selection is None else log_selection
        self.number = data.mask.sum(1).double()
        self.mask, self.z = data.mask, data.redshift
        self._prepare(data)

    def __len__(self) -> int:
        return len(self.z)

    def __call__(self, theta: Tensor) -> Tensor:
        """ln p up to a constant, shape (B, C), of θ (B, C, 5)."""
        return self.log_normal(theta) - self.log_selected(theta)

    def log_normal(self, theta: Tensor) -> Tensor:
        """Σ ln N(d), shape (B, C)."""
        om0, m0, alpha, beta, sigma_int = theta.unbind(-1)
        slopes = torch.stack([m0, -alpha, beta, torch.ones_like(m0)], -1)
        coefficients = self.survey.distances.coefficients(om0)
        residual = torch.cat([coefficients, slopes], -1) @ self.mean_features
        scatter = torch.stack([sigma_int**2, alpha**2, beta**2, torch.ones_like(m0)], -1)
        variance = scatter @ self.variance_features
        terms = -(residual**2 / variance + variance.log()) / 2
        return (terms * self.mask[:, None]).sum(-1)

    def log_selected(self, theta: Tensor) -> Tensor:
        """What selection takes away, shape (B, C)."""
        if self.scheme == "ignored":
            return theta.new_zeros(theta.shape[:-1])
        if self.scheme == "conditional":
            return (self.log_selection(self.z, theta) * self.mask[:, None]).sum(-1)
        log_beta = self.log_detectable(theta)
        if self.rate is not None:
            return self.rate * log_beta.exp()
        return self.number[:, None] * log_beta

    def log_detectable(self, theta: Tensor) -> Tensor:
        """ln β(θ), shape (B, C)."""
        z, weight = self.survey.nodes
        return (self.log_selection(z, theta) + weight.log()).logsumexp(-1)

    def take(self, index: Tensor) -> Self:
        """That of the chosen surveys."""
        names = ("number", "mask", "z", "mean_features", "variance_features")
        return taken(self, index, *names)

    def _prepare(self, data: SummaryData) -> None:
        """Of what residual and variance are linear combinations, shape (B, K, N)."""
        survey, (m, x, c) = self.survey, data.data.unbind(-1)
        w_m, w_x, w_c = (sd**2 for sd in survey.noise_sd(self.z))
        share_x = survey.sigma_x**2 / (survey.sigma_x**2 + w_x)
        share_c = survey.sigma_c**2 / (survey.sigma_c**2 + w_c)
        # Best guesses of the true stretch and colour, shrunk to the population's means.
        best_x = survey.x0 + share_x * (x - survey.x0)
        best_c = survey.c0 + share_c * (c - survey.c0)
        rest = 5 * torch.log10(self.z) - m
        basis = self.survey.distances.basis(self.z).mT
        linear = torch.stack([torch.ones_like(m), best_x, best_c, rest], 1)
        self.mean_features = torch.cat([basis, linear], 1)
        left_x = survey.sigma_x**2 * (1 - share_x)
        left_c = survey.sigma_c**2 * (1 - share_c)
        self.variance_features = torch.stack([torch.ones_like(m), left_x, left_c, w_m], 1)


def scores(likelihood: SummaryLikelihood, theta: Tensor) -> Tensor:
    """Gradient of ln p at one point for each survey, shape (B, 5), of θ (B, 5)."""
    with torch.enable_grad():
        point = theta.detach()[:, None].requires_grad_()
        (found,) = torch.autograd.grad(likelihood(point).sum(), point)
    return found[:, 0]
