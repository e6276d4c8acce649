"""One interface for all who infer a population from selected samples.

A network of the whole sample (A), a learnt likelihood of one supernova (B), a learnt efficiency in
a tractable likelihood (C), the exact likelihood, and one that ignores selection: each has a name,
says what it conditions on, and draws from the posteriors of many samples.

Letters in shapes: ``B`` samples, ``S`` draws of each, ``D`` parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from sntorch.sbi.ensemble import EnsembleSettings
from sntorch.sbi.posterior import Likelihood
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.selection_posterior import SelectionPosterior

if TYPE_CHECKING:
    from sntorch.sbi.estimator import PosteriorEstimator
    from sntorch.sbi.selected import LearntSelection


class SelectionInference(Protocol):
    """Posteriors of selected samples."""

    @property
    def name(self) -> str:
        """What it is called in tables."""
        ...

    @property
    def scheme(self) -> str:
        """What it takes as given; see ``sntorch.sbi.exact`` for the schemes."""
        ...

    def sample(self, data: Any, n: int, seed: int = 0) -> Tensor:
        """Draws from the posteriors of B samples, shape (B, S, D), S >= n."""
        ...


@dataclass(frozen=True, eq=False)
class LikelihoodInference:
    """A likelihood, exact or learnt, and the ensemble sampler.

    Attributes:
        name: In tables.
        scheme: What the likelihood takes as given.
        likelihood: Makes that of samples.
        prior: Of the parameters.
        at_once: Posteriors that are sampled together; fewer need less memory.
        progress: Called with the fraction of the draws done, now and then.
    """

    name: str
    scheme: str
    likelihood: Callable[[Any], Likelihood]
    prior: BoxPrior
    at_once: int = EnsembleSettings.at_once
    progress: Callable[[float], None] | None = None

    def sample(self, data: Any, n: int, seed: int = 0) -> Tensor:
        """Draws, shape (B, S, D), S the next multiple of the walkers."""
        settings = EnsembleSettings(seed=seed, at_once=self.at_once)
        posterior = SelectionPosterior(self.likelihood(data), self.prior, settings)
        return posterior.sample(n, progress=self.progress)


@dataclass(frozen=True, eq=False, kw_only=True)
class EfficiencyInference(LikelihoodInference):
    """A tractable likelihood with an efficiency that was learnt.

    Attributes:
        selection: With that efficiency.
    """

    selection: LearntSelection


@dataclass(frozen=True, eq=False)
class NetworkInference:
    """A trained estimator of the posteriors of whole samples.

    Attributes:
        name: In tables.
        scheme: What its simulations took as given.
        estimator: In evaluation mode.
    """

    name: str
    scheme: str
    estimator: PosteriorEstimator

    def sample(self, data: Any, n: int, seed: int = 0) -> Tensor:
        """Draws, shape (B, n, D)."""
        return self.estimator.sample(data, n, seed)
