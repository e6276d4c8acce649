"""Average precision and its intervals against scikit-learn and against what theory says."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from sntorch.generative.evaluate.precision import Precisions, average_precision


def test_an_object_counted_twice_is_as_two():
    rng = np.random.default_rng(1)
    truth, times = np.repeat([1, 0], [10, 30]), rng.integers(0, 3, 40)
    score = np.round(rng.normal(truth, 1.0), 1)
    again = average_precision(np.repeat(truth, times), np.repeat(score, times))
    assert average_precision(truth, score, times=times) == pytest.approx(again, rel=1e-12)


@pytest.mark.parametrize("times", [1, 7])
def test_a_share_of_rare_objects_is_as_if_there_were_as_many_common_ones(times):
    rng = np.random.default_rng(0)
    truth = np.repeat([1, 0], [20, 60])
    score = np.round(rng.normal(truth, 1.0), 1)
    repeat = np.where(truth == 1, 1, times)
    want = average_precision_score(np.repeat(truth, repeat), np.repeat(score, repeat))
    share = 20 / (20 + 60 * times)
    assert average_precision(truth, score, share) == pytest.approx(want, rel=1e-12)


def test_scores_of_no_and_of_perfect_knowledge():
    truth = np.repeat([1, 0], [50, 150])
    assert average_precision(truth, truth.astype(float)) == pytest.approx(1)
    assert average_precision(truth, np.zeros(200)) == pytest.approx(0.03)


def test_intervals_are_over_objects():
    rng = np.random.default_rng(0)
    width = {}
    for n in (8, 80):
        truth = np.repeat([0, 1], [5 * n, n])
        scores = {"arm": np.stack([rng.normal(1.5 * truth) for _ in range(2)])}
        found = Precisions.of(truth, scores, n=200).mean("arm")
        assert found.low < found.value < found.high
        width[n] = found.high - found.low
    assert width[8] > 2 * width[80]


def test_intervals_are_over_repetitions_too():
    """Of classifiers that differ by nothing but luck, few repetitions tell little."""
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1], [4000, 1000])
    quality = rng.uniform(0.5, 2.5, 8)
    scores = np.stack([rng.normal(q * truth) for q in quality])
    spread = {}
    for name, chosen in (("alike", scores[:1].repeat(8, 0)), ("other", scores)):
        found = Precisions.of(truth, {"arm": chosen}, n=200).mean("arm")
        spread[name] = found.high - found.low
    each = [average_precision(truth, one) for one in scores]
    assert spread["other"] > 2 * spread["alike"]
    assert spread["other"] == pytest.approx(3.92 * np.std(each) / 8**0.5, rel=0.3)


def test_what_two_arms_share_cancels():
    rng = np.random.default_rng(2)
    truth = np.repeat([0, 1], [300, 60])
    shared = rng.normal(truth, size=(5, 360))
    arms = {"none": shared, "same": shared + 0.0, "better": shared + 0.5 * truth}
    found = Precisions.of(truth, arms, n=100)
    same, better = found.gain("same", "none"), found.gain("better", "none")
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert better.low > 0
    wide = found.mean("better")
    assert better.high - better.low < wide.high - wide.low


def test_the_gap_is_closed_by_its_share():
    rng = np.random.default_rng(3)
    truth = np.repeat([0, 1], [300, 60])
    none = rng.normal(truth, size=(4, 360))
    arms = {"none": none, "oracle": none + truth, "half": none + 0.5 * truth}
    found = Precisions.of(truth, arms, n=100)
    assert found.gap_closed("oracle").value == pytest.approx(1)
    assert found.gap_closed("none").high == pytest.approx(0)
    assert 0.2 < found.gap_closed("half").value < 0.9


def test_a_seed_gives_the_same_interval():
    truth = np.repeat([0, 1], [50, 10])
    scores = {"arm": np.random.default_rng(4).normal(truth, size=(3, 60))}
    one, again, other = (
        Precisions.of(truth, scores, seed, n=50).mean("arm") for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other
