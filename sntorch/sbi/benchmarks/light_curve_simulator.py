"""Surveys of benchmark B2 for training a network: other ones in every batch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

from torch import Tensor

from sntorch.sbi.benchmarks.light_curves import LightCurveBenchmark
from sntorch.sbi.light_curve_survey import LightCurveSurveys, simulate_light_curves
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.summary_simulator import draw_prior


@dataclass(frozen=True)
class LightCurveSimulator:
    """Pairs of parameters and surveys of light curves that passed the benchmark's cut.

    Attributes:
        benchmark: What is observed and kept, how many supernovae a survey has, and the prior.
        seed: Any integer.
    """

    benchmark: LightCurveBenchmark = field(default_factory=LightCurveBenchmark)
    seed: int = 0

    @property
    def prior(self) -> BoxPrior:
        """Of the parameters."""
        return self.benchmark.prior

    def __call__(self, first: int, count: int) -> tuple[Tensor, LightCurveSurveys]:
        """Parameters, shape (B, 3), and surveys ``first`` … ``first + count - 1``."""
        theta = draw_prior(self.prior, count, self.seed, first)
        benchmark = self.benchmark
        return theta, simulate_light_curves(benchmark.survey, theta, benchmark.n, self.seed, first)

    def within(self, prior: BoxPrior) -> Self:
        """The same with another prior."""
        return replace(self, benchmark=self.benchmark.within(prior))

    def facts(self) -> dict[str, Any]:
        """What is observed and kept."""
        return self.benchmark.facts()
