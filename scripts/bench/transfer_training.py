"""The classifier of the transfer studies: one recipe for whatever it learns from.

Every classifier makes the same number of steps on batches of the same size with both classes
equally often, so that what it learned from is all that differs, not how long it learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import lightning as L
import numpy as np
import torch
from classification import built, logits
from numpy.typing import NDArray
from training_clock import bare_trainer

from sntorch.classification.module import ClassifierModule
from sntorch.data.batch import LightCurveBatch
from sntorch.data.classes import GroupClasses
from sntorch.data.datamodule import LightCurveDataModule

POSITIVE = "Ia"
GROUPS = GroupClasses({POSITIVE: [POSITIVE], f"not {POSITIVE}": ["*"]})
MODEL = "transformer"
BATCH_SIZE = 64
# A trained classifier goes on in small steps.
FINE_TUNING = ("learning_rate=5e-4",)

Array = NDArray[np.float64]


def fitted(
    batch: LightCurveBatch, steps: int, seed: int, overrides: Sequence[str] = ()
) -> ClassifierModule:
    """The classifier after so many steps on these objects.

    Args:
        batch: Training objects, of the classes of ``GROUPS``; scales of inputs are theirs.
        steps: Training batches.
        seed: Of weights, augmentation and the order of objects.
        overrides: Of the model's config.
    """
    L.seed_everything(seed, verbose=False)
    module = built(MODEL, f"seed={seed}", *overrides)
    data = LightCurveDataModule(
        batch,
        split=(1.0, 0.0, 0.0),
        batch_size=min(BATCH_SIZE, len(batch)),
        seed=seed,
        balance=True,
        by_length=True,
    )
    trainer = bare_trainer(max_epochs=-1, max_steps=steps)
    trainer.fit(module, data)
    return module.eval()


def fine_tuned(start: Path, batch: LightCurveBatch, steps: int, seed: int) -> ClassifierModule:
    """The classifier in a folder after so many more steps on other objects."""
    return fitted(batch, steps, seed, (f"start_from={start.resolve()}", *FINE_TUNING))


def probability(model: ClassifierModule, batch: LightCurveBatch) -> Array:
    """Probability of ``POSITIVE``, shape (B,)."""
    found = logits(model, batch).double().softmax(-1)
    return found[:, model.classes.index(POSITIVE)].numpy()


def is_positive(batch: LightCurveBatch) -> NDArray[np.bool_]:
    """Whether objects are of ``POSITIVE``, shape (B,)."""
    return (batch.label == batch.classes.index(POSITIVE)).numpy()


def chosen(batch: LightCurveBatch, index: NDArray[np.int64]) -> LightCurveBatch:
    """The objects of these indices."""
    return batch[torch.from_numpy(index)].trim()
