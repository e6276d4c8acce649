"""Do generated objects of a rare class help a classifier, and as much as real ones would?

A rare class with n objects stands against a common class with all of its own. An arm adds rare
objects until both classes are equal, or all real ones that there are; boosted trees learn from the
summary features that do not tell the cadence, with classes weighted equally, and are scored on a
large sample that nobody saw, weighted so that the rare class has a small share of it. Phases count
from the trigger of each light curve, real or generated: no survey knows a simulation's date of
peak. Accuracy is not reported: it rises with any arm, for it moves the threshold.

Settings of the trees are scikit-learn's, but for the share of features that a split looks at,
without which the seed of the trees would change nothing, and for fewer bins, which makes them four
times faster for samples of this size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sntorch.data.batch import LightCurveBatch
from sntorch.data.trigger import from_trigger
from sntorch.errors import DataError
from sntorch.generative.base import GenerativeModel
from sntorch.generative.evaluate.distances import Array
from sntorch.generative.evaluate.samples import Sample
from sntorch.generative.evaluate.two_sample import without_cadence
from sntorch.generative.noise import mix

# Of the features, at each split.
FEATURE_SHARE = 0.5
BINS = 63
WORD = 2**31


def observed(batch: LightCurveBatch) -> Sample:
    """Light curves as a survey has them: phases and features count from the trigger, whatever
    ``t_ref`` was.
    """
    return Sample.of(from_trigger(batch))


@dataclass(frozen=True)
class Trial:
    """One repetition for one number of rare objects; all arms share it.

    Attributes:
        rare: The n rare objects that one has.
        common: The training objects of the common class.
        fresh: Other real rare objects: as many as an arm adds, or all that there are.
        repetition: Its number.
        seed: Seed of the generator and of the classifier.
    """

    rare: Sample
    common: Sample
    fresh: Sample
    repetition: int
    seed: int

    @property
    def n_new(self) -> int:
        """Number of objects that an arm adds: the classes are then equally large."""
        return len(self.common) - len(self.rare)


class Arm(ABC):
    """A way to come by more rare objects.

    A subclass names itself and implements ``extra``.
    """

    name: str

    @abstractmethod
    def extra(self, trial: Trial) -> Sample | None:
        """``trial.n_new`` rare objects, fewer where there are no more, or None for none."""


class Nothing(Arm):
    """Class weights alone."""

    name = "none"

    def extra(self, trial: Trial) -> Sample | None:
        """None."""
        return None


class Oracle(Arm):
    """Real objects, which one would have to observe."""

    name = "oracle"

    def extra(self, trial: Trial) -> Sample | None:
        """The fresh objects of the trial."""
        return trial.fresh


@dataclass(frozen=True)
class Generated(Arm):
    """Objects of a generator: fitted on the spot, or opened from a checkpoint of the trial.

    Args:
        name: What the arm is called.
        make: The generator for a trial.
        condition: What is asked of it, where it knows more than the rare objects.

    Example:
        >>> Generated("jitter", lambda trial: Jitter().fit(trial.rare.batch))  # doctest: +SKIP
    """

    name: str
    make: Callable[[Trial], GenerativeModel]
    condition: Mapping[str, Any] | None = None

    def extra(self, trial: Trial) -> Sample | None:
        """Objects drawn with the seed of the trial."""
        model = self.make(trial)
        return observed(model.sample(trial.n_new, condition=self.condition, seed=trial.seed))


@dataclass(frozen=True)
class Benchmark:
    """The samples of the experiment.

    Attributes:
        rare: Real rare objects, from which trials take theirs.
        common: All training objects of the common class.
        test_rare: Rare objects to score on.
        test_common: Common objects to score on.
    """

    rare: Sample
    common: Sample
    test_rare: Sample
    test_common: Sample

    @classmethod
    def of(cls, batch: LightCurveBatch, rare: str, n_common: int, test_share: float = 0.5) -> Self:
        """Split one sample; objects stand in random order in it, as in a simulated one.

        Args:
            batch: Real light curves of all classes.
            rare: The rare class; all others together are the common one.
            n_common: Training objects of the common class; the other ones are for the test.
            test_share: Share of the rare objects that is for the test.

        Raises:
            DataError: Too few objects to split.
        """
        sample = observed(batch)
        is_rare = (batch.label == batch.classes.index(rare)).numpy()
        ours, others = np.flatnonzero(is_rare), np.flatnonzero(~is_rare)
        n_pool = len(ours) - int(test_share * len(ours))
        if n_pool == len(ours) or len(others) <= n_common:
            raise DataError(
                f"{len(ours)} {rare} and {len(others)} other objects: too few for {n_common} "
                "others to learn from and some of both to score on"
            )
        parts = (ours[:n_pool], others[:n_common], ours[n_pool:], others[n_common:])
        return cls(*(sample.take(part) for part in parts))

    def trial(self, n: int, repetition: int, seed: int = 0) -> Trial:
        """The rare objects of one repetition; the same for the same numbers.

        Raises:
            DataError: Fewer rare objects than that to learn from, or more than common ones.
        """
        if not 0 < n <= min(len(self.rare), len(self.common)):
            raise DataError(
                f"n = {n}: there are {len(self.rare)} rare objects to learn from, against "
                f"{len(self.common)} common ones"
            )
        rng = np.random.default_rng(mix(seed, n, repetition))
        order = rng.permutation(len(self.rare))
        rare, fresh = order[:n], order[n : len(self.common)]
        own = mix(seed, n, repetition, 1) % WORD
        parts = self.rare.take(rare), self.common, self.rare.take(fresh)
        return Trial(*parts, repetition, own)

    @property
    def truth(self) -> NDArray[np.int64]:
        """1 for the rare objects to score on, which come last, 0 for the common ones, (N,)."""
        return np.repeat([0, 1], [len(self.test_common), len(self.test_rare)])

    def probabilities(self, arm: Arm, trial: Trial) -> Array:
        """Probability of the rare class of each object of ``truth``, learnt with what an arm adds,
        shape (N,).
        """
        return learned(arm, trial)([self.test_common, self.test_rare])


def learned(arm: Arm, trial: Trial) -> Callable[[Sequence[Sample]], Array]:
    """A classifier that learned from the objects of a trial and those that an arm adds.

    Returns:
        A function from samples to the probability that their objects are rare, shape (N,).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    extra = arm.extra(trial)
    parts = [trial.common, trial.rare, *([extra] if extra is not None else [])]
    names = without_cadence(trial.common.features, trial.common.batch.bands)
    train = _matrix(parts, names)
    label = np.repeat([0, 1], [len(trial.common), len(train) - len(trial.common)])
    # A feature that no object has carries nothing, and the binning warns of it.
    known = np.isfinite(train).any(0)
    trees = HistGradientBoostingClassifier(
        class_weight="balanced", max_features=FEATURE_SHARE, max_bins=BINS, random_state=trial.seed
    )
    trees.fit(train[:, known], label)
    return lambda samples: trees.predict_proba(_matrix(samples, names)[:, known])[:, 1]


def _matrix(samples: Sequence[Sample], names: Sequence[str]) -> Array:
    """Features of all objects of the samples, shape (N, D)."""
    return np.concatenate([np.stack([s.features[k] for k in names], axis=1) for s in samples])
