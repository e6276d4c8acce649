"""What ``classification.py`` has stored of trained classifiers: logits, labels and names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sntorch.classification.calibration import Temperature
from sntorch.classification.predictions import Predictions

PART = "classification"
COMMAND = "python scripts/bench/classification.py"
TREES = "lightgbm"


@dataclass(frozen=True)
class Stored:
    """What one seed and fold left.

    Attributes:
        values: Logits, labels and names by ``<part>_<epoch>_<what>``.
        facts: ``cpu_seconds``, ``rate``, ``epochs``, and ``balanced``: whether classes weighed
            equally in training.
    """

    values: dict[str, np.ndarray]
    facts: dict[str, float]

    @classmethod
    def read(cls, path: Path) -> Stored:
        """From a file of ``classification.py``."""
        with np.load(path, allow_pickle=False) as file:
            values = {name: file[name] for name in file.files}
        return cls(values, json.loads(str(values.pop("facts"))))

    def logits(self, part: str, epoch: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and labels."""
        keys = (f"{part}_{epoch}_{what}" for what in ("logits", "label"))
        logits, label = (torch.from_numpy(self.values[key]) for key in keys)
        return logits.double(), label

    def predictions(
        self, part: str, epoch: str, temperature: Temperature | None = None
    ) -> Predictions:
        """Probabilities, after a temperature where one is given."""
        logits, label = self.logits(part, epoch)
        scaled = logits if temperature is None else temperature(logits)
        return Predictions(
            self.values[f"{part}_{epoch}_id"].tolist(),
            scaled.softmax(-1).detach().numpy(),
            label.numpy(),
            tuple(self.values["classes"].tolist()),
        )


def stored(folder: Path) -> dict[str, dict[int, list[Stored]]]:
    """What there is, by model, then seed, then fold."""
    found: dict[str, dict[int, list[Stored]]] = {}
    for path in sorted(folder.glob("*/seed*_fold*.npz")):
        seed = int(path.stem.split("_")[0].removeprefix("seed"))
        found.setdefault(path.parent.name, {}).setdefault(seed, []).append(Stored.read(path))
    return found
