"""Proper scores of probabilities: log-loss and Brier score.

The flat-weighted log-loss is the PLAsTiCC challenge's (Malz et al. 2019, AJ 158, 171, equation 4)
with all class weights equal,

    L = - sum_m w_m / N_m sum_{n of class m} ln p_nm / sum_m w_m ,

so that every class counts the same, however rare. Probabilities are limited to [1e-15, 1].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sntorch.classification.predictions import Array, Predictions

SMALLEST = 1e-15


def surprise(predictions: Predictions) -> Array:
    """Minus the logarithm of the true class's probability, of the labelled objects."""
    known = predictions.labelled()
    p = known.probabilities[np.arange(len(known)), known.label]
    return -np.log(np.clip(p, SMALLEST, 1.0))


def log_loss(predictions: Predictions) -> float:
    """Mean of minus the logarithm of the true class's probability (nats)."""
    values = surprise(predictions)
    return float(values.mean()) if len(values) else float("nan")


def plasticc_log_loss(
    predictions: Predictions, weights: Mapping[str, float] | None = None
) -> float:
    """Log-loss with a mean within each class first.

    Args:
        predictions: Of any objects; classes that do not occur do not count.
        weights: Weight of each class; default: all equal (the flat-weighted log-loss).
    """
    counts = predictions.counts
    sums = np.bincount(predictions.labelled().label, surprise(predictions), minlength=len(counts))
    weight = np.array([(weights or {}).get(name, 1.0) for name in predictions.classes])
    occurs = counts > 0
    if not occurs.any():
        return float("nan")
    return float(np.average(sums[occurs] / counts[occurs], weights=weight[occurs]))


def brier(predictions: Predictions) -> float:
    """Mean squared distance of the probabilities from the truth, summed over classes (0 to 2).

    With two classes it is twice the Brier score of one of them.
    """
    known = predictions.labelled()
    truth = np.eye(len(known.classes))[known.label]
    return float(np.square(known.probabilities - truth).sum(1).mean()) if len(known) else np.nan


def likelihood_scores(predictions: Predictions) -> dict[str, float]:
    """``log_loss``, ``plasticc_log_loss`` (flat weights) and ``brier``."""
    return {
        "log_loss": log_loss(predictions),
        "plasticc_log_loss": plasticc_log_loss(predictions),
        "brier": brier(predictions),
    }
