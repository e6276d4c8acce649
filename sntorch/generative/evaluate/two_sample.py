"""Can a classifier tell generated from real objects by their summary features?

The classifier two-sample test (Lopez-Paz & Oquab 2017, arXiv:1610.06545) with boosted trees, which
take missing features as they are. Every object is scored by trees grown on the other folds; an
area under the ROC curve (AUC) of 0.5 means that nothing was found, 1 that every object is told
apart. The discriminative score |accuracy - 1/2| is that of Yoon et al. (2019, TimeGAN).

The p-value. Within one fold, under the null hypothesis the scores of both samples are exchangeable
given the trees, so the Mann-Whitney test is valid there. It is not for the scores of all folds
together: any two objects meet twice, once each way round, which makes the folds' results
correlate and the test claim too much. Twice the median of the folds' p-values is valid however
they depend on each other (Meinshausen, Meier & Bühlmann 2009, with γ = 1/2); it is a cautious
number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sntorch.features.summary import CADENCE_FEATURES
from sntorch.generative.evaluate.distances import Array
from sntorch.generative.evaluate.samples import Features, Pair

FOLDS = 5


def feature_test(pair: Pair, seed: int, n_resamples: int) -> dict[str, Any]:
    """The test on all features, and on those that are not of the cadence.

    Args:
        pair: A sample and a real one of the same size.
        seed: Seed of folds and trees.
        n_resamples: Resamples of the intervals.

    Returns:
        ``all`` and ``no_cadence``, each as ``classifier_scores`` returns it.
    """
    ours, real = pair.sample.features, pair.real.features
    chosen = {"all": list(real), "no_cadence": without_cadence(real)}
    return {
        name: classifier_scores(_matrix(ours, names), _matrix(real, names), seed, n_resamples)
        for name, names in chosen.items()
    }


def without_cadence(features: Features) -> list[str]:
    """Names of the features that do not say when, or how often, an object was observed."""
    return [name for name in features if not name.startswith(CADENCE_FEATURES)]


def classifier_scores(
    generated: Array, real: Array, seed: int, n_resamples: int = 200
) -> dict[str, Any]:
    """Train boosted trees to tell two samples apart.

    Args:
        generated: Features, shape (N, D); NaN where missing.
        real: Features, shape (M, D), with M about N.
        seed: Seed of folds and trees.
        n_resamples: Resamples of the interval.

    Returns:
        ``auc``, ``auc_interval``, ``p_value``, ``discriminative``.
    """
    from sklearn.model_selection import StratifiedKFold

    x = np.concatenate([generated, real])
    label = np.repeat([1, 0], [len(generated), len(real)])
    folds = StratifiedKFold(min(FOLDS, len(generated), len(real)), shuffle=True, random_state=seed)
    scores = [(_fold(x, label, *parts, seed), label[parts[1]]) for parts in folds.split(x, label)]
    return summarise([(s[y == 1], s[y == 0]) for s, y in scores], seed, n_resamples)


def summarise(
    folds: list[tuple[Array, Array]], seed: int, n_resamples: int = 200
) -> dict[str, Any]:
    """Scores of a test from its parts: folds, or repetitions with another split.

    Args:
        folds: For each part the probabilities of being generated, of generated objects (N,) and of
            real ones (M,), from a classifier that saw neither.
        seed: Seed of the bootstrap.
        n_resamples: Resamples of the interval.

    Returns:
        ``auc`` (mean of the parts), ``auc_interval`` (objects drawn again, classifiers held
        fixed), ``p_value``, ``discriminative``.
    """
    parts = [_auc(ours, real, seed + k, n_resamples) for k, (ours, real) in enumerate(folds)]
    resampled = np.mean([draws for _, draws in parts], axis=0)
    correct = np.mean([((a > 0.5).mean() + (b <= 0.5).mean()) / 2 for a, b in folds])
    return {
        "auc": float(np.mean([auc for auc, _ in parts])),
        "auc_interval": np.quantile(resampled, [0.025, 0.975]).tolist(),
        "p_value": _p_value(folds),
        "discriminative": float(abs(correct - 0.5)),
    }


def _fold(
    x: Array, label: NDArray[np.int64], train: Any, test: NDArray[np.int64], seed: int
) -> Array:
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, random_state=seed)
    # A feature that no object of the fold has carries nothing, and the binning warns of it.
    known = np.isfinite(x[train]).any(0)
    return trees.fit(x[train][:, known], label[train]).predict_proba(x[test][:, known])[:, 1]


def _auc(ours: Array, real: Array, seed: int, n_resamples: int) -> tuple[float, Array]:
    """Area under the curve, and its values when the objects are drawn again."""
    rng = np.random.default_rng(seed)
    above = (ours[:, None] > real) + 0.5 * (ours[:, None] == real)
    times, others = (
        rng.multinomial(n, np.full(n, 1 / n), n_resamples) / n for n in (len(ours), len(real))
    )
    return float(above.mean()), ((times @ above) * others).sum(1)


def _p_value(folds: list[tuple[Array, Array]]) -> float:
    from scipy.stats import mannwhitneyu

    each = [mannwhitneyu(ours, real, alternative="greater").pvalue for ours, real in folds]
    return float(min(2 * np.median(each), 1.0))


def _matrix(features: Features, names: list[str]) -> Array:
    return np.stack([features[name] for name in names], axis=1)
