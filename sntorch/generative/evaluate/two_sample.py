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

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sntorch.features.summary import CADENCE_FEATURES, quantity
from sntorch.generative.evaluate.distances import Array
from sntorch.generative.evaluate.samples import Features, Pair

FOLDS = 5


@dataclass(frozen=True)
class Part:
    """What a classifier said of objects that it did not see: a fold, or a test half.

    Attributes:
        generated: Probabilities of being generated, of n generated objects, shape (n,).
        real: The same of m real ones, shape (m,).
        generated_index: Which of the generated sample's objects these are, shape (n,).
        real_index: Which of the real sample's, shape (m,).
    """

    generated: Array
    real: Array
    generated_index: NDArray[np.int64]
    real_index: NDArray[np.int64]

    @classmethod
    def of(cls, scores: Array, index: NDArray[np.int64], n_generated: int) -> Part:
        """The part of some objects of both samples, the generated ones numbered first.

        Args:
            scores: Probabilities of being generated, shape (n + m,).
            index: Numbers of the objects, shape (n + m,).
            n_generated: Size of the whole generated sample.
        """
        ours = index < n_generated
        return cls(scores[ours], scores[~ours], index[ours], index[~ours] - n_generated)


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
    chosen = {"all": list(real), "no_cadence": without_cadence(real, pair.real.batch.bands)}
    return {
        name: classifier_scores(_matrix(ours, names), _matrix(real, names), seed, n_resamples)
        for name, names in chosen.items()
    }


def without_cadence(features: Features, bands: tuple[str, ...]) -> list[str]:
    """Names of the features that do not say when, or how often, an object was observed."""
    return [name for name in features if quantity(name, bands) not in CADENCE_FEATURES]


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
    parts = [
        Part.of(_fold(x, label, train, test, seed), test, len(generated))
        for train, test in folds.split(x, label)
    ]
    return summarise(parts, seed, n_resamples)


def summarise(parts: list[Part], seed: int, n_resamples: int = 200) -> dict[str, Any]:
    """Scores of a test from its parts: folds, or repetitions with another split.

    Args:
        parts: What classifiers said of objects that they did not see; parts may share objects.
        seed: Seed of the bootstrap.
        n_resamples: Resamples of the interval.

    Returns:
        ``auc`` (mean of the parts), ``auc_interval`` (objects drawn again, classifiers held
        fixed), ``p_value``, ``discriminative``.
    """
    resampled = _resampled(parts, seed, n_resamples)
    correct = np.mean([((p.generated > 0.5).mean() + (p.real <= 0.5).mean()) / 2 for p in parts])
    return {
        "auc": float(np.mean([_above(part).mean() for part in parts])),
        "auc_interval": np.quantile(resampled, [0.025, 0.975]).tolist(),
        "p_value": _p_value(parts),
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


def _above(part: Part) -> Array:
    """Whether a generated object has the larger score than a real one, shape (n, m)."""
    ours, real = part.generated[:, None], part.real
    return (ours > real) + 0.5 * (ours == real)


def _resampled(parts: list[Part], seed: int, n_resamples: int) -> Array:
    """Mean area under the curve when the objects are drawn again, shape (R,).

    An object has one weight in all parts: splits that share objects are no independent evidence.
    Weights are exponential (Rubin 1981, the Bayesian bootstrap), so that no part loses all of its
    objects, however small it is.
    """
    rng = np.random.default_rng(seed)
    indices = [[p.generated_index for p in parts], [p.real_index for p in parts]]
    ours, real = (
        rng.exponential(size=(n_resamples, 1 + max(int(i.max()) for i in each)))
        for each in indices
    )
    total = np.zeros(n_resamples)
    for part in parts:
        a, b = ours[:, part.generated_index], real[:, part.real_index]
        total += ((a @ _above(part)) * b).sum(1) / (a.sum(1) * b.sum(1))
    return total / len(parts)


def _p_value(parts: list[Part]) -> float:
    from scipy.stats import mannwhitneyu

    each = [mannwhitneyu(p.generated, p.real, alternative="greater").pvalue for p in parts]
    return float(min(2 * np.median(each), 1.0))


def _matrix(features: Features, names: list[str]) -> Array:
    return np.stack([features[name] for name in names], axis=1)
