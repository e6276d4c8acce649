"""Scores of the order that probabilities put objects in, whatever the threshold.

With more than two classes each stands against all others, and the mean is over the classes that
occur (macro, one against the rest).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sntorch.classification.predictions import Array, Predictions


def roc_auc(positive: NDArray[np.bool_], score: Array) -> float:
    """Area under the ROC curve; NaN where there are no objects of one of the two kinds.

    It is Mann & Whitney's statistic, the share of pairs in the right order: from the ranks, for
    the bootstrap asks for thousands of them and scikit-learn's checks take most of its time.

    Args:
        positive: Whether objects are of the class, shape (N,).
        score: Larger for those that more likely are, shape (N,).
    """
    from scipy.stats import rankdata

    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return float("nan")
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * m))


def pr_auc(positive: NDArray[np.bool_], score: Array) -> float:
    """Average precision, the area under the precision-recall curve without interpolation.

    A score without knowledge gets the share of positive objects, not 0.5.
    """
    if not positive.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    # Objects of the same score come together.
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    found = np.cumsum(positive[order])[last]
    return float(np.sum(np.diff(found, prepend=0) * found / (last + 1)) / found[-1])


def ranking_scores(predictions: Predictions, positive: str) -> dict[str, float]:
    """``roc_auc`` and ``pr_auc`` of one class against the rest."""
    known = predictions.labelled()
    truth, score = known.is_class(positive), known.score(positive)
    return {"roc_auc": roc_auc(truth, score), "pr_auc": pr_auc(truth, score)}


def macro_ranking_scores(predictions: Predictions) -> dict[str, float]:
    """``macro_roc_auc`` and ``macro_pr_auc``, means over the classes that occur."""
    out = {}
    for name, values in per_class_ranking(predictions).items():
        occurring = values[np.isfinite(values)]
        out[f"macro_{name}"] = float(occurring.mean()) if len(occurring) else float("nan")
    return out


def per_class_ranking(predictions: Predictions) -> dict[str, Array]:
    """``roc_auc`` and ``pr_auc`` of each class against the rest, shape (C,)."""
    known = predictions.labelled()
    columns = [(known.label == k, p) for k, p in enumerate(known.probabilities.T)]
    return {
        "roc_auc": np.array([roc_auc(truth, p) for truth, p in columns]),
        "pr_auc": np.array([pr_auc(truth, p) for truth, p in columns]),
    }


def curves(predictions: Predictions, positive: str) -> dict[str, Array]:
    """Points of both curves: ``false_positive_rate``, ``true_positive_rate``; ``efficiency``,
    ``purity``. Empty where there are no objects of one of the two kinds.
    """
    from sklearn.metrics import precision_recall_curve, roc_curve

    known = predictions.labelled()
    truth, score = known.is_class(positive), known.score(positive)
    names = ("false_positive_rate", "true_positive_rate", "efficiency", "purity")
    if not truth.any() or truth.all():
        return {name: np.empty(0) for name in names}
    false, true, _ = roc_curve(truth, score)
    purity, efficiency, _ = precision_recall_curve(truth, score)
    return dict(zip(names, (false, true, efficiency, purity), strict=True))
