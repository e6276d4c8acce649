"""Shares of counts, with Wilson's (1927, J. Am. Stat. Assoc. 22, 209) intervals.

They stay within [0, 1] and do not shrink to nothing where none or all are counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sntorch.errors import ConfigError
from sntorch.statistics.estimate import Estimate

Array = NDArray[np.float64]
Z_95 = 1.959963984540054
# Share of the values beyond the outermost bins, on each side.
TAIL = 0.005
# Relative width below which values are all the same.
FLAT = 1e-9


def wilson(count: ArrayLike, n: ArrayLike, z: float = Z_95) -> tuple[Array, Array]:
    """Ends of the interval of a share ``count / n``; NaN where n is zero.

    Args:
        count: How many of them, any shape.
        n: Of how many, the same shape.
        z: Half its width in standard deviations.
    """
    number = np.asarray(n, dtype=np.float64)
    known = np.where(number > 0, number, np.nan)
    p, width = np.asarray(count) / known, z**2 / known
    middle = (p + width / 2) / (1 + width)
    half = z / (1 + width) * np.sqrt(p * (1 - p) / known + width / (4 * known))
    return middle - half, middle + half


def share(count: int, n: int) -> Estimate:
    """A share with its 95 % interval."""
    low, high = wilson(count, n)
    return Estimate(count / n, float(low), float(high))


@dataclass(frozen=True, eq=False)
class BinnedShares:
    """How many of the objects in bins of two quantities were kept.

    Attributes:
        x_edges: Of the first quantity, shape (X + 1,).
        y_edges: Of the second, shape (Y + 1,).
        n: Objects, shape (X, Y).
        kept: Those kept, or the sum of their probabilities to be kept, shape (X, Y).
    """

    x_edges: Array
    y_edges: Array
    n: Array
    kept: Array

    @property
    def share(self) -> Array:
        """Share kept, shape (X, Y); NaN in empty bins."""
        return self.kept / np.where(self.n > 0, self.n, np.nan)

    @property
    def error(self) -> Array:
        """Half of Wilson's 68 % interval of the share, shape (X, Y); NaN in empty bins."""
        low, high = wilson(self.kept, self.n, z=1.0)
        return (high - low) / 2


def binned_shares(
    x: ArrayLike, y: ArrayLike, kept: ArrayLike, x_edges: ArrayLike, y_edges: ArrayLike
) -> BinnedShares:
    """Count what is kept in bins of two quantities.

    Args:
        x: First quantity, shape (M,).
        y: Second, shape (M,).
        kept: Whether each object is kept, or the probability of it, shape (M,).
        x_edges: Increasing, shape (X + 1,); what lies beyond the edges is not counted.
        y_edges: Increasing, shape (Y + 1,).

    Raises:
        ConfigError: Shapes that do not match, or something kept with no probability.
    """
    points = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    weight = np.asarray(kept, dtype=np.float64)
    if not points[0].shape == points[1].shape == weight.shape == (weight.size,):
        raise ConfigError(
            "shares: two quantities and what is kept, (M,) each; found "
            f"{points[0].shape}, {points[1].shape} and {weight.shape}"
        )
    if not ((weight >= 0) & (weight <= 1)).all():
        raise ConfigError("shares: true and false, or probabilities in [0, 1], are kept")
    edges = np.asarray(x_edges, dtype=np.float64), np.asarray(y_edges, dtype=np.float64)
    n, *_ = np.histogram2d(*points, bins=edges)
    total, *_ = np.histogram2d(*points, bins=edges, weights=weight)
    return BinnedShares(*edges, n, total)


def bin_edges(values: ArrayLike, bins: int) -> Array:
    """Edges of equal bins over all but the outermost values, shape (bins + 1,).

    Values that are all the same have one bin, shape (2,), and lie in its middle.

    Args:
        values: shape (M,); those that are no numbers do not count.
        bins: Number of bins.

    Raises:
        ConfigError: Nothing but what is no number.
    """
    numbers = np.asarray(values, dtype=np.float64)
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        raise ConfigError(f"bins: none of {numbers.size} values is a finite number")
    low, high = np.quantile(finite, (TAIL, 1 - TAIL))
    least = FLAT * max(abs(low), abs(high))
    if high - low <= least:
        half = max(0.5, least)
        return np.array([low - half, high + half])
    return np.linspace(low, high, bins + 1)
