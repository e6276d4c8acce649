"""Benchmark B1: summarised supernovae with a magnitude limit, in four schemes of observation.

The model and its exact answer are those of ``sntorch.sbi.summary`` and ``sntorch.sbi.exact``. With
``FLOWSN`` as its survey the numbers are those of FlowSN's analytical model (Boyd et al. 2026,
arXiv:2603.11165), without its drift of colour with redshift.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from sntorch.errors import ConfigError, SntorchWarning
from sntorch.sbi.benchmarks.protocol import FAINTER, NETWORK_PRIOR
from sntorch.sbi.exact import SCHEMES, LogSelection, SummaryLikelihood
from sntorch.sbi.inference import EfficiencyInference, LikelihoodInference, NetworkInference
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.simulated import TESTED
from sntorch.sbi.summary import FIDUCIAL, PRIOR, SummaryData, SummarySurvey
from sntorch.sbi.summary_simulator import simulate, simulate_exposure

if TYPE_CHECKING:
    from sntorch.sbi.estimator import PosteriorEstimator

FLOWSN_FIDUCIAL = (0.315, -19.365, 0.14, 3.1, 0.1)
OF_EXPOSURE = ("poisson", "unknown_rate")
# Learnt terms are evaluated at a thousand points for each θ.
AT_ONCE = 4


@dataclass(frozen=True)
class SummaryBenchmark:
    """B1.

    Attributes:
        survey: What is observed.
        prior: Of the parameters.
        fiducial: A typical universe.
        scheme: One of ``sntorch.sbi.exact.SCHEMES`` but ``ignored``.
        n: Supernovae in a survey; in ``poisson`` and ``unknown_rate`` expected ones at the
            fiducial parameters.
    """

    survey: SummarySurvey = field(default_factory=SummarySurvey)
    prior: BoxPrior = PRIOR
    fiducial: tuple[float, ...] = FIDUCIAL
    scheme: str = "fixed_number"
    n: int = 100

    def __post_init__(self) -> None:
        object.__setattr__(self, "prior", BoxPrior.of(self.prior))
        known = [name for name in SCHEMES if name != "ignored"]
        if self.scheme not in known:
            raise ConfigError(
                f"benchmark.scheme={self.scheme}: one of {', '.join(known)} is accepted"
            )
        if not isinstance(self.n, int) or self.n < 1:
            raise ConfigError(f"benchmark.n={self.n}: 1 supernova or more is accepted")

    def describe(self) -> str:
        """What is simulated, in one sentence."""
        survey = self.survey
        return (
            f"B1: surveys of {self.n} summarised supernovae, {survey.z_low} < z < {survey.z_high},"
            f" magnitude limit {survey.m_limit} with width {survey.sigma_limit}; {self.scheme}"
        )

    def within(self, prior: BoxPrior) -> Self:
        """The same with another prior."""
        return replace(self, prior=prior)

    def simulate(self, theta: Tensor, seed: int, first: int = TESTED) -> SummaryData:
        """One survey of each row of θ, shape (B, 5); none that a method was trained on."""
        if self.scheme in OF_EXPOSURE:
            return simulate_exposure(self.survey, theta, self.rate, seed, first)
        return simulate(self.survey, theta, self.n, seed, first)

    def made_wrong(self, data: SummaryData) -> SummaryData:
        """Measured magnitudes ``FAINTER``, those past the limit as well."""
        shift = data.data.new_tensor([FAINTER, 0.0, 0.0])
        return replace(data, data=data.data + shift * data.mask[..., None])

    @cached_property
    def rate(self) -> float:
        """Expected explosions, of which ``n`` are detected in the fiducial universe."""
        z, weight = self.survey.nodes
        theta = torch.tensor(self.fiducial, dtype=torch.float64)[None, None]
        return self.n / float((self.survey.log_selection(z, theta).exp() * weight).sum())

    def exact(self, scheme: str | None = None) -> LikelihoodInference:
        """The known posterior, of the benchmark's scheme or of another one."""
        scheme = scheme or self.scheme
        name = "exact" if scheme == self.scheme else f"exact, {scheme}"
        return LikelihoodInference(name, scheme, self._likelihood(scheme), self.prior)

    def ignored(self) -> LikelihoodInference:
        """The posterior of one who does not know of the magnitude limit."""
        wrong = self._likelihood("ignored")
        return LikelihoodInference("selection ignored", self.scheme, wrong, self.prior)

    def efficiency(
        self, injections: int, seed: int, progress: Callable[[float], None] | None = None
    ) -> EfficiencyInference:
        """C: P(detected | magnitude, redshift) learnt from injections."""
        from sntorch.inference.efficiency import fit_efficiency
        from sntorch.sbi.selected import LearntSelection, inject

        learnt = LearntSelection(
            self.survey, fit_efficiency(*inject(self.survey, injections, seed), seed, progress)
        )
        return EfficiencyInference(
            name="C: learnt efficiency",
            scheme=self.scheme,
            likelihood=self._likelihood(self.scheme, learnt),
            prior=self.prior,
            at_once=AT_ONCE,
            selection=learnt,
        )

    def selected_flow(
        self,
        batch: int,
        steps: int,
        seed: int,
        path: str | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> LikelihoodInference:
        """B: p(d | z, θ, selected) by a flow; redshifts are taken as they came.

        Raises:
            ConfigError: One that was trained for another survey, or in a part of the prior.
            CheckpointError: No such flow at ``path``.
        """
        from sntorch.sbi.selected_flow import FlowLikelihood, SelectedFlow, fit_selected_flow

        if path is None:
            flow = fit_selected_flow(self.survey, self.prior, batch, seed, progress, steps=steps)
        else:
            flow = SelectedFlow.from_pretrained(path)
            self._check_survey(path, flow.survey)
            self._check_prior(path, flow.prior)
        return LikelihoodInference(
            "B: learnt likelihood",
            "conditional",
            lambda data: FlowLikelihood(flow, data),
            self.prior,
            AT_ONCE,
        )

    def network(self, path: str, estimator: PosteriorEstimator) -> NetworkInference:
        """A: a trained ratio or flow of whole surveys, within whose prior surveys are drawn.

        Its simulations had numbers of supernovae that tell nothing, as ``fixed_number`` has. Of
        one that does not say how many, a warning is given.

        Raises:
            ConfigError: One of another prior, survey, or number of supernovae.
        """
        self.prior.check_network(path, estimator.prior, NETWORK_PRIOR)
        facts = estimator.trained_on or {}
        if "survey" in facts:
            self._check_survey(path, SummarySurvey.of(facts["survey"]))
            self._check_number(path, *facts["n"])
        else:
            self._check_survey(path, getattr(estimator.embedding.encoder, "survey", None))
            warnings.warn(
                f"{path}: does not say how many supernovae the surveys that it learnt have; its "
                "posterior is right only for so many",
                SntorchWarning,
                stacklevel=2,
            )
        scheme = self.scheme if self.scheme == "unknown_rate" else "fixed_number"
        return NetworkInference(f"A: {path}", scheme, estimator)

    def _check_number(self, path: str, least: int, largest: int) -> None:
        one_size = least == largest and self.scheme in OF_EXPOSURE
        if one_size or not least <= self.n <= largest:
            raise ConfigError(
                f"{path}: learnt surveys of {least} to {largest} supernovae; benchmark.n={self.n}"
                f"{', and numbers that vary' * one_size}"
            )

    def _check_prior(self, path: str, prior: BoxPrior | None) -> None:
        if prior is None:
            warnings.warn(
                f"{path}: does not say which prior it learnt in; beyond that it is no likelihood",
                SntorchWarning,
                stacklevel=3,
            )
        elif not prior.contains(self.prior):
            raise ConfigError(
                f"{path}: its prior {prior.told_from(self.prior)}; a benchmark in a part of the "
                "prior that it learnt in is accepted"
            )

    def _check_survey(self, path: str, survey: SummarySurvey | None) -> None:
        own = self.survey.settings()
        there = {} if survey is None else survey.settings()
        off = (f"{key}={there.get(key)} (here {own[key]})" for key in own)
        told = [text for key, text in zip(own, off, strict=True) if there.get(key) != own[key]]
        if told:
            raise ConfigError(
                f"{path}: learnt surveys with {', '.join(told)}; one of this benchmark's survey "
                "is accepted"
            )

    def _likelihood(
        self, scheme: str, learnt: LogSelection | None = None
    ) -> Callable[[SummaryData], SummaryLikelihood]:
        rate = self.rate if scheme == "poisson" else None
        return lambda data: SummaryLikelihood(self.survey, data, scheme, learnt, rate)
