"""Simulated surveys with parameters from the prior: made while a network trains, never the same.

Survey number b of a seed is the same whatever the batch it is in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.summary import PRIOR, SummaryData, SummarySurvey
from sntorch.sbi.summary_simulator import draw_numbers, draw_prior, number_range, simulate

# Surveys of one seed from here on are for validation.
HELD_OUT = 2**40
# And from here on for what a training tells of itself at its end, when its weights were chosen by
# what was held out.
FRESH = 2**40 + 2**39
# And from here on for tests: methods that are compared may have trained with the same seed.
TESTED = 2**41
# And from here on for what tests hold those to.
CHECKED = 2**41 + 2**40


class Simulator(Protocol):
    """Pairs (θ, x) of a prior, each a function of its number alone.

    One that has a method ``facts`` says, in plain types, what it simulates beside the prior: it is
    kept with the networks that are trained on it.
    """

    @property
    def prior(self) -> BoxPrior:
        """Of the parameters."""
        ...

    def __call__(self, first: int, count: int) -> tuple[Tensor, Any]:
        """Parameters (B, D), float64, and the surveys ``first`` … ``first + count - 1``."""
        ...

    def within(self, prior: BoxPrior) -> Self:
        """The same with another prior."""
        ...


class StorableSimulator(Simulator, Protocol):
    """One of which surveys can be kept in files (``stored.py``): tensors, equally many of each.

    Attributes:
        data_type: Dataclass of the surveys.
        seed: What the surveys come from beside their number.
    """

    data_type: ClassVar[type]

    @property
    def seed(self) -> int:
        """Any integer."""
        ...

    def facts(self) -> dict[str, Any]:
        """In plain types, all that is simulated beside the prior."""
        ...


@dataclass(frozen=True)
class SummarySimulator:
    """Surveys of summarised supernovae, of N detected ones each.

    Attributes:
        survey: What is observed.
        prior: Of the parameters.
        n: N, or the least and the largest N: then log-uniform between them.
        seed: Any integer.
    """

    data_type: ClassVar[type] = SummaryData

    survey: SummarySurvey = field(default_factory=SummarySurvey)
    prior: BoxPrior = PRIOR
    n: int | Sequence[int] = 100
    seed: int = 0

    def __post_init__(self) -> None:
        number_range(self.n)

    @property
    def range(self) -> tuple[int, int]:
        """Least and largest N."""
        return number_range(self.n)

    def __call__(self, first: int, count: int) -> tuple[Tensor, SummaryData]:
        """Parameters, shape (B, 5), and surveys ``first`` … ``first + count - 1``."""
        theta = draw_prior(self.prior, count, self.seed, first)
        number = draw_numbers(*self.range, count, self.seed, first)
        return theta, simulate(self.survey, theta, number, self.seed, first)

    def within(self, prior: BoxPrior) -> Self:
        """The same with another prior."""
        return replace(self, prior=prior)

    def facts(self) -> dict[str, Any]:
        """The survey, and least and largest N."""
        return {"survey": self.survey.settings(), "n": list(self.range)}


class SimulatedSurveys(IterableDataset):
    """Whole batches of fresh surveys; ``DataLoader(..., batch_size=None)`` hands them on.

    Args:
        simulator: What makes them.
        batch_size: Surveys in a batch.
        n_batches: Batches in an epoch.
        first: Number of the first survey of the first epoch.

    Attributes:
        epoch: Each has surveys of its own.
    """

    def __init__(
        self, simulator: Simulator, batch_size: int, n_batches: int, first: int = 0
    ) -> None:
        self.simulator, self.batch_size, self.n_batches = simulator, batch_size, n_batches
        self.first, self.epoch = first, 0

    def __len__(self) -> int:
        return self.n_batches // n_ranks()

    def __iter__(self) -> Iterator[tuple[Tensor, Any]]:
        for batch in own_batches(self.n_batches):
            number = self.epoch * self.n_batches + batch
            yield self.simulator(self.first + number * self.batch_size, self.batch_size)


def n_ranks() -> int:
    """Processes that train together."""
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if together else 1


def own_batches(n: int) -> Iterator[int]:
    """Which of n batches this process of a training, and this worker of it, makes.

    Every process has equally many, for they wait for each other; a rest is left out.
    """
    ranks, worker = n_ranks(), get_worker_info()
    rank = torch.distributed.get_rank() if ranks > 1 else 0
    start, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
    return (rank + ranks * i for i in range(start, n // ranks, step))
