"""What a cut is, how cuts combine, and how many objects each leaves.

A cut gives each object a probability to be kept, 0 or 1 for plain cuts. Cuts combine with ``&``,
``|`` and ``~``, the probabilities as those of independent events.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError

Truth = Mapping[str, Tensor]
# ln 0 that can be added to, subtracted from and differentiated.
IMPOSSIBLE = -1e30


class Cut(ABC):
    """A condition on an object."""

    @abstractmethod
    def probability(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """Probability to be kept, shape (B,), in [0, 1].

        Args:
            batch: Simulated observations.
            truth: True parameters, B objects first.
        """

    def keep(self, batch: LightCurveBatch, truth: Truth, luck: Tensor | None = None) -> Tensor:
        """Whether each object is kept, shape (B,), bool.

        Args:
            batch: Simulated observations.
            truth: True parameters.
            luck: Uniform numbers that decide where a probability is neither 0 nor 1, shape (B,);
                plain cuts need none.

        Raises:
            ConfigError: A probability outside [0, 1], or one that luck has to decide without any.
        """
        probability = self._checked(batch, truth)
        if luck is None and not bool(((probability == 0) | (probability == 1)).all()):
            raise ConfigError(f"cut {self}: keeps with a probability, so that keep needs luck")
        return probability > (0.5 if luck is None else luck)

    def log_prob(self, expected: LightCurveBatch, truth: Truth) -> Tensor:
        """ln of the probability that measurements still to be made pass, shape (B,).

        Every flux is taken as normal about its expectation with the error given, independent of
        the others. Differentiable in fluxes and true parameters; -inf where nothing can pass.

        Args:
            expected: Observations with fluxes that have no noise.
            truth: True parameters.

        Raises:
            ConfigError: A cut on something of which the distribution is not known in closed form.
        """
        from sntorch.simulation.selection.exact import log_probability

        return log_probability(self, expected, truth)

    def leaves(self) -> Iterator[Cut]:
        """The cuts of which this one is combined."""
        yield self

    def combine(self, log_prob: Callable[[Cut], Tensor]) -> Tensor:
        """ln of the probability to be kept, from that of each leaf."""
        return log_prob(self)

    def _checked(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        probability = self.probability(batch, truth)
        if not bool(((probability >= 0) & (probability <= 1)).all()):
            worst = float((probability - 0.5).abs().nan_to_num(torch.inf).max()) + 0.5
            raise ConfigError(f"cut {self}: a probability lies in [0, 1]; found up to {worst:.4g}")
        return probability

    def __and__(self, other: Cut) -> Cut:
        return Both(self, other)

    def __or__(self, other: Cut) -> Cut:
        return ~(~self & ~other)

    def __invert__(self) -> Cut:
        return Not(self)

    def __str__(self) -> str:
        return repr(self)


@dataclass(frozen=True)
class Both(Cut):
    """Kept by two cuts."""

    left: Cut
    right: Cut

    def probability(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """Product of the two probabilities, shape (B,)."""
        return self.left.probability(batch, truth) * self.right.probability(batch, truth)

    def leaves(self) -> Iterator[Cut]:
        """Those of both."""
        yield from self.left.leaves()
        yield from self.right.leaves()

    def combine(self, log_prob: Callable[[Cut], Tensor]) -> Tensor:
        """Sum of the two logarithms."""
        return self.left.combine(log_prob) + self.right.combine(log_prob)

    def __str__(self) -> str:
        return f"({self.left} & {self.right})"


@dataclass(frozen=True)
class Not(Cut):
    """Not kept by a cut."""

    cut: Cut

    def probability(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """One minus the cut's probability, shape (B,)."""
        return 1 - self.cut.probability(batch, truth)

    def leaves(self) -> Iterator[Cut]:
        """Those of the cut."""
        yield from self.cut.leaves()

    def combine(self, log_prob: Callable[[Cut], Tensor]) -> Tensor:
        """ln(1 - p)."""
        return log_complement(self.cut.combine(log_prob))

    def __str__(self) -> str:
        return f"~{self.cut}"


@dataclass
class CutFlow:
    """How many objects were left after each cut.

    Attributes:
        names: "simulated", then the cuts in order.
        counts: Number of objects left after each.
    """

    names: list[str]
    counts: list[int]

    def __str__(self) -> str:
        width = max(len(name) for name in self.names)
        total = max(self.counts[0], 1)
        rows = zip(self.names, self.counts, strict=True)
        return "\n".join(
            f"{name:<{width}}  {count:>8}  {count / total:7.2%}" for name, count in rows
        )

    def to_dict(self) -> dict[str, int]:
        """Cut names and what was left after each, in order."""
        return dict(zip(self.names, self.counts, strict=True))


def passed(cuts: Sequence[Cut], batch: LightCurveBatch, truth: Truth, luck: Tensor) -> Tensor:
    """Whether each object is still there after each cut, shape (B, N), N cuts.

    Args:
        cuts: The cuts in order.
        batch: Simulated observations.
        truth: True parameters.
        luck: Uniform numbers that decide where a probability is neither 0 nor 1, shape (B, N).

    Raises:
        ConfigError: A cut gave a probability outside [0, 1].
    """
    kept = torch.zeros(luck.shape, dtype=torch.bool)
    rows = torch.arange(len(luck))
    for i, cut in enumerate(cuts):
        # A later cut may be dear: it sees what is left.
        if not len(rows):
            break
        left = {name: values[rows] for name, values in truth.items()}
        rows = rows[cut.keep(batch[rows], left, luck[rows, i])]
        kept[rows, i] = True
    return kept


def log_complement(log_p: Tensor) -> Tensor:
    """ln(1 - p) of ln p, to rounding at both ends (Mächler 2012, the log1mexp note of R)."""
    # The arguments that a branch cannot take are replaced before it, for the gradient's sake.
    small = log_p.clamp(max=-0.5)
    large = log_p.clamp(min=-1.0, max=-torch.finfo(log_p.dtype).tiny)
    found = torch.where(log_p < -0.7, torch.log1p(-small.exp()), torch.log(-torch.expm1(large)))
    return torch.where(log_p < 0, found, IMPOSSIBLE)
