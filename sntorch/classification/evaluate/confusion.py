"""Scores of the most probable class: what was called what.

Means over classes are over those that occur among the labels. A class that nobody was given to
has precision 0, as in scikit-learn.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sntorch.classification.predictions import Array, Index, Predictions


def confusion_matrix(predictions: Predictions) -> Index:
    """Number of objects of each class (rows) by most probable class (columns), shape (C, C)."""
    known = predictions.labelled()
    n = len(known.classes)
    return np.bincount(known.label * n + known.predicted, minlength=n * n).reshape(n, n)


def per_class(matrix: Index) -> dict[str, Array]:
    """Precision, recall and F1 of each class, shape (C,); NaN where a class does not occur.

    Args:
        matrix: As ``confusion_matrix`` has it.
    """
    right, true, called = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    occurs = true > 0
    share = lambda a, b: np.where(occurs, a / np.maximum(b, 1), np.nan)  # noqa: E731
    return {
        "precision": share(right, called),
        "recall": share(right, true),
        "f1": share(2 * right, called + true),
    }


def class_scores(predictions: Predictions) -> dict[str, float]:
    """``accuracy``, ``balanced_accuracy``, and the means over classes ``macro_precision``,
    ``macro_recall`` (the balanced accuracy's other name) and ``macro_f1``.
    """
    matrix = confusion_matrix(predictions)
    total = matrix.sum()
    macro = {f"macro_{k}": _mean(v) for k, v in per_class(matrix).items()}
    accuracy = float(np.trace(matrix) / total) if total else float("nan")
    return {"accuracy": accuracy, "balanced_accuracy": macro["macro_recall"], **macro}


def majority(predictions: Predictions, counts: Index | None = None) -> Predictions:
    """What one gets without light curves: the class frequencies for every object.

    Args:
        predictions: The objects.
        counts: Objects of each class in the training set, shape (C,); default: those at hand.
    """
    found = np.asarray(predictions.counts if counts is None else counts, dtype=np.float64)
    if not found.sum():
        found = np.ones(len(predictions.classes))
    same = np.tile(found / found.sum(), (len(predictions), 1))
    return replace(predictions, probabilities=same)


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
