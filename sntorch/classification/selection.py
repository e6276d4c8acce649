"""A cut by a trained classifier, for simulated surveys: ``P(Ia) > 0.5``, say."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from sntorch.classification.classifier import MODELS, Classifier
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError, SntorchWarning
from sntorch.simulation.selection import Cut, Truth


@dataclass(frozen=True)
class ClassifierCut(Cut):
    """Kept where a classifier gives one class at least a probability.

    It sees the measurements alone; an object without an observation in its bands is not kept.

    Attributes:
        classifier: A packaged one by its name (``des-supernnova``), or a run, a checkpoint or a
            folder of ``sntorch publish``.
        kind: The class, one of the classifier's.
        at_least: The probability.

    Raises:
        ConfigError: A probability outside [0, 1].
    """

    classifier: str
    kind: str = "Ia"
    at_least: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.at_least <= 1:
            raise ConfigError(f"at_least={self.at_least}: a probability in [0, 1] is accepted")

    def probability(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """1 where the classifier is sure enough, else 0, shape (B,).

        Raises:
            ConfigError: A class that the classifier does not know.
        """
        opened = _opened(str(self.classifier))
        if self.kind not in opened.classes:
            raise ConfigError(
                f"cut {self}: kind={self.kind} is none of its classes, {', '.join(opened.classes)}"
            )
        with warnings.catch_warnings():
            # Of objects without observations in its bands, which are not kept.
            warnings.simplefilter("ignore", SntorchWarning)
            table = opened.predict(batch)
        found = torch.tensor(table[f"p_{self.kind}"].to_numpy())
        return (found >= self.at_least).double()

    def __str__(self) -> str:
        return f"P({self.kind}) >= {self.at_least:g} by {self.classifier}"


@cache
def _opened(classifier: str) -> Classifier:
    if (MODELS / classifier).is_dir():
        return Classifier.from_name(classifier)
    return Classifier.from_pretrained(classifier)
