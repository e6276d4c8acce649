"""All ways to infer the population of one Tripp sample, behind one interface.

The likelihood with its selection known and ignored, an efficiency learnt from injections (C), a
learnt likelihood of one supernova (B), and networks of the whole sample (A). B and C learn widely
about the posterior with selection ignored, for the whole prior holds populations of which next to
nothing is kept; where their own posterior reaches beyond, they learn again about that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.inference import LikelihoodInference, NetworkInference, SelectionInference
from sntorch.sbi.posterior import Likelihood
from sntorch.sbi.prior import BoxPrior, around
from sntorch.sbi.tripp import TrippLikelihood, TrippSample
from sntorch.sbi.tripp_selection import TrippSelection

if TYPE_CHECKING:
    from sntorch.sbi.estimator import PosteriorEstimator

IGNORED, KNOWN = "selection ignored", "likelihood"
EFFICIENCY, FLOW = "C: learnt efficiency", "B: learnt likelihood"
# Standard deviations about a posterior in which B and C learn, and how often at most.
WIDTHS, N_DRAWS, ROUNDS = 8.0, 1_000, 4
GROWTH = 1.5
# Standard deviations that an edge of that region has to be away from a posterior's mean.
CLEAR = 5.0
# ln P(kept) that rounding may reach, and below which nothing is kept.
PROBABLE, IMPROBABLE = 1e-6, -20.0
# What is taken as given: redshifts as they came.
SCHEME = "conditional"


class Learnt(NamedTuple):
    """A likelihood of samples, and what looks at draws (S, D) of its posterior."""

    likelihood: Callable[[TrippSample], Likelihood]
    check: Callable[[Tensor], None] | None = None


Learn = Callable[[BoxPrior], Learnt]


def _untold(step: str, done: float) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, eq=False)
class TrippMethods:
    """Estimators of the population of one sample.

    Attributes:
        sample: The supernovae.
        selection: What was kept; None for everything.
        prior: Of the parameters.
        seed: Of what is learnt.
        progress: Called with a step's name and the fraction of it that is done.
    """

    sample: TrippSample
    selection: TrippSelection | None
    prior: BoxPrior
    seed: int = 0
    progress: Callable[[str, float], None] = _untold

    def check(self) -> None:
        """Refuse a selection that cannot have kept the sample.

        Raises:
            ConfigError: It keeps some of the supernovae next to never, or is no probability.
        """
        if self.selection is None:
            return
        known = self.selection.log_probability(self.sample.data[0])
        if known.shape != (len(self.sample.names),) or not bool((known <= PROBABLE).all()):
            raise ConfigError(
                f"selection {self.selection}: log_probability has to be ln P(kept) of each "
                f"supernova, 0 or below, shape (...,) of data (..., 3); found shape "
                f"{tuple(known.shape)}, up to {float(known.max()):.3g}"
            )
        lost = (known < IMPROBABLE).nonzero()[:, 0]
        if len(lost):
            first = int(lost[0])
            m, x1, c = self.sample.data[0, first].tolist()
            raise ConfigError(
                f"{len(lost)} of {len(known)} supernovae cannot have been kept by "
                f"{self.selection}: first {self.sample.names[first]}, m = {m:.2f}, x1 = {x1:.2f}, "
                f"c = {c:.3f}"
            )

    def ignored(self) -> LikelihoodInference:
        """The likelihood of one who does not know of the selection."""
        return self._of(IGNORED, None, self.prior)

    def likelihood(self) -> LikelihoodInference:
        """The likelihood, where the share that is kept is known in closed form."""
        return self._of(KNOWN, self._selected("likelihood"), self.prior)

    def efficiency(self, injections: int) -> RegionalInference:
        """C: the share that is kept, learnt from injections."""
        from sntorch.sbi.tripp_efficiency import fit_tripp_efficiency

        selection = self._selected("efficiency")

        def learn(region: BoxPrior) -> Learnt:
            learnt = fit_tripp_efficiency(self.sample, selection, region, injections, self.seed)
            return Learnt(lambda data: TrippLikelihood(data, learnt), learnt.check)

        return self._regional(EFFICIENCY, learn)

    def selected_flow(self, batch: int, steps: int) -> RegionalInference:
        """B: p(d | z, θ, kept) by a flow that is trained here."""
        from sntorch.sbi.tripp_flow import TrippFlowLikelihood, fit_tripp_flow

        selection = self._selected("selected_flow")

        def learn(region: BoxPrior) -> Learnt:
            flow = fit_tripp_flow(
                self.sample,
                selection,
                region,
                batch,
                self.seed,
                self._told(f"{FLOW}, learning"),
                steps=steps,
            )
            return Learnt(lambda data: TrippFlowLikelihood(flow, data))

        return self._regional(FLOW, learn)

    def network(self, path: str, estimator: PosteriorEstimator) -> NetworkInference:
        """A: a trained network of samples like this one.

        Raises:
            ConfigError: One of another prior, sample or selection; of one that does not say what
                it learnt, a warning is given.
            DataError: A sample outside of what it was trained on.
        """
        from sntorch.sbi.observations import check_observations
        from sntorch.sbi.tripp_learning import TrippEncoder, TrippSimulator, check_selection

        accepted = (
            "a network of the same prior as here is accepted (prior.low=…, prior.high=…, or train "
            "anew)"
        )
        self.prior.check_network(path, estimator.prior, accepted)
        encoder = estimator.embedding.encoder
        if not isinstance(encoder, TrippEncoder) or not encoder.knows(self.sample):
            raise ConfigError(
                f"{path}: was trained on another sample; one of the same table is accepted "
                "(sntorch train experiment=npe_tripp files=…)"
            )
        simulator = TrippSimulator(self.sample, self.selection, self.prior, self.seed)
        check_selection(path, estimator.trained_on, simulator)
        check_observations(estimator, simulator, self.sample)
        return NetworkInference(f"network {path}", SCHEME, estimator)

    def _regional(self, name: str, learn: Learn) -> RegionalInference:
        told = self._told(f"{name}, drawing")
        return RegionalInference(name, SCHEME, learn, self.prior, self.ignored(), told)

    def _of(
        self, name: str, selection: TrippSelection | None, prior: BoxPrior
    ) -> LikelihoodInference:
        return LikelihoodInference(
            name,
            SCHEME,
            lambda data: TrippLikelihood(data, selection),
            prior,
            progress=self._told(f"{name}, drawing"),
        )

    def _told(self, step: str) -> Callable[[float], None]:
        return lambda done: self.progress(step, done)

    def _selected(self, method: str) -> TrippSelection:
        if self.selection is None:
            raise ConfigError(
                f"methods: {method} needs a selection; with selection=null and quality=false "
                "methods=[ignored] is accepted"
            )
        return self.selection


@dataclass(frozen=True, eq=False)
class RegionalInference:
    """A likelihood that is learnt in a part of the prior, where the posterior of one sample is.

    Attributes:
        name: In tables.
        scheme: What the likelihood takes as given.
        learn: Learns it within a box.
        prior: Of the parameters.
        first: About whose posterior it is learnt first.
        progress: Called with the fraction of the draws done, now and then.
    """

    name: str
    scheme: str
    learn: Learn
    prior: BoxPrior
    first: LikelihoodInference
    progress: Callable[[float], None] | None = None

    def sample(self, data: TrippSample, n: int, seed: int = 0) -> Tensor:
        """Draws, shape (1, S, D), S the next multiple of the walkers.

        Raises:
            ConfigError: More than one sample, or a posterior that keeps reaching beyond the
                region in which it is learnt.
        """
        if len(data) != 1:
            raise ConfigError(f"{self.name}: one sample is accepted; found {len(data)}")
        known = self.first.sample(data, N_DRAWS, seed)[0]
        reach = torch.zeros(self.prior.dim, dtype=torch.float64)
        for _ in range(ROUNDS):
            # What is cut off by an edge looks narrower than it is.
            reach = torch.maximum(GROWTH * reach, WIDTHS * known.std(0))
            region = around(known.mean(0), reach, self.prior)
            learnt = self.learn(region)
            found = LikelihoodInference(
                self.name, self.scheme, learnt.likelihood, region, progress=self.progress
            )
            draws = found.sample(data, n, seed)
            known = draws[0]
            place = self._beyond(known, region)
            if place is None:
                if learnt.check is not None:
                    learnt.check(known)
                return draws
        raise ConfigError(
            f"{self.name}: the posterior of {place} reaches beyond {WIDTHS:g} σ of where it was "
            f"learnt, {ROUNDS} times; the selection may keep next to nothing, or the prior may be "
            "too narrow"
        )

    def _beyond(self, draws: Tensor, region: BoxPrior) -> str | None:
        """The parameter of draws (S, D) that an edge cuts off which is not the prior's."""
        mean, sd = draws.mean(0), draws.std(0)
        for side in ("low", "high"):
            edge, wall = (draws.new_tensor(getattr(p, side)) for p in (region, self.prior))
            close = torch.where(edge == wall, torch.inf, (edge - mean).abs() / sd)
            if float(close.min()) < CLEAR:
                return self.prior.names[int(close.argmin())]
        return None


def tripp_methods(
    known: TrippMethods,
    names: tuple[str, ...],
    injections: int,
    flow: Mapping[str, Any],
) -> list[SelectionInference]:
    """The estimators of some names.

    Args:
        known: Of the sample.
        names: Of ``likelihood``, ``ignored``, ``efficiency``, ``selected_flow``.
        injections: For ``efficiency``.
        flow: ``batch`` and ``steps`` of ``selected_flow``.

    Raises:
        ConfigError: Another name.
    """
    makers = {
        "likelihood": known.likelihood,
        "ignored": known.ignored,
        "efficiency": lambda: known.efficiency(injections),
        "selected_flow": lambda: known.selected_flow(**flow),
    }
    wrong = [name for name in names if name not in makers]
    if wrong:
        raise ConfigError(f"methods: {wrong[0]} is not one of {', '.join(makers)}")
    return [makers[name]() for name in dict.fromkeys(names)]
