"""How sure a score is, and whether one model is better than another on the same objects.

A bootstrap over objects says what another test set of the same size would give; seeds say what
another training would give. Both are needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sntorch.classification.evaluate.metrics import HEADLINE, scores
from sntorch.classification.predictions import Predictions
from sntorch.errors import DataError
from sntorch.statistics.estimate import Estimate, bootstrap

N_RESAMPLES = 400


@dataclass(frozen=True)
class McNemar:
    """Objects that one model gets right and the other wrong.

    Attributes:
        only_first: Right in the first model only.
        only_second: Right in the second model only.
        p_value: Of no difference in accuracy: two-sided, exact (binomial).
    """

    only_first: int
    only_second: int
    p_value: float


def intervals(
    predictions: Predictions,
    positive: str,
    names: Sequence[str] = HEADLINE,
    n: int = N_RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Scores with intervals from a bootstrap over objects.

    Args:
        predictions: Of any objects.
        positive: The class that binary scores are of.
        names: Which scores.
        n: Number of resamples; 0 leaves the intervals NaN.
        seed: Of the resamples.
    """
    known = predictions.labelled()
    found = bootstrap(lambda i: _values(known[i], positive, names), len(known), n, seed)
    return dict(zip(names, found, strict=True))


def differences(
    first: Predictions,
    second: Predictions,
    positive: str,
    names: Sequence[str] = HEADLINE,
    n: int = N_RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Scores of the first model less those of the second, each resample the same for both.

    Args:
        first: Of some objects.
        second: Of the same objects, in any order.
        positive: The class that binary scores are of.
        names: Which scores.
        n: Number of resamples.
        seed: Of the resamples.

    Raises:
        DataError: Other objects, or other labels.
    """
    one, other = paired(first, second)

    def gap(index: np.ndarray) -> np.ndarray:
        return _values(one[index], positive, names) - _values(other[index], positive, names)

    return dict(zip(names, bootstrap(gap, len(one), n, seed), strict=True))


def mcnemar(first: Predictions, second: Predictions) -> McNemar:
    """McNemar's test on the same objects (1947, Psychometrika 12, 153), exact."""
    from scipy.stats import binomtest

    one, other = paired(first, second)
    right, also = one.predicted == one.label, other.predicted == other.label
    a, b = int((right & ~also).sum()), int((also & ~right).sum())
    return McNemar(a, b, float(binomtest(a, a + b, 0.5).pvalue) if a + b else 1.0)


def paired(first: Predictions, second: Predictions) -> tuple[Predictions, Predictions]:
    """Two models' predictions of the labelled objects, in the same order.

    Raises:
        DataError: Other objects, other classes or other labels.
    """
    one, other = first.labelled(), second.labelled()
    if one.classes != other.classes:
        raise DataError(f"classes differ: {one.classes} and {other.classes}")
    place = {name: i for i, name in enumerate(other.object_id)}
    if len(place) != len(other) or set(one.object_id) != set(place) or len(one) != len(other):
        raise DataError("a paired comparison needs the same objects in both, each once")
    other = other[[place[name] for name in one.object_id]]
    if not np.array_equal(one.label, other.label):
        raise DataError("the two predictions disagree about the labels")
    return one, other


def over_seeds(runs: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation (of one run) of each score over trainings.

    Args:
        runs: Scores by name, a training each; at least two for a standard deviation.
    """
    table = {name: np.array([run[name] for run in runs], dtype=np.float64) for name in runs[0]}
    return {
        name: {
            "mean": float(values.mean()),
            "sd": float(values.std(ddof=1)) if len(values) > 1 else float("nan"),
            "n": len(values),
        }
        for name, values in table.items()
    }


def _values(predictions: Predictions, positive: str, names: Sequence[str]) -> np.ndarray:
    return np.array(list(scores(predictions, positive, names).values()))
