"""Facts about a sample that are told to those who get a model trained on it."""

from __future__ import annotations

from typing import Any

from sntorch.data.batch import LightCurveBatch


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
