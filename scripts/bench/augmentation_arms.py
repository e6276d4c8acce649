"""The arms of the augmentation experiment: where more objects of a rare class come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sntorch.generative import GenerativeModel, Generator
from sntorch.generative.baselines import (
    Baseline,
    Bootstrap,
    GaussianProcessResampling,
    Jitter,
    ParametricPopulation,
)
from sntorch.generative.evaluate.augmentation import Arm, Generated, Nothing, Oracle, Trial


def baseline(kind: type[Baseline]) -> Callable[[Trial], GenerativeModel]:
    """Fits a baseline to the rare objects of a trial."""
    return lambda trial: kind().fit(trial.rare.batch)


def checkpoint(path: str) -> Callable[[Trial], GenerativeModel]:
    """Opens what was trained on the rare objects of a trial."""

    def opened(trial: Trial) -> GenerativeModel:
        place = path.format(n=len(trial.rare), repetition=trial.repetition)
        return Generator.from_pretrained(place).model

    return opened


BASELINES: tuple[Arm, ...] = (
    Nothing(),
    Generated("bootstrap", baseline(Bootstrap)),
    Generated("jitter", baseline(Jitter)),
    Generated("gaussian_process", baseline(GaussianProcessResampling)),
    Generated("parametric", baseline(ParametricPopulation)),
)


def arms_with(more: Sequence[Arm]) -> tuple[Arm, ...]:
    """The baselines, more generators, and real objects."""
    return (*BASELINES, *more, Oracle())


def checkpoint_arm(text: str) -> Arm:
    """The arm that ``NAME=PATH`` names."""
    name, _, path = text.partition("=")
    return Generated(name, checkpoint(path))
