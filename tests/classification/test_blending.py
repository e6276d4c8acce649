"""Weights of classifiers in an ensemble."""

from dataclasses import replace

import numpy as np
import pytest

from sntorch.classification.evaluate.blending import blend, greedy_weights
from sntorch.classification.evaluate.likelihood import log_loss, plasticc_log_loss
from sntorch.classification.predictions import Predictions
from sntorch.errors import ConfigError, DataError

N = 400


def said(probability, label, classes=("Ia", "II")):
    names = [f"sn{i}" for i in range(len(label))]
    return Predictions(names, np.stack([probability, 1 - probability], 1), label, classes)


@pytest.fixture
def members():
    """A good classifier, another whose errors are its own, and one that guesses."""
    rng = np.random.default_rng(3)
    label = rng.integers(0, 2, N)
    sign = np.where(label == 0, 1.0, -1.0)
    found = [sign * 1.5 + rng.normal(0, 1.5, N) for _ in range(2)] + [rng.normal(0, 1.5, N)]
    return [said(1 / (1 + np.exp(-logit)), label) for logit in found]


def test_guesses_count_for_little_and_both_others_count(members):
    weights = greedy_weights(members)
    assert weights.sum() == pytest.approx(1)
    assert weights[:2].min() > 0.2
    assert weights[2] < 0.1


def test_the_loss_is_smaller_than_of_any_member(members):
    weights = greedy_weights(members)
    assert log_loss(blend(members, weights)) < min(log_loss(one) for one in members)


def test_one_pick_is_the_best_member(members):
    losses = [log_loss(one) for one in members]
    expected = np.eye(3)[int(np.argmin(losses))]
    np.testing.assert_array_equal(greedy_weights(members, n_picks=1), expected)


def test_another_loss_may_choose_otherwise():
    label = np.array([0] * 90 + [1] * 10)
    common = said(np.where(label == 0, 0.99, 0.9), label)
    rare = said(np.where(label == 0, 0.6, 0.1), label)
    assert greedy_weights([common, rare], n_picks=1).argmax() == 0
    assert greedy_weights([common, rare], plasticc_log_loss, 1).argmax() == 1


def test_no_picks_are_refused(members):
    with pytest.raises(ConfigError, match="n_picks=0: 1 or more"):
        greedy_weights(members, n_picks=0)


def test_mean_of_probabilities(members):
    expected = np.mean([one.probabilities for one in members], axis=0)
    np.testing.assert_allclose(blend(members).probabilities, expected)


def test_weighted(members):
    found = blend(members[:2], np.array([3.0, 1.0])).probabilities
    expected = 0.75 * members[0].probabilities + 0.25 * members[1].probabilities
    np.testing.assert_allclose(found, expected)


def test_other_objects_are_refused(members):
    with pytest.raises(DataError, match="classifier 2 is of other objects"):
        blend([members[0], members[1][np.arange(10)]])


def test_none_is_refused():
    with pytest.raises(DataError, match="no classifier"):
        blend([])


def test_weights_of_another_number_are_refused(members):
    with pytest.raises(DataError, match=r"weights of shape \(2,\); one for each of 3"):
        blend(members, np.ones(2))


def test_objects_without_labels_are_refused(members):
    unknown = [replace(one, label=np.full(N, -1)) for one in members]
    with pytest.raises(DataError, match="labelled objects are needed"):
        greedy_weights(unknown)
