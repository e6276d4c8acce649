"""Intervals of scores, paired comparisons, and scores in bins."""

from __future__ import annotations

import numpy as np
import pytest
from judged import judged

from sntorch.classification.early import WHOLE, Epoch
from sntorch.classification.evaluate.binned import against, against_epochs
from sntorch.classification.evaluate.intervals import differences, intervals, mcnemar, over_seeds
from sntorch.classification.predictions import Predictions
from sntorch.errors import DataError


def test_the_interval_of_an_accuracy_is_the_binomial_one():
    p = judged(800)
    found = intervals(p, "Ia", ["accuracy"])["accuracy"]
    half = 1.96 * np.sqrt(found.value * (1 - found.value) / 800)
    assert found.high - found.value == pytest.approx(half, rel=0.2)
    assert found.value - found.low == pytest.approx(half, rel=0.2)
    assert intervals(p, "Ia", ["accuracy"])["accuracy"] == found


def test_a_paired_difference_is_narrower_than_its_parts():
    p = judged(400)
    noisy = Predictions(
        p.object_id,
        p.probabilities + np.random.default_rng(1).random((400, 3)) / 10,
        p.label,
        p.classes,
    )
    order = np.random.default_rng(2).permutation(400)
    gap = differences(p, noisy[order], "Ia", ["accuracy"])["accuracy"]
    alone = intervals(p, "Ia", ["accuracy"])["accuracy"]
    assert gap.value == pytest.approx(
        (p.predicted == p.label).mean() - (noisy.predicted == p.label).mean()
    )
    assert gap.low <= gap.value <= gap.high
    assert gap.high - gap.low < 0.7 * (alone.high - alone.low)
    same = differences(p, p, "Ia", ["roc_auc"])["roc_auc"]
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_mcnemar_is_the_sign_test_of_the_disagreements():
    label = np.zeros(20, dtype=int)
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    names = [str(i) for i in range(20)]
    first = Predictions(names, [right] * 18 + [wrong] * 2, label, ("Ia", "CC"))
    second = Predictions(names, [right] * 10 + [wrong] * 8 + [right] * 2, label, ("Ia", "CC"))
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (8, 2)
    # Twice the chance of 8, 9 or 10 heads in ten throws.
    assert found.p_value == pytest.approx(2 * (45 + 10 + 1) / 1024)
    assert mcnemar(first, first).p_value == 1


def test_other_objects_are_refused():
    p = judged(10)
    with pytest.raises(DataError, match="same objects"):
        differences(p, p[:9], "Ia")
    other = Predictions(p.object_id, p.probabilities, (p.label + 1) % 3, p.classes)
    with pytest.raises(DataError, match="disagree"):
        mcnemar(p, other)


def test_seeds_have_a_mean_and_a_standard_deviation():
    found = over_seeds([{"a": 1.0}, {"a": 2.0}, {"a": 3.0}])["a"]
    assert found == {"mean": 2.0, "sd": 1.0, "n": 3}


def test_bins_hold_every_object_once():
    z = np.random.default_rng(0).random(400).round(2)
    z[:10] = np.nan
    p = judged(400, redshift=z)
    bins = against(p, "redshift", "Ia", ["accuracy"], n=10)
    assert len(bins) == 6
    assert sum(b.n for b in bins) == 390
    chosen = p[(z >= bins[2].low) & (z < bins[2].high)]
    assert bins[2].scores["accuracy"].value == (chosen.predicted == chosen.label).mean()
    assert (bins[0].low, bins[-1].high) == (np.nanmin(z), np.nanmax(z))
    given = against(p, z, "Ia", ["accuracy"], edges=[0.0, 0.5, 1.0], n=0)
    assert [(b.low, b.high) for b in given] == [(0.0, 0.5), (0.5, 1.0)]
    assert np.isnan(given[0].scores["accuracy"].low)
    with pytest.raises(DataError, match="no snr"):
        against(p, "snr", "Ia")


def test_epochs_count_what_had_been_observed():
    early = judged(100, skill=0.3, n_observations=np.repeat([0, 4], 50))
    late = judged(100, skill=3, n_observations=np.full(100, 9))
    by_epoch = {Epoch("peak", 5.0): late, Epoch("peak", -5.0): early, WHOLE: late}
    bins = against_epochs(by_epoch, "peak", "Ia", ["accuracy"], n=20)
    assert [(b.low, b.n, b.n_observations) for b in bins] == [(-5, 50, 4), (5, 100, 9)]
    row = bins[1].row()
    assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]
