"""How good generated light curves are: summary features, distances, memorisation, and floors."""

from sntorch.generative.evaluate.distances import ks_distance, wasserstein_distance
from sntorch.generative.evaluate.features import impossible, peak_magnitudes, summary_features
from sntorch.generative.evaluate.memorisation import Memorisation, memorisation
from sntorch.generative.evaluate.quick import quick_metrics
from sntorch.generative.evaluate.report import evaluate_generator

__all__ = [
    "Memorisation",
    "evaluate_generator",
    "impossible",
    "ks_distance",
    "memorisation",
    "peak_magnitudes",
    "quick_metrics",
    "summary_features",
    "wasserstein_distance",
]
