"""Surveys of light curves with cuts on numbers of detections, of which the posterior is known.

Benchmark B2. Supernovae differ in brightness alone: their light curves, redshifts and epochs come
from a bank of simulated candidates with the expected fluxes s_k and errors σ_k, and a supernova of
grey offset δ (mag, larger is fainter) is measured as

    f_k ~ N(10^(-0.4 δ) s_k, σ_k²),   δ ~ N(ΔM + μ(z; Ω_m) - μ(z; Ω_m of the bank), σ_int²).

A survey keeps those that pass a cut on what was measured (``sntorch.simulation.selection``). As
the cut is a function of the same fluxes as the likelihood, only the probability to pass enters,
and that of cuts on numbers of detections is exact. θ = (Ω_m, ΔM, σ_int).

Letters in shapes: ``K`` members of the bank, ``B`` surveys, ``N`` supernovae in each, ``T``
observations of each, ``G`` offsets at which probabilities are tabulated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.physics.cosmology import Cosmology
from sntorch.sbi.distances import DistanceModuli
from sntorch.sbi.filling import Filling
from sntorch.sbi.prior import BoxPrior, check_rows
from sntorch.simulation.sample import SimulatedSample
from sntorch.simulation.selection import Cut
from sntorch.simulation.streams import Streams

PARAMETERS = ("om0", "delta_m", "sigma_int")
PRIOR = BoxPrior(PARAMETERS, (0.05, -0.5, 0.05), (0.7, 0.5, 0.35))
# Beyond the largest shift of the prior and four of its largest σ_int.
REACH, STEP = 2.4, 0.04
MOST_AT_ONCE = 5_000
# Candidates of one survey have numbers of their own below this, surveys of one stream below that.
CANDIDATES, SURVEYS = 2**32, 2**30


class LightCurveSurvey:
    """What is observed, and what is kept.

    Args:
        bank: Candidates before any selection, simulated without scatter in brightness.
        cut: What a survey keeps; it has a ``log_prob``.
        om0: Matter density of the flat universe that the bank was simulated in.
        h0: Hubble constant, km/s/Mpc.

    Attributes:
        expected: The bank's observations without noise, K objects.
        log_kept: ln P(kept) of each member at each offset, shape (K, G).

    Raises:
        ConfigError: A cut of which the probability is not known in closed form.
    """

    def __init__(
        self, bank: SimulatedSample, cut: Cut, om0: float = 0.3, h0: float = 70.0
    ) -> None:
        self.cut, self.expected, self.truth = cut, bank.expected, bank.truth
        self.redshift = bank.truth["redshift"].double()
        low, high = float(self.redshift.min()), float(self.redshift.max())
        self.distances = DistanceModuli(low, high, h0)
        self.reference = Cosmology(h0=h0, om0=om0).distmod(self.redshift)
        self.offsets = torch.arange(-REACH, REACH + STEP / 2, STEP, dtype=torch.float64)
        columns = [cut.log_prob(self.at(float(offset)), bank.truth) for offset in self.offsets]
        self.log_kept = torch.stack(columns, 1).double()

    def at(self, offset: float) -> LightCurveBatch:
        """Expected observations of the whole bank at one offset, mag."""
        return replace(self.expected, flux=self.expected.flux * 10 ** (-0.4 * offset))

    def mean_offset(self, member: Tensor, theta: Tensor) -> Tensor:
        """Mean of δ, shape (B, C, N), of members (B, N) and θ (B, C, 3)."""
        z = self.redshift[member]
        mu = self.distances.coefficients(theta[..., 0]) @ self.distances.basis(z).mT
        smooth = mu + 5 * torch.log10(z)[:, None] - self.reference[member][:, None]
        return smooth + theta[..., 1:2]


@dataclass
class LightCurveSurveys:
    """Surveys of N kept supernovae each.

    Attributes:
        batch: The observations, B · N objects, survey by survey.
        member: Which of the bank each is, shape (B, N).
        n_candidates: How many were looked at for them, shape (B,).
    """

    batch: LightCurveBatch
    member: Tensor
    n_candidates: Tensor

    def __len__(self) -> int:
        return len(self.member)

    @property
    def mask(self) -> Tensor:
        """Which are supernovae, shape (B, N): all of them."""
        return torch.ones_like(self.member, dtype=torch.bool)

    def to(self, device: torch.device | str) -> Self:
        """The same on a device."""
        return replace(
            self,
            batch=self.batch.to(device),
            member=self.member.to(device),
            n_candidates=self.n_candidates.to(device),
        )

    def take(self, index: Tensor) -> Self:
        """The chosen surveys."""
        n = self.member.shape[1]
        objects = (index[:, None] * n + torch.arange(n, device=index.device)).flatten()
        return replace(
            self,
            batch=self.batch[objects],
            member=self.member[index],
            n_candidates=self.n_candidates[index],
        )


def simulate_light_curves(
    survey: LightCurveSurvey, theta: Tensor, n: int, seed: int, first: int = 0
) -> LightCurveSurveys:
    """Surveys of ``n`` kept supernovae, every candidate reproducible.

    Args:
        survey: What is observed.
        theta: Parameters of each survey, shape (B, 3), float64.
        n: Number of supernovae, at least 1.
        seed: Any integer.
        first: Number of the first survey; the b-th is number ``first + b`` of the seed.

    Raises:
        ConfigError: An empty survey, parameters that are not three, or a selection that keeps next
            to nothing.
    """
    check_rows(theta, PARAMETERS)
    filling = Filling(len(theta), n)
    member = torch.zeros(len(theta), n, dtype=torch.int64)
    flux = survey.expected.flux.new_zeros(len(theta), n, survey.expected.flux.shape[1])
    for surveys, counts in filling.rounds(MOST_AT_ONCE):
        owner, number = filling.candidates(surveys, counts)
        chosen, batch = _candidates(survey, theta, seed, first, owner, number)
        kept = survey.cut.keep(batch, {k: v[chosen] for k, v in survey.truth.items()})
        seat, row = filling.add(surveys, counts, owner, kept)
        member[seat], flux[seat] = chosen[row], batch.flux[row]
    batch = survey.expected[member.flatten()]
    batch = replace(
        batch,
        flux=flux.flatten(0, 1),
        object_id=_names(seed, first, member.shape),
        noiseless=False,
    )
    return LightCurveSurveys(batch, member, filling.last)


def _candidates(
    survey: LightCurveSurvey,
    theta: Tensor,
    seed: int,
    first: int,
    owner: Tensor,
    number: Tensor,
) -> tuple[Tensor, LightCurveBatch]:
    """Member of the bank, shape (M,), and measurements of candidates with numbers of their own."""
    # Numbers of surveys may be larger than what is left for them: the rest names the stream.
    block, start = divmod(first, SURVEYS)
    streams = Streams(seed, (start + owner) * CANDIDATES + number, f"b2/{block}/")
    chosen = (streams.uniform("member") * len(survey.redshift)).long()
    mean = survey.mean_offset(chosen[:, None], theta[owner, None])[:, 0, 0]
    offset = mean + theta[owner, 2] * streams.normal("offset")
    batch = survey.expected[chosen]
    noise = streams.normal("noise", batch.flux.shape[1]).to(batch.flux)
    true = batch.flux * (10 ** (-0.4 * offset))[:, None].to(batch.flux)
    measured = torch.where(batch.mask, true + batch.flux_err * noise, 0.0)
    return chosen, replace(batch, flux=measured, noiseless=False)


def _names(seed: int, first: int, shape: torch.Size) -> list[str]:
    return [f"b2-{seed}-{first + b}-{i}" for b in range(shape[0]) for i in range(shape[1])]
