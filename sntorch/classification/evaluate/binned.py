"""Scores against something: the epoch, redshift, signal-to-noise ratio, number of observations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sntorch.classification.early import Epoch
from sntorch.classification.evaluate.intervals import N_RESAMPLES, intervals
from sntorch.classification.evaluate.metrics import HEADLINE
from sntorch.classification.predictions import Predictions
from sntorch.errors import DataError
from sntorch.statistics.estimate import Estimate

QUANTITIES = ("redshift", "snr", "n_observations")
N_BINS = 6


@dataclass(frozen=True)
class Bin:
    """Scores of the objects of a bin.

    Attributes:
        low: Lower edge, included.
        high: Upper edge, excluded but for the last bin; equal to ``low`` for an epoch.
        n: Number of labelled objects.
        n_positive: How many of them are of the class of binary scores.
        n_observations: Mean number of observations used; NaN where it is not known.
        scores: By name.
    """

    low: float
    high: float
    n: int
    n_positive: int
    n_observations: float
    scores: Mapping[str, Estimate]

    @classmethod
    def of(
        cls,
        predictions: Predictions,
        positive: str,
        edges: tuple[float, float],
        names: Sequence[str] = HEADLINE,
        n: int = N_RESAMPLES,
        seed: int = 0,
    ) -> Bin:
        """Scores of objects, see ``intervals`` for the arguments."""
        known = predictions.labelled()
        used = known.n_observations
        mean_used = float(used.mean()) if used is not None and len(known) else float("nan")
        found = intervals(known, positive, names, n, seed)
        is_positive = int(known.is_class(positive).sum())
        return cls(*edges, len(known), is_positive, mean_used, found)

    def row(self) -> dict[str, float]:
        """One line of a table: each score, and the ends of its interval."""
        columns = {name: getattr(self, name) for name in ("low", "high", "n", "n_positive")}
        columns["n_observations"] = self.n_observations
        for name, score in self.scores.items():
            columns |= {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}
        return columns


def against(
    predictions: Predictions,
    quantity: str | ArrayLike,
    positive: str,
    names: Sequence[str] = HEADLINE,
    edges: ArrayLike | None = None,
    n: int = N_RESAMPLES,
    seed: int = 0,
) -> list[Bin]:
    """Scores in bins of something that objects have.

    Args:
        predictions: Of any objects; those where the quantity is NaN are left out.
        quantity: ``redshift``, ``snr`` or ``n_observations``, or values, shape (N,).
        positive: The class that binary scores are of.
        names: Which scores.
        edges: K + 1 edges of the bins; default: six bins of equal numbers.
        n: Number of bootstrap resamples.
        seed: Of the resamples.

    Raises:
        DataError: The predictions do not have that quantity.
    """
    values = _values(predictions, quantity)
    usable = np.isfinite(values) & (predictions.label >= 0)
    if edges is None:
        shares = np.linspace(0, 1, N_BINS + 1)
        edges = np.unique(np.quantile(values[usable], shares)) if usable.any() else np.zeros(0)
    edges = np.asarray(edges, dtype=np.float64)
    place = np.digitize(values, edges) - 1
    place[values == edges[-1:].sum()] = len(edges) - 2
    return [
        Bin.of(predictions[usable & (place == k)], positive, (low, high), names, n, seed)
        for k, (low, high) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
        if (usable & (place == k)).any()
    ]


def against_epochs(
    by_epoch: Mapping[Epoch, Predictions],
    reference: str,
    positive: str,
    names: Sequence[str] = HEADLINE,
    n: int = N_RESAMPLES,
    seed: int = 0,
) -> list[Bin]:
    """Scores at each epoch from one reference, the earliest first.

    Objects without an observation by then (``n_observations`` of 0) are left out: ``n`` says how
    many were there to be classified.

    Args:
        by_epoch: Predictions from what was known at each epoch; other references are left out.
        reference: ``trigger`` or ``peak``.
        positive: The class that binary scores are of.
        names: Which scores.
        n: Number of bootstrap resamples.
        seed: Of the resamples.
    """
    chosen = [e for e in by_epoch if e.reference == reference and np.isfinite(e.days)]
    return [
        Bin.of(observed(by_epoch[e]), positive, (e.days, e.days), names, n, seed)
        for e in sorted(chosen, key=lambda e: e.days)
    ]


def observed(predictions: Predictions) -> Predictions:
    """The objects of which something had been observed."""
    used = predictions.n_observations
    return predictions if used is None else predictions[used > 0]


def _values(predictions: Predictions, quantity: str | ArrayLike) -> np.ndarray:
    if not isinstance(quantity, str):
        return np.asarray(quantity, dtype=np.float64)
    values = getattr(predictions, quantity) if quantity in QUANTITIES else None
    if values is None:
        raise DataError(
            f"the predictions have no {quantity}; known quantities are {', '.join(QUANTITIES)}"
        )
    return values
