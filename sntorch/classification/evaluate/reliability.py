"""Calibration: of the objects that get a probability of 80 %, are 80 % of that class?

Bins hold equal numbers of objects (Nixon et al. 2019, arXiv:1904.01685), but objects of the same
probability stay together. The expected calibration error is positive for a perfectly calibrated
classifier, too, because bins are finite; ``floor`` says by how much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sntorch.classification.predictions import Array, Predictions

N_BINS = 15


@dataclass(frozen=True)
class Reliability:
    """Bins of probability, the lowest first, shape (K,) each.

    Attributes:
        confidence: Mean probability.
        frequency: Share of objects of which it was true.
        error: Binomial standard error of ``frequency``, about the mean probability.
        n: Number of objects.
    """

    confidence: Array
    frequency: Array
    error: Array
    n: NDArray[np.int64]

    @property
    def ece(self) -> float:
        """Expected calibration error: mean distance of frequency from confidence over objects."""
        off = np.abs(self.frequency - self.confidence)
        return float(np.average(off, weights=self.n)) if len(self.n) else float("nan")


def reliability(
    probability: Array, happened: NDArray[np.bool_], bins: int = N_BINS
) -> Reliability:
    """Reliability curve of one probability.

    Args:
        probability: Of an event, shape (N,).
        happened: Whether it was true, shape (N,).
        bins: Number of bins of equal mass.
    """
    if not len(probability):
        return Reliability(np.empty(0), np.empty(0), np.empty(0), np.empty(0, dtype=np.int64))
    edges = np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1])
    place = np.searchsorted(np.unique(edges), probability, side="right")
    n = np.bincount(place)
    full = n > 0
    confidence = np.bincount(place, probability)[full] / n[full]
    frequency = np.bincount(place, happened)[full] / n[full]
    error = np.sqrt(np.clip(confidence * (1 - confidence), 0, None) / n[full])
    return Reliability(confidence, frequency, error, n[full])


def top_label(predictions: Predictions, bins: int = N_BINS) -> Reliability:
    """Of the most probable class's probability: was the object of that class?"""
    known = predictions.labelled()
    return reliability(known.probabilities.max(1), known.predicted == known.label, bins)


def of_class(predictions: Predictions, name: str, bins: int = N_BINS) -> Reliability:
    """Of one class's probability."""
    known = predictions.labelled()
    return reliability(known.score(name), known.is_class(name), bins)


def calibration_scores(predictions: Predictions, bins: int = N_BINS) -> dict[str, float]:
    """``ece`` of the most probable class, and ``class_ece``, the mean over classes of theirs."""
    each = [of_class(predictions, name, bins).ece for name in predictions.classes]
    return {"ece": top_label(predictions, bins).ece, "class_ece": float(np.mean(each))}


def floor(predictions: Predictions, bins: int = N_BINS, n: int = 100, seed: int = 0) -> float:
    """Expected ``ece`` of these probabilities if they were true.

    Args:
        predictions: Labels are drawn from their probabilities.
        bins: Number of bins.
        n: Number of draws.
        seed: Seed of the draws.
    """
    p = predictions.labelled().probabilities.max(1)
    rng = np.random.default_rng(seed)
    return float(np.mean([reliability(p, rng.random(len(p)) < p, bins).ece for _ in range(n)]))
