"""Inference from selected samples: exact benchmarks, neural estimators, batched posteriors."""

from typing import TYPE_CHECKING, Any

from sntorch.sbi.ensemble import EnsembleDraws, EnsembleSettings, sample
from sntorch.sbi.exact import SummaryLikelihood
from sntorch.sbi.posterior import BoxPosterior
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.summary import SummaryData, SummarySurvey
from sntorch.sbi.summary_simulator import draw_prior, simulate, simulate_exposure
from sntorch.sbi.tripp_cuts import FitCuts
from sntorch.sbi.tripp_limit import ProbitLimit
from sntorch.sbi.tripp_selection import TrippSelection

if TYPE_CHECKING:
    from sntorch.sbi.datamodule import SurveyDataModule
    from sntorch.sbi.flow import FlowModule
    from sntorch.sbi.opening import open_estimator
    from sntorch.sbi.ratio import RatioModule
    from sntorch.sbi.simulated import SummarySimulator
    from sntorch.sbi.truncation import truncated_rounds

__all__ = [
    "BoxPosterior",
    "BoxPrior",
    "EnsembleDraws",
    "EnsembleSettings",
    "FitCuts",
    "FlowModule",
    "ProbitLimit",
    "RatioModule",
    "SummaryData",
    "SummaryLikelihood",
    "SummarySimulator",
    "SummarySurvey",
    "SurveyDataModule",
    "TrippSelection",
    "draw_prior",
    "open_estimator",
    "sample",
    "simulate",
    "simulate_exposure",
    "truncated_rounds",
]

_HOME = {
    "FlowModule": "sntorch.sbi.flow",
    "RatioModule": "sntorch.sbi.ratio",
    "SummarySimulator": "sntorch.sbi.simulated",
    "SurveyDataModule": "sntorch.sbi.datamodule",
    "open_estimator": "sntorch.sbi.opening",
    "truncated_rounds": "sntorch.sbi.truncation",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: exact answers need no Lightning."""
    if name not in _HOME:
        raise AttributeError(f"module 'sntorch.sbi' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
