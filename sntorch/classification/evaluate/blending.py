"""Which of several trained classifiers to average, and how much each counts.

Greedy selection with replacement (Caruana, Niculescu-Mizil, Crew & Ksikes 2004, ICML, "Ensemble
selection from libraries of models"): the ensemble starts empty, and each pick is the classifier
that, added to those picked before, lowers a loss of validation objects most. The loss of the
ensemble on these objects is optimistic; other objects say what it is worth.

Letters in shapes: ``M`` classifiers, ``N`` objects, ``C`` classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sntorch.classification.evaluate.likelihood import log_loss
from sntorch.classification.predictions import Array, Predictions
from sntorch.errors import ConfigError, DataError

PICKS = 50


def greedy_weights(
    members: Sequence[Predictions],
    loss: Callable[[Predictions], float] = log_loss,
    n_picks: int = PICKS,
) -> Array:
    """Weights of classifiers by greedy selection with replacement, shape (M,), of sum one.

    Args:
        members: What each classifier says of the same validation objects.
        loss: What is to be small.
        n_picks: Picks; weights are multiples of its inverse.

    Raises:
        ConfigError: No picks.
        DataError: No members, members that are of other objects, or objects without labels.
    """
    if n_picks < 1:
        raise ConfigError(f"n_picks={n_picks}: 1 or more are accepted")
    stacked = _stacked(members)
    counts, total = np.zeros(len(members)), np.zeros_like(stacked[0])
    for picked in range(n_picks):
        means = [(total + one) / (picked + 1) for one in stacked]
        each = [loss(replace(members[0], probabilities=mean)) for mean in means]
        if not np.isfinite(each).all():
            raise DataError("the loss of a classifier is not finite; labelled objects are needed")
        best = int(np.argmin(each))
        counts[best] += 1
        total += stacked[best]
    return counts / n_picks


def blend(members: Sequence[Predictions], weights: Array | None = None) -> Predictions:
    """The weighted mean of what classifiers say of the same objects.

    Args:
        members: The M classifiers' predictions.
        weights: Shape (M,); default: all equal, a deep ensemble.

    Raises:
        DataError: No members, members that are of other objects, or weights of another number.
    """
    stacked = _stacked(members)
    given = np.ones(len(members)) if weights is None else np.asarray(weights)
    if given.shape != (len(members),):
        raise DataError(
            f"weights of shape {given.shape}; one for each of {len(members)} classifiers is "
            "accepted"
        )
    return replace(members[0], probabilities=np.average(stacked, axis=0, weights=given))


def _stacked(members: Sequence[Predictions]) -> Array:
    """Probabilities, shape (M, N, C)."""
    if not members:
        raise DataError("no classifier to average")
    first = members[0]
    for i, other in enumerate(members[1:], start=2):
        if other.object_id != first.object_id or other.classes != first.classes:
            raise DataError(f"classifier {i} is of other objects or classes than the first one")
    return np.stack([one.probabilities for one in members])
