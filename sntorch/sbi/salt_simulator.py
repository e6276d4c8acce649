"""Surveys simulated as light curves, cut, fitted with SALT, and cut again.

What a cosmological analysis does with a survey, with a population of its own for every survey:
supernovae of the Tripp relation explode (``tripp.py`` names the parameters), are observed in all
bands, pass cuts on their detections or do not, and are fitted; poor fits are dropped. Neither the
scatter of the fits nor the probability to be kept is known in closed form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.physics.cosmology import Cosmology
from sntorch.sbi.filling import Filling
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.salt_fits import SALTFits, magnitudes
from sntorch.sbi.summary_simulator import draw_numbers, draw_prior, number_range
from sntorch.sbi.tripp import PARAMETERS, PRIOR
from sntorch.simulation.distributions import Constant, Distribution
from sntorch.simulation.noise import NoiseModel
from sntorch.simulation.populations import Population
from sntorch.simulation.salt.source import SALTSource
from sntorch.simulation.sample import SimulatedSample
from sntorch.simulation.selection import Cut, SALTFitCut, passed
from sntorch.simulation.simulate import Simulator
from sntorch.simulation.sources import Source
from sntorch.simulation.streams import Streams
from sntorch.simulation.surveys import Survey

# Candidates of one survey have numbers of their own below this, surveys of one stream below that.
CANDIDATES, SURVEYS = 2**24, 2**38
MOST_AT_ONCE = 2_048
# Candidates a wanted supernova after which a survey is given up: light curves are dear.
PATIENCE = 500


@dataclass(frozen=True)
class TrippPopulation(Population):
    """SNe Ia of many surveys, each survey with parameters of its own.

    Attributes:
        theta: Of each survey, shape (B, 8), see ``tripp.PARAMETERS``.
        redshift: Distribution of the true redshift.
        mwebv: Distribution of the Milky Way's E(B-V), mag.
        cosmology: Gives distances.
        first: Number of the first survey in the objects' streams.
    """

    theta: Tensor
    redshift: Distribution
    mwebv: Distribution = field(default_factory=lambda: Constant(0.0))
    cosmology: Cosmology = field(default_factory=Cosmology)
    first: int = 0
    type: str = "Ia"

    @property
    def redshift_range(self) -> tuple[float, float]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Redshifts between which all but two objects in 10⁹ lie."""
        return self.redshift.extent

    def draw(self, streams: Streams, source: Source) -> dict[str, Tensor]:
        """Parameters of B objects; see ``Population.draw``. The source has no Tripp relation."""
        survey = streams.index // CANDIDATES - self.first
        m0, alpha, beta, sigma_int, x0, sigma_x, c0, sigma_c = self.theta[survey].unbind(-1)
        white = streams.normal("tripp", 3)
        redshift = self.redshift.sample(streams, "redshift")
        x1, c = x0 + sigma_x * white[:, 1], c0 + sigma_c * white[:, 2]
        return {
            "redshift": redshift,
            "distmod": self.cosmology.distmod(redshift),
            "mwebv": self.mwebv.sample(streams, "mwebv"),
            "magnitude": m0 - alpha * x1 + beta * c + sigma_int * white[:, 0],
            "x1": x1,
            "c": c,
        }


@dataclass(frozen=True, eq=False)
class SALTSurveySimulator:
    """Pairs of parameters and surveys of N fitted supernovae each.

    The weather of the observing seasons is one for all surveys of a seed, as it is known.

    Attributes:
        survey: When and how supernovae are observed; its bands must lie within the model's.
        redshift: Distribution of the true redshift.
        noise: How fluxes are measured.
        selection: Cuts on the light curves, in order.
        fitted: The fit, and which fits are kept.
        mwebv: Distribution of the Milky Way's E(B-V), mag.
        cosmology: Gives distances, also those of the analysis.
        prior: Of the parameters.
        n: N, or the least and the largest N: then log-uniform between them.
        seed: Any integer.
        source: Of the fit's model, without a Tripp relation.
    """

    data_type: ClassVar[type] = SALTFits

    survey: Survey
    redshift: Distribution
    noise: NoiseModel = field(default_factory=NoiseModel)
    selection: Mapping[str, Cut] = field(default_factory=dict)
    fitted: SALTFitCut = field(default_factory=SALTFitCut)
    mwebv: Distribution = field(default_factory=lambda: Constant(0.0))
    cosmology: Cosmology = field(default_factory=Cosmology)
    prior: BoxPrior = PRIOR
    n: int | Sequence[int] = 50
    seed: int = 0
    source: SALTSource = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prior", BoxPrior.of(self.prior))
        if self.prior.names != PARAMETERS:
            raise ConfigError(
                f"prior: {', '.join(PARAMETERS)} are accepted; found {', '.join(self.prior.names)}"
            )
        _, high = self.range
        if high * PATIENCE >= CANDIDATES // 2:
            raise ConfigError(f"n={self.n}: N up to {CANDIDATES // 2 // PATIENCE} is accepted")
        object.__setattr__(self, "source", SALTSource(self.fitted.options.source, 0.0, 0.0))

    @property
    def range(self) -> tuple[int, int]:
        """Least and largest N."""
        return number_range(self.n)

    def __call__(self, first: int, count: int) -> tuple[Tensor, SALTFits]:
        """Parameters, shape (B, 8), and surveys ``first`` … ``first + count - 1``."""
        theta = draw_prior(self.prior, count, self.seed, first)
        n = draw_numbers(*self.range, count, self.seed, first)
        return theta, self.surveys(theta, n, first)

    def surveys(self, theta: Tensor, n: int | Tensor, first: int = 0) -> SALTFits:
        """Surveys with ``n`` supernovae each.

        Args:
            theta: Parameters of each survey, shape (B, 8), float64.
            n: Number of supernovae, of each survey where shape (B,).
            first: Number of the first survey.

        Raises:
            ConfigError: A selection that keeps next to nothing.
        """
        filling = Filling(len(theta), n, PATIENCE)
        width = int(filling.n.max())
        found = _empty(len(theta), width)
        block, start = divmod(first, SURVEYS)
        population = TrippPopulation(theta, self.redshift, self.mwebv, self.cosmology, start)
        simulator = Simulator(self.source, population, self.survey, self.noise, uncovered="refuse")
        for surveys, counts in filling.rounds(MOST_AT_ONCE):
            owner, number = filling.candidates(surveys, counts)
            index = (start + owner) * CANDIDATES + number
            streams = Streams(self.seed, index, f"salt/{block}/")
            sample = simulator.observed(streams)
            kept, data, covariance = self._fitted(sample, streams.within("selection"))
            seat, row = filling.add(surveys, counts, owner, kept)
            found.redshift[seat] = sample.batch.redshift[row].double()
            found.data[seat], found.covariance[seat] = data[row], covariance[row]
        mask = torch.arange(width) < filling.n[:, None]
        mu = torch.where(mask, self.cosmology.distmod(found.redshift), 0.0)
        return replace(found, mu=mu, mask=mask, n_candidates=filling.last)

    def _fitted(self, sample: SimulatedSample, streams: Streams) -> tuple[Tensor, Tensor, Tensor]:
        """Which candidates are kept, shape (M,), and m, x1, c and their covariance of all."""
        kept = torch.ones(len(sample), dtype=torch.bool)
        if self.selection:
            luck = streams.uniform("cut", len(self.selection))
            cuts = list(self.selection.values())
            kept = passed(cuts, sample.batch, sample.truth, luck)[:, -1]
        data = torch.zeros(len(sample), 3, dtype=torch.float64)
        covariance = torch.eye(3, dtype=torch.float64).repeat(len(sample), 1, 1)
        rows = kept.nonzero()[:, 0]
        if len(rows):
            fit = self.fitted.fit(sample.batch[rows])
            kept[rows] = self.fitted.accepts(fit)
            good = kept[rows].nonzero()[:, 0]
            data[kept], covariance[kept] = magnitudes(fit, good, self.source.zero)
        return kept, data, covariance

    def within(self, prior: BoxPrior) -> Self:
        """The same with another prior."""
        return replace(self, prior=prior)

    def facts(self) -> dict[str, Any]:
        """What is observed and kept, and least and largest N."""
        told = ("survey", "redshift", "noise", "fitted", "mwebv", "cosmology")
        selection = {name: repr(cut) for name, cut in self.selection.items()}
        known = {name: repr(getattr(self, name)) for name in told}
        for name, text in {**known, **selection}.items():
            if " at 0x" in text:
                raise ConfigError(
                    f"simulator.{name}: {text} does not say what it is; a dataclass, or one with "
                    "a __repr__, is accepted"
                )
        return {"n": list(self.range), "selection": selection, **known}


def _empty(n_surveys: int, width: int) -> SALTFits:
    """Room for surveys; what is not filled has a redshift and errors that can be looked at."""
    zeros = torch.zeros(n_surveys, width, dtype=torch.float64)
    return SALTFits(
        redshift=torch.full_like(zeros, 0.05),
        mu=zeros,
        data=zeros[..., None].repeat(1, 1, 3),
        covariance=torch.eye(3, dtype=torch.float64).repeat(n_surveys, width, 1, 1),
        mask=zeros.bool(),
        n_candidates=torch.zeros(n_surveys, dtype=torch.int64),
    )
