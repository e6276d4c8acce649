"""Scores of rare objects that are left out one at a time, and intervals over objects."""

from __future__ import annotations

import numpy as np
import pytest
from two_classes import labelled

from sntorch.errors import DataError
from sntorch.generative.baselines import Jitter
from sntorch.generative.evaluate.augmentation import Generated, Nothing
from sntorch.generative.evaluate.augmentation_folds import (
    LeaveOut,
    precision,
    precision_gain,
)
from sntorch.generative.evaluate.samples import Sample

JITTER = Generated("jitter", lambda trial: Jitter().fit(trial.rare.batch))


@pytest.fixture(scope="module")
def experiment():
    return LeaveOut(Sample.of(labelled(7, 1, 1, 1.6)), Sample.of(labelled(40, 0, 2, 1.0)))


def test_every_object_is_left_out_once_and_never_learned_from(experiment):
    seen = []
    for trial, common, rare in experiment.folds(0):
        left_out = {experiment.common.batch.object_id[i] for i in common}
        left_out |= {experiment.rare.batch.object_id[i] for i in rare}
        learned = {*trial.rare.batch.object_id, *trial.common.batch.object_id}
        assert len(learned) == 47 - len(left_out)
        assert not learned & left_out
        seen += sorted(left_out)
    assert len(seen) == len(set(seen)) == 47


def test_repetitions_divide_the_common_objects_otherwise(experiment):
    (_, first, _), (_, again, _), (_, other, _) = (
        next(experiment.folds(repetition)) for repetition in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("arm", [Nothing(), JITTER])
def test_classes_that_differ_are_told_apart(experiment, arm):
    scores = experiment.probabilities(arm, 0)
    assert scores.shape == experiment.truth.shape
    assert np.isfinite(scores).all()
    assert scores[experiment.truth == 1].mean() > scores[experiment.truth == 0].mean() + 0.2


def test_intervals_are_over_objects():
    rng = np.random.default_rng(0)
    width = {}
    for n in (8, 80):
        truth = np.repeat([0, 1], [5 * n, n])
        scores = np.stack([rng.normal(1.5 * truth) for _ in range(2)])
        found = precision(truth, scores, n=200)
        assert found.low < found.value < found.high
        width[n] = found.high - found.low
    assert width[8] > 2 * width[80]


def test_equal_arms_have_no_difference_and_a_better_one_has():
    truth = np.repeat([0, 1], [60, 20])
    scores = np.random.default_rng(0).normal(truth)[None]
    same = precision_gain(truth, scores, scores, n=50)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert precision_gain(truth, scores + 3 * truth, scores, n=50).low > 0


def test_one_rare_object_cannot_be_left_out():
    with pytest.raises(DataError, match="1 rare and 40 common objects"):
        LeaveOut(Sample.of(labelled(1, 1, 1, 1.6)), Sample.of(labelled(40, 0, 2, 1.0)))
