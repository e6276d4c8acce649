"""Scores of doubt: does a classifier know when it does not know?

With S draws of the probabilities (dropout, an ensemble), the entropy of their mean is the whole
uncertainty, and its mutual information with the draws the part that more training data would
remove (Houlsby et al. 2011, arXiv:1112.5745): I = H(mean p) - mean H(p).
"""

from __future__ import annotations

import numpy as np

from sntorch.classification.evaluate.ranking import roc_auc
from sntorch.classification.predictions import Array, Predictions


def entropy(probabilities: Array) -> Array:
    """Entropy of the classes in nats, shape (…,), of probabilities (…, C)."""
    from scipy.special import entr

    return entr(probabilities).sum(-1)


def mutual_information(draws: Array) -> Array:
    """What draws disagree about in nats, shape (N,); 0 where all are the same.

    Args:
        draws: Probabilities, shape (S, N, C).
    """
    return np.clip(entropy(draws.mean(0)) - entropy(draws).mean(0), 0.0, None)


def novelty_auroc(known: Array, foreign: Array) -> float:
    """Area under the ROC curve of a score of doubt that should be larger for foreign objects.

    Args:
        known: Scores of objects like the training set, shape (N,).
        foreign: Scores of others, shape (M,).
    """
    truth = np.repeat([False, True], [len(known), len(foreign)])
    return roc_auc(truth, np.concatenate([known, foreign]))


def rejection(predictions: Predictions, shares: Array | None = None) -> dict[str, Array]:
    """Accuracy of the objects that are kept when the most doubtful are left out.

    Args:
        predictions: Of any objects.
        shares: Shares kept, default 5 %, 10 %, … 100 %.

    Returns:
        ``kept`` and ``accuracy``, shape (K,) each.
    """
    known = predictions.labelled()
    shares = np.linspace(0.05, 1, 20) if shares is None else np.asarray(shares)
    order = np.argsort(entropy(known.probabilities), kind="stable")
    right = np.cumsum((known.predicted == known.label)[order])
    n = np.clip(np.round(shares * len(known)).astype(int), 1, None)
    return {
        "kept": shares,
        "accuracy": right[n - 1] / n if len(known) else np.full(len(n), np.nan),
    }
