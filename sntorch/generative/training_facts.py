"""What is told about a training set: in warnings, and to those who get the trained model."""

from __future__ import annotations

import warnings
from typing import Any

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import SntorchWarning

FEW_OBJECTS, FEW_OF_A_CLASS = 30, 5


def facts(batch: LightCurveBatch) -> dict[str, Any]:
    """Numbers about training objects that JSON can hold.

    Returns:
        ``n``, ``classes`` (class -> number of objects) and ``redshift`` (lowest and highest, or
        None where none is known).
    """
    redshift = batch.redshift[batch.redshift.isfinite()]
    return {
        "n": len(batch),
        "classes": class_counts(batch),
        "redshift": [float(redshift.min()), float(redshift.max())] if len(redshift) else None,
    }


def class_counts(batch: LightCurveBatch) -> dict[str, int]:
    """Number of objects of each class that has any."""
    labels, counts = batch.label[batch.label >= 0].unique(return_counts=True)
    names = [batch.classes[k] for k in labels.tolist()]
    return dict(zip(names, counts.tolist(), strict=True))


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
