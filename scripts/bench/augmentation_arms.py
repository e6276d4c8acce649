"""The arms of the augmentation experiment: where more objects of a rare class come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sntorch.generative import GenerativeModel, Generator
from sntorch.generative.baselines import (
    Baseline,
    Bootstrap,
    GaussianProcessResampling,
    Jitter,
    ParametricPopulation,
)
from sntorch.generative.evaluate.augmentation import Arm, Generated, Nothing, Oracle, Trial
from sntorch.generative.evaluate.samples import Sample
from sntorch.generative.parents import known_classes


def baseline(kind: type[Baseline]) -> Callable[[Trial], GenerativeModel]:
    """Fits a baseline to the rare objects of a trial."""
    return lambda trial: kind().fit(trial.rare.batch)


@dataclass(frozen=True)
class Opened(Arm):
    """Objects of a generator that was trained elsewhere on those of a trial.

    Args:
        name: What the arm is called.
        path: Of the generator, with ``{n}`` and ``{repetition}``.
    """

    name: str
    path: str

    def extra(self, trial: Trial) -> Sample | None:
        """Objects of the rare class, which is asked for where the generator knows classes."""
        place = self.path.format(n=len(trial.rare), repetition=trial.repetition)
        model, rare = Generator.from_pretrained(place).model, trial.rare.batch
        kind = {"type": rare.classes[int(rare.label[0])]}
        condition = kind if known_classes(model) else None
        return Generated(self.name, lambda _: model, condition).extra(trial)


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
    return Opened(name, path)
