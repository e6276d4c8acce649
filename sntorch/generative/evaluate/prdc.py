"""Precision, recall, density and coverage: are generated objects real, are real ones generated?

With balls around every object of a sample that reach to its k-th nearest neighbour in the sample:

- precision: share of generated objects inside a ball of a real one (Kynkäänniemi et al. 2019,
  arXiv:1904.06991);
- recall: share of real objects inside a ball of a generated one (the same);
- density: balls of real objects that hold a generated one, per generated object, divided by k
  (Naeem et al. 2020, arXiv:2002.09797, equation 4);
- coverage: share of real objects whose ball holds a generated one (the same, equation 5).

Two real samples of N and M objects have a density of 1 and a coverage of 1 - (M / (N + M))^k: for
k = 5 and equal sizes 0.97, for 350 against 2,000 objects 0.55. A sample must not be repeated to
reach a size: copies shrink its balls to nothing and recall with them, measured for those 350 from
0.93 to 0.24 (normal numbers in 8 dimensions).

The intervals hold the balls fixed, hence are too short. Measured for 300 pairs of two samples of
300 objects (normal, 8 dimensions), precision, recall, density and coverage scatter from pair to
pair 1.2, 1.3, 1.4 and 1.2 times as widely as the intervals say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sntorch.generative.evaluate.distances import Array, mean_interval

NEIGHBOURS = 5


@dataclass(frozen=True)
class Neighbourhoods:
    """What each object says about the other sample.

    Attributes:
        precision: Whether a generated object lies in a real ball, shape (N,).
        density: Real balls a generated object lies in, divided by k, shape (N,).
        recall: Whether a real object lies in a generated ball, shape (M,).
        coverage: Whether a real object's ball holds a generated one, shape (M,).
    """

    precision: Array
    density: Array
    recall: Array
    coverage: Array


def prdc(generated: Array, real: Array, k: int = NEIGHBOURS) -> Neighbourhoods:
    """Compare two samples of whitened features.

    Args:
        generated: shape (N, D).
        real: shape (M, D).
        k: Neighbours within a ball; fewer where a sample has fewer.
    """
    k = min(k, len(generated) - 1, len(real) - 1)
    between = _distances(generated, real)
    inside_real = between <= _radii(real, k)
    inside_generated = between <= _radii(generated, k)[:, None]
    return Neighbourhoods(
        precision=inside_real.any(1).astype(float),
        density=inside_real.sum(1) / k,
        recall=inside_generated.any(0).astype(float),
        coverage=inside_real.any(0).astype(float),
    )


def prdc_scores(generated: Array, real: Array, seed: int, n_resamples: int) -> dict[str, Any]:
    """The four scores, each with its bootstrap interval as ``<name>_interval``.

    The intervals hold the balls fixed and resample the objects that are looked for in them, which
    is too little (the head of this file says by how much).

    Args:
        generated: Whitened features, shape (N, D).
        real: Whitened features, shape (M, D).
        seed: Seed of the bootstrap.
        n_resamples: Resamples of the bootstrap.
    """
    scores: dict[str, Any] = {}
    for name, values in vars(prdc(generated, real)).items():
        scores[name] = float(values.mean())
        scores[f"{name}_interval"] = list(mean_interval(values, seed, n_resamples))
    return scores


def _radii(x: Array, k: int) -> Array:
    """Distance of every object to its k-th nearest neighbour in the same sample, shape (N,)."""
    within = _distances(x, x)
    # An object is no neighbour of its own; a copy of it is one.
    np.fill_diagonal(within, np.inf)
    return np.partition(within, k - 1, axis=1)[:, k - 1]


def _distances(x: Array, y: Array) -> Array:
    """Euclidean distances, shape (N, M)."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(x, y), dtype=np.float64)
