"""The baseline that every network has to beat: boosted trees on parametric features.

In the manner of avocado (Boone 2019, AJ 158, 257) and Superphot+ (de Soto et al. 2024, ApJ 974,
169): each light curve becomes a row of numbers, and gradient-boosted trees classify the rows, with
classes weighted to equal sums. Deviations: features are Bazin fits and summaries instead of a
Gaussian process's or another function's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sntorch.classification.early import WHOLE, Epoch
from sntorch.classification.parametric_features import Array, ParametricFeatures
from sntorch.classification.predictions import Predictions
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError, DataError

LEARNERS = ("lightgbm", "histogram")


class FeatureClassifier:
    """Boosted trees on parametric features.

    Args:
        redshift: ``none``, ``photo-z`` or ``spec-z``, see ``ParametricFeatures``.
        learner: ``lightgbm``, or ``histogram``, scikit-learn's trees of the same kind.
        seed: Of the trees.
        n_trees: Number of trees.
        learning_rate: What each tree adds.
        derived: Whether features include colours and rest-frame numbers.

    Example:
        >>> trees = FeatureClassifier(redshift="photo-z").fit(train)  # doctest: +SKIP
        >>> trees.predict_proba(test)  # doctest: +SKIP

    Raises:
        ConfigError: Another use of redshift or learner, or LightGBM is not installed.
    """

    def __init__(
        self,
        redshift: str = "none",
        learner: str = "lightgbm",
        seed: int = 0,
        n_trees: int = 300,
        learning_rate: float = 0.05,
        derived: bool = False,
    ) -> None:
        self.features = ParametricFeatures(redshift, seed, derived)
        self.trees = _trees(learner, seed, n_trees, learning_rate)
        self.classes: tuple[str, ...] = ()
        self.known: list[str] = []

    def fit(self, batch: LightCurveBatch, epochs: Sequence[Epoch] = (WHOLE,)) -> FeatureClassifier:
        """Learn from labelled objects; returns itself.

        Args:
            batch: The training objects, whole.
            epochs: Trees learn from each object as it was known at each of these: those that saw
                whole curves only know nothing of early ones.

        Raises:
            DataError: Objects of fewer than two classes.
        """
        batch = batch[(batch.label >= 0).nonzero()[:, 0]]
        label = batch.label.cpu().numpy()
        if len(np.unique(label)) < 2:
            raise DataError("objects of two classes or more are needed to learn from")
        self.classes = batch.classes
        self.features.fit(batch)
        cuts = [cut for epoch in epochs if len(cut := _observed(epoch.cut(batch)))]
        found = [self.features(cut) for cut in cuts]
        # Binning warns of a column without a number.
        self.known = [
            name
            for name in dict.fromkeys(name for table in found for name in table)
            if any(np.isfinite(table.get(name, np.nan)).any() for table in found)
        ]
        label = np.concatenate([cut.label.cpu().numpy() for cut in cuts])
        counts = np.bincount(label, minlength=len(self.classes))
        weight = (len(label) / counts.clip(1) / (counts > 0).sum())[label]
        rows = [self._matrix(table, len(cut)) for table, cut in zip(found, cuts, strict=True)]
        self.trees.fit(np.concatenate(rows), label, sample_weight=weight)
        return self

    def predict_proba(self, batch: LightCurveBatch) -> Array:
        """Probability of each class of the fit, shape (B, C); 0 for one that had no objects."""
        found = self.trees.predict_proba(self._matrix(self.features(batch), len(batch)))
        out = np.zeros((len(batch), len(self.classes)))
        out[:, self.trees.classes_] = found
        return out

    def predict(self, batch: LightCurveBatch) -> Predictions:
        """The probabilities with what the batch says of its objects."""
        return Predictions.of(batch, self.predict_proba(batch), self.classes)

    def _matrix(self, table: dict[str, Array], n: int) -> Array:
        unknown = np.full(n, np.nan)
        return np.stack([table.get(name, unknown) for name in self.known], axis=1)


def _observed(batch: LightCurveBatch) -> LightCurveBatch:
    return batch[batch.n_observations > 0]


def _trees(learner: str, seed: int, n_trees: int, learning_rate: float) -> Any:
    if learner not in LEARNERS:
        raise ConfigError(f"learner={learner}: accepted are {', '.join(LEARNERS)}")
    if learner == "histogram":
        from sklearn.ensemble import HistGradientBoostingClassifier

        options: dict[str, Any] = {"max_iter": n_trees, "early_stopping": False}
        return HistGradientBoostingClassifier(
            learning_rate=learning_rate, random_state=seed, **options
        )
    try:
        from lightgbm import LGBMClassifier
    except ImportError as error:
        raise ConfigError(
            "learner=lightgbm: LightGBM is not installed (pip install 'sntorch[gbm]'); "
            "learner=histogram does without"
        ) from error
    return LGBMClassifier(
        n_estimators=n_trees,
        learning_rate=learning_rate,
        min_child_samples=10,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.5,
        random_state=seed,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        verbose=-1,
    )
