"""Scores of rare objects that are left out one at a time, and intervals over objects."""

from __future__ import annotations

import numpy as np
import pytest
from two_classes import labelled

from sntorch.errors import DataError
from sntorch.generative.baselines import Jitter
from sntorch.generative.evaluate.augmentation import Generated, Nothing
from sntorch.generative.evaluate.augmentation_folds import LeaveOut
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


def test_one_rare_object_cannot_be_left_out():
    with pytest.raises(DataError, match="1 rare and 40 common objects"):
        LeaveOut(Sample.of(labelled(1, 1, 1, 1.6)), Sample.of(labelled(40, 0, 2, 1.0)))
