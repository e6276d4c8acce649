"""Does a generator invent, or repeat its training set?

Distances are Euclidean in summary features, each centred and scaled by the median and the robust
spread of the training objects. With d(x) the distance of an object to the nearest training object:

- nearest-neighbour ratio μ = median d(generated) / median d(held out): 1 for new objects, 0 for
  copies;
- copies κ = share of generated objects nearer than the 1 % quantile q of m held-out ones. Of new
  objects (1 + 0.01 (m - 1)) / (m + 1) are expected, since q lies near the closest held-out object
  when these are few: 0.01 for many, 0.04 for 36.
  It also scatters, as a Beta number does, so that the mark is 2 % or, for few held-out objects,
  what new ones stay below with a probability of 97.5 %: 0.12 for 36, 0.03 for 300;
- C_T: the z-score of the Mann-Whitney test that generated objects are nearer than held-out ones
  (Meehan, Chaudhuri & Dasgupta 2020, arXiv:2004.05675, over all objects at once); below about -3
  is copying.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LEAST_RATIO = 0.90
MOST_COPIES = 0.02
LARGEST_SCORE = 5.0
CLOSEST = 0.01
CERTAIN = 0.975


@dataclass(frozen=True)
class Memorisation:
    """How near a sample lies to the training set.

    Attributes:
        ratio: Nearest-neighbour ratio μ.
        copies: Share of copies κ.
        expected_copies: The share κ that new objects would have on average.
        most_copies: The mark: 2 %, or more where few objects are held out.
        c_t: Mann-Whitney z-score; negative when the sample is nearer than held-out objects.
    """

    ratio: float
    copies: float
    expected_copies: float
    most_copies: float
    c_t: float

    @property
    def passed(self) -> bool:
        """Whether the sample counts as new: μ >= 0.90, and κ not above its mark."""
        return self.ratio >= LEAST_RATIO and self.copies <= self.most_copies

    def as_dict(self) -> dict[str, float | bool]:
        """The scores and the verdict."""
        return asdict(self) | {"passed": self.passed}


def memorisation(
    sample: dict[str, Array], train: dict[str, Array], held_out: dict[str, Array]
) -> Memorisation:
    """Compare a sample's distances to the training set with those of held-out objects.

    Args:
        sample: Features of the sample, name -> shape (B,).
        train: Features of the training objects.
        held_out: Features of real objects that were not trained on.
    """
    whiten = Whitening(train)
    reference = whiten(train)
    return compare_distances(
        nearest(whiten(sample), reference), nearest(whiten(held_out), reference)
    )


def compare_distances(ours: Array, theirs: Array) -> Memorisation:
    """The scores from distances to the nearest training object.

    Args:
        ours: Of the sample's objects, shape (N,).
        theirs: Of held-out objects, shape (M,).
    """
    from scipy.stats import beta

    middle, m = np.median(theirs), len(theirs)
    # Of the order statistics of m distances the quantile is number 1 + 0.01 (m - 1).
    place = 1 + CLOSEST * (m - 1)
    return Memorisation(
        ratio=float(np.median(ours) / middle) if middle > 0 else float("nan"),
        copies=float(np.mean(ours < np.quantile(theirs, CLOSEST))),
        expected_copies=place / (m + 1),
        most_copies=max(MOST_COPIES, float(beta.ppf(CERTAIN, place, m + 1 - place))),
        c_t=mann_whitney(ours, theirs),
    )


class Whitening:
    """Features as a matrix, centred and scaled by median and robust spread of a reference sample.

    A missing feature becomes 0, the median; scores are limited to five spreads so that no single
    feature decides who is whose neighbour.

    Args:
        reference: Features of the training objects, name -> shape (B,).
    """

    def __init__(self, reference: dict[str, Array]) -> None:
        self.names = [k for k, v in reference.items() if np.isfinite(v).sum() > 1]
        matrix = np.stack([reference[k] for k in self.names], axis=1)
        self.centre = np.nanmedian(matrix, axis=0)
        spread = 1.4826 * np.nanmedian(np.abs(matrix - self.centre), axis=0)
        wide = np.nanstd(matrix, axis=0)
        self.scale = np.where(spread > 0, spread, np.where(wide > 0, wide, 1.0))

    def __call__(self, features: dict[str, Array]) -> Array:
        """Whitened features, shape (B, D)."""
        matrix = np.stack([features[k] for k in self.names], axis=1)
        scores = np.nan_to_num((matrix - self.centre) / self.scale, nan=0.0)
        return np.clip(scores, -LARGEST_SCORE, LARGEST_SCORE)


def nearest(x: Array, reference: Array, chunk: int = 500) -> Array:
    """Distance from each row of ``x`` (N, D) to the nearest of ``reference`` (M, D): (N,)."""
    square = (reference**2).sum(1)
    parts = [
        ((part**2).sum(1)[:, None] + square - 2 * part @ reference.T).min(1)
        for part in (x[i : i + chunk] for i in range(0, len(x), chunk))
    ]
    return np.sqrt(np.maximum(np.concatenate(parts), 0.0))


def mann_whitney(x: Array, y: Array) -> float:
    """Z-score of the Mann-Whitney U statistic; negative when ``x`` tends to be smaller."""
    order = np.sort(y)
    below = np.searchsorted(order, x, side="left") + np.searchsorted(order, x, side="right")
    n, m = len(x), len(y)
    return float((below.sum() / 2 - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))
