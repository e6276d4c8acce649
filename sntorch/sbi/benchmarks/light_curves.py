"""Benchmark B2: light curves with a cut on numbers of detections, and its exact normaliser.

The model and its exact answer are those of ``sntorch.sbi.light_curve_survey`` and
``sntorch.sbi.light_curve_exact``. The bank is of SNe Ia by BayeSN T21, all of one shape, in a
shallow griz survey.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, Self

from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.physics.cosmology import Cosmology
from sntorch.sbi.benchmarks.protocol import FAINTER, NETWORK_PRIOR
from sntorch.sbi.inference import LikelihoodInference, NetworkInference
from sntorch.sbi.light_curve_exact import LightCurveLikelihood
from sntorch.sbi.light_curve_survey import (
    PRIOR,
    LightCurveSurvey,
    LightCurveSurveys,
    simulate_light_curves,
)
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.simulated import TESTED
from sntorch.simulation import (
    BandDepth,
    BayeSNSource,
    Constant,
    DetectionsAroundPeak,
    IndependentPopulation,
    MinDetections,
    NoiseModel,
    ParametricSurvey,
    Simulator,
    Visits,
    VolumetricRedshift,
)
from sntorch.simulation.selection import Cut

if TYPE_CHECKING:
    from sntorch.sbi.estimator import PosteriorEstimator

BANDS = ("desg", "desr", "desi", "desz")
ONE_SHAPE = {"theta": 0.0, "av": 0.1, "rv": 2.6, "delta_m": 0.0}
FIDUCIAL = (0.3, 0.0, 0.12)
COSMOLOGY = Cosmology(h0=70.0, om0=FIDUCIAL[0])
# Of the candidates about half are kept.
DEPTH, ZEROPOINT = 20.9, 32.0
CUT = MinDetections(5, 5.0) & DetectionsAroundPeak(1, 2, 5.0)
ONLY = "benchmark b2: methods exact and ignored, and networks (ckpt=) are accepted"


def bank_simulator(
    depth: float = DEPTH, one_shape: bool = True, cut: Cut | None = None
) -> Simulator:
    """SNe Ia by BayeSN T21 in a shallow griz survey.

    Args:
        depth: 5 σ limiting magnitude of a visit.
        one_shape: Whether all are alike, as a bank needs it, or scatter as they do.
        cut: What is kept; a bank keeps everything.
    """
    survey = ParametricSurvey(
        name="b2",
        depths={band: BandDepth(depth, ZEROPOINT) for band in BANDS},
        visits=[Visits(BANDS, 5.0, jitter=0.8, delay=0.1)],
        phases=(-10, 40),
    )
    fixed = {name: Constant(value) for name, value in ONE_SHAPE.items()} if one_shape else {}
    population = IndependentPopulation(
        "Ia",
        VolumetricRedshift(0.03, 0.28),
        fixed,
        cosmology=COSMOLOGY,
    )
    source = BayeSNSource("t21", epsilon=not one_shape, wave_range=(2900, 10300))
    return Simulator(source, population, survey, NoiseModel(), cut)


@dataclass(frozen=True)
class LightCurveBenchmark:
    """B2.

    Attributes:
        cut: What a survey keeps; it has a ``log_prob``.
        prior: Of the parameters.
        fiducial: A typical universe.
        n: Supernovae in a survey.
        n_bank: Candidates in the bank.
        depth: 5 σ limiting magnitude of a visit.
        bank_seed: Of the bank.
        scheme: Redshifts and epochs are always taken as they came.
    """

    cut: Cut = CUT
    prior: BoxPrior = PRIOR
    fiducial: tuple[float, ...] = FIDUCIAL
    n: int = 100
    n_bank: int = 1_000
    depth: float = DEPTH
    bank_seed: int = 1
    scheme: str = "conditional"

    def __post_init__(self) -> None:
        object.__setattr__(self, "prior", BoxPrior.of(self.prior))
        if self.scheme != "conditional":
            raise ConfigError(f"benchmark.scheme={self.scheme}: b2 is conditional")
        for name in ("n", "n_bank"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"benchmark.{name}={value}: 1 or more is accepted")

    @cached_property
    def survey(self) -> LightCurveSurvey:
        """What is observed and kept."""
        bank = bank_simulator(self.depth).candidates(self.bank_seed, 0, self.n_bank)
        return LightCurveSurvey(bank, self.cut, om0=FIDUCIAL[0])

    def describe(self) -> str:
        """What is simulated, in one sentence."""
        return (
            f"B2: surveys of {self.n} light curves from a bank of {self.n_bank}; kept: {self.cut}"
        )

    def within(self, prior: BoxPrior) -> Self:
        """The same with another prior."""
        return replace(self, prior=prior)

    def simulate(self, theta: Tensor, seed: int, first: int = TESTED) -> LightCurveSurveys:
        """One survey of each row of θ, shape (B, 3); none that a method was trained on."""
        return simulate_light_curves(self.survey, theta, self.n, seed, first)

    def made_wrong(self, data: LightCurveSurveys) -> LightCurveSurveys:
        """Measured fluxes ``FAINTER`` with errors as they were, detections lost as well."""
        flux = data.batch.flux * 10 ** (-0.4 * FAINTER)
        return replace(data, batch=replace(data.batch, flux=flux))

    def exact(self, scheme: str | None = None) -> LikelihoodInference:
        """The known posterior."""
        return self._inference("exact", "conditional")

    def ignored(self) -> LikelihoodInference:
        """The posterior of one who does not know of the cut."""
        return self._inference("selection ignored", "ignored")

    def efficiency(
        self, injections: int, seed: int, progress: Callable[[float], None] | None = None
    ) -> NoReturn:
        """Not supported."""
        raise ConfigError(f"{ONLY}; no efficiency is learnt from injections of light curves")

    def selected_flow(
        self,
        batch: int,
        steps: int,
        seed: int,
        path: str | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> NoReturn:
        """Not supported."""
        raise ConfigError(f"{ONLY}; there is no learnt likelihood of a light curve")

    def network(self, path: str, estimator: PosteriorEstimator) -> NetworkInference:
        """A: a trained ratio or flow of whole surveys of light curves.

        Raises:
            ConfigError: One of another prior, or that learnt other surveys.
        """
        self.prior.check_network(path, estimator.prior, NETWORK_PRIOR)
        facts, own = estimator.trained_on or {}, self.facts()
        for key, value in own.items():
            if facts.get(key) != value:
                raise ConfigError(
                    f"{path}: learnt surveys with {key}={facts.get(key)}; this benchmark has "
                    f"{key}={value}"
                )
        return NetworkInference(f"A: {path}", self.scheme, estimator)

    def facts(self) -> dict[str, Any]:
        """What is observed and kept, in plain types."""
        return {
            "cut": str(self.cut),
            "n": self.n,
            "n_bank": self.n_bank,
            "depth": self.depth,
            "bank_seed": self.bank_seed,
        }

    def _inference(self, name: str, scheme: str) -> LikelihoodInference:
        return LikelihoodInference(
            name,
            "conditional",
            lambda data: LightCurveLikelihood(self.survey, data, scheme),
            self.prior,
        )
