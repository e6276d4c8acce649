"""What a benchmark of inference from selected samples has to offer.

Letters in shapes: ``B`` surveys, ``D`` parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, Self

from torch import Tensor

from sntorch.sbi.inference import SelectionInference
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.simulated import TESTED

if TYPE_CHECKING:
    from sntorch.sbi.estimator import PosteriorEstimator

# What ``made_wrong`` adds to magnitudes: as much as the priors of mean magnitudes are wide.
FAINTER = 1.0
# The prior that a benchmark's networks have to have learnt in.
NETWORK_PRIOR = "a network of the benchmark's prior is accepted, or of a part of it"


class Benchmark(Protocol):
    """Simulated surveys with a known posterior.

    Methods that a benchmark does not support raise ``ConfigError``.
    """

    @property
    def prior(self) -> BoxPrior:
        """Of the parameters."""
        ...

    @property
    def fiducial(self) -> tuple[float, ...]:
        """A typical universe, D numbers."""
        ...

    @property
    def scheme(self) -> str:
        """What surveys take as given; see ``sntorch.sbi.exact``."""
        ...

    def describe(self) -> str:
        """What is simulated, in one sentence."""
        ...

    def within(self, prior: BoxPrior) -> Self:
        """The same with another prior."""
        ...

    def simulate(self, theta: Tensor, seed: int, first: int = TESTED) -> Any:
        """One survey of each row of θ (B, D), number ``first`` of the seed and on."""
        ...

    def made_wrong(self, data: Any) -> Any:
        """The surveys as a wrong calibration leaves them: all ``FAINTER`` by mag, after cuts."""
        ...

    def exact(self, scheme: str | None = None) -> SelectionInference:
        """The known posterior; of another scheme where its answer is valid for these surveys."""
        ...

    def ignored(self) -> SelectionInference:
        """The posterior of one who does not know of the selection."""
        ...

    def efficiency(
        self, injections: int, seed: int, progress: Callable[[float], None] | None = None
    ) -> SelectionInference:
        """C: the probability to be kept, learnt from injections, in the tractable likelihood."""
        ...

    def selected_flow(
        self,
        batch: int,
        steps: int,
        seed: int,
        path: str | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> SelectionInference:
        """B: the likelihood of one selected supernova, learnt here or before (``path``)."""
        ...

    def network(self, path: str, estimator: PosteriorEstimator) -> SelectionInference:
        """A: a trained estimator of the posterior of a whole survey, from ``path``."""
        ...
