"""Inference from selected samples: exact benchmarks, neural estimators, batched posteriors."""

from sntorch.sbi.ensemble import EnsembleDraws, EnsembleSettings, sample
from sntorch.sbi.exact import SummaryLikelihood
from sntorch.sbi.posterior import BoxPosterior
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.summary import SummaryData, SummarySurvey
from sntorch.sbi.summary_simulator import draw_prior, simulate, simulate_exposure

__all__ = [
    "BoxPosterior",
    "BoxPrior",
    "EnsembleDraws",
    "EnsembleSettings",
    "SummaryData",
    "SummaryLikelihood",
    "SummarySurvey",
    "draw_prior",
    "sample",
    "simulate",
    "simulate_exposure",
]
