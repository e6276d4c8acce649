"""How good generated light curves are: summary features, distances between samples, tests by
classifiers, memorisation, and the floors of all of them.
"""

from sntorch.features.summary import peak_magnitudes, summary_features
from sntorch.generative.evaluate.distances import ks_distance, wasserstein_distance
from sntorch.generative.evaluate.impossible import impossible, impossible_counts
from sntorch.generative.evaluate.memorisation import Memorisation, memorisation
from sntorch.generative.evaluate.quick import quick_metrics
from sntorch.generative.evaluate.raw_copies import nearest_light_curve
from sntorch.generative.evaluate.report import evaluate_generator

__all__ = [
    "Memorisation",
    "evaluate_generator",
    "impossible",
    "impossible_counts",
    "ks_distance",
    "memorisation",
    "nearest_light_curve",
    "peak_magnitudes",
    "quick_metrics",
    "summary_features",
    "wasserstein_distance",
]
