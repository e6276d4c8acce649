"""What a user asks a trained classifier for, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sntorch.classification.early import REFERENCES
from sntorch.classification.uncertainty import WAYS
from sntorch.errors import ConfigError

BATCH = 512


@dataclass(frozen=True)
class Asked:
    """The arguments of ``Classifier.predict``, where they are explained.

    Raises:
        ConfigError: Epochs or draws that are none.
    """

    epochs: Sequence[float] | None = None
    samples: int = 0
    since: str = "trigger"
    sample_by: str | None = None
    seed: int = 0
    batch_size: int = BATCH

    def __post_init__(self) -> None:
        epochs = self.epochs
        if epochs is not None and (not len(epochs) or np.isnan(np.asarray(epochs, float)).any()):
            raise ConfigError(f"epochs={list(epochs)}: one number of days or more is accepted")
        if self.samples < 0:
            raise ConfigError(f"samples={self.samples}: 0 or more are accepted")
        if self.since not in REFERENCES:
            raise ConfigError(f"since={self.since}: accepted are {', '.join(REFERENCES)}")
        if self.sample_by not in (None, *WAYS):
            raise ConfigError(f"sample_by={self.sample_by}: accepted are {', '.join(WAYS)}")
