"""Maximum mean discrepancy: how far apart two samples are in the space of a kernel.

MMD² = E k(x, x') + E k(y, y') - 2 E k(x, y), estimated without bias (Gretton et al. 2012, JMLR 13,
723, lemma 6): it is 0 on average for two samples of one population and can be negative. Kernels:

- radial: exp(-d²/2h²) of whitened features, with h the median distance of training objects;
- signature: the inner product of truncated path signatures (``sntorch.generative.evaluate.
  signatures``), which sees whole light curves.

Both kernels are fixed by the training set, so that generated sample and floors are measured on one
scale and the permutation test (labels shuffled, kernel held) is exact for samples that are
independent of it.
"""

from __future__ import annotations

import numpy as np

from sntorch.generative.evaluate.distances import Array

N_PERMUTATIONS = 500


def radial_kernel(x: Array, y: Array, width: float) -> Array:
    """exp(-d²/2h²) of the rows of ``x`` (N, D) and ``y`` (M, D), shape (N, M)."""
    from scipy.spatial.distance import cdist

    return np.exp(-0.5 * cdist(x, y, "sqeuclidean") / width**2)


def median_distance(x: Array, most: int = 1000) -> float:
    """Median distance between rows of ``x`` (N, D), of the first ``most``: the usual width."""
    from scipy.spatial.distance import pdist

    return float(np.median(pdist(x[:most]))) or 1.0


def mmd(
    kernel: Array, n: int, seed: int, n_permutations: int = N_PERMUTATIONS
) -> dict[str, float]:
    """Unbiased MMD² of the first ``n`` objects against the others, and its p-value.

    Args:
        kernel: Kernel between all objects of both samples, shape (N + M, N + M).
        n: Size N of the first sample.
        seed: Seed of the permutations.
        n_permutations: Permutations of the labels.

    Returns:
        ``mmd2`` and ``p_value``, the share of permutations (the observed labels among them) with
        at least this MMD².
    """
    rng = np.random.default_rng(seed)
    first = (np.arange(len(kernel)) < n).astype(float)
    labels = np.stack([first, *(rng.permutation(first) for _ in range(n_permutations))], axis=1)
    values = _unbiased(kernel, labels)
    # Sums over another order of the same numbers differ in the last digits.
    reached = values >= values[0] - 1e-12 * np.abs(kernel).max()
    return {"mmd2": float(values[0]), "p_value": float(reached.mean())}


def _unbiased(kernel: Array, labels: Array) -> Array:
    """MMD² for every column of labels (N + M, P): 1 for the first sample, 0 for the second."""
    off = kernel - np.diag(np.diag(kernel))
    n, m = labels[:, 0].sum(), (1 - labels[:, 0]).sum()
    ours = off @ labels
    within = (ours * labels).sum(0)
    between = (ours * (1 - labels)).sum(0)
    others = off.sum() - within - 2 * between
    return within / (n * (n - 1)) + others / (m * (m - 1)) - 2 * between / (n * m)
