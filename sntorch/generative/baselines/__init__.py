"""Generators without a neural network: what any network has to beat.

All keep the contract of ``GenerativeModel``; ``fit`` takes a batch of training objects. They hold
the training set, and with several classes they draw each as often as it occurs, or only the one
that ``condition={"type": ...}`` names.
"""

from sntorch.generative.baselines.base import Baseline
from sntorch.generative.baselines.bootstrap import Bootstrap
from sntorch.generative.baselines.gaussian_process import GaussianProcessResampling
from sntorch.generative.baselines.jitter import Jitter
from sntorch.generative.baselines.parametric import ParametricPopulation

__all__ = [
    "Baseline",
    "Bootstrap",
    "GaussianProcessResampling",
    "Jitter",
    "ParametricPopulation",
]
