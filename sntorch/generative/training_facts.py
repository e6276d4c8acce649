"""Warnings about training sets that are too small."""

from __future__ import annotations

import warnings

from sntorch.data.batch import LightCurveBatch
from sntorch.data.facts import class_counts
from sntorch.errors import SntorchWarning

FEW_OBJECTS, FEW_OF_A_CLASS = 30, 5


def warn_of_few(batch: LightCurveBatch) -> None:
    """Say when there are too few training objects, or too few of a class."""
    if len(batch) < FEW_OBJECTS:
        warnings.warn(
            f"training on {len(batch)} objects: fewer than {FEW_OBJECTS} are rarely enough; "
            "compare with the training set itself (`sntorch evaluate task=generator`)",
            SntorchWarning,
            stacklevel=3,
        )
    counts = class_counts(batch).items()
    few = [f"{name} ({count})" for name, count in counts if count < FEW_OF_A_CLASS]
    if few:
        warnings.warn(
            f"training objects of class {', '.join(few)}: fewer than {FEW_OF_A_CLASS} teach a "
            "generator next to nothing about a class",
            SntorchWarning,
            stacklevel=3,
        )
