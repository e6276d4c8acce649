"""The classifier test: what it finds, what it must not find, and that its p-values are honest."""

from __future__ import annotations

import numpy as np
import pytest
from toys import BANDS, population

from sntorch.features.summary import CADENCE_FEATURES, summary_features
from sntorch.generative.evaluate.samples import Pair, Sample
from sntorch.generative.evaluate.two_sample import (
    Part,
    classifier_scores,
    feature_test,
    summarise,
    without_cadence,
)


def gaussian(n, seed, shift=0.0):
    x = np.random.default_rng(seed).normal(size=(n, 4))
    x[:, 1] += shift
    return x


def test_equal_populations_cannot_be_told_apart():
    scores = classifier_scores(gaussian(300, 0), gaussian(300, 1), 0)
    low, high = scores["auc_interval"]
    assert low < 0.5 < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(1 / (6 * 300)), rel=0.3)
    assert scores["p_value"] > 0.05
    assert scores["discriminative"] < 0.06


def test_the_same_seed_gives_the_same_scores():
    x, y = gaussian(40, 0), gaussian(40, 1)
    assert classifier_scores(x, y, 3) == classifier_scores(x, y, 3)


def test_shifted_populations_come_near_the_best_possible_auc():
    # P(x > y) of normal numbers one and a half standard deviations apart is 0.855.
    scores = classifier_scores(gaussian(400, 0, 1.5), gaussian(400, 1), 0)
    assert scores["auc"] == pytest.approx(0.82, abs=0.035)
    assert scores["p_value"] < 1e-4
    assert scores["discriminative"] == pytest.approx(0.25, abs=0.05)


def test_copies_within_a_sample_are_noticed():
    copies = np.repeat(gaussian(60, 0), 5, axis=0)
    assert classifier_scores(copies, gaussian(300, 1), 0)["auc"] > 0.8


def test_missing_entries_tell_samples_apart_and_columns_without_entries_do_no_harm():
    x, y = gaussian(200, 0), gaussian(200, 1)
    x[::2, 0] = np.nan
    x[:, 3] = y[:, 3] = np.nan
    assert classifier_scores(x, y, 0)["auc"] == pytest.approx(0.75, abs=0.06)


@pytest.mark.slow
def test_p_values_under_the_null_hypothesis_are_not_too_small():
    p = [
        classifier_scores(gaussian(50, 2 * k), gaussian(50, 2 * k + 1), k, 2)["p_value"]
        for k in range(150)
    ]
    for level in (0.05, 0.2):
        assert np.mean(np.array(p) <= level) <= level + 2 * np.sqrt(level * (1 - level) / 150)


def test_the_p_value_of_dependent_parts_is_not_that_of_many():
    rng = np.random.default_rng(0)
    objects = np.arange(200)
    part = Part(rng.normal(0.15, 1, 200), rng.normal(0, 1, 200), objects, objects)
    once, often = summarise([part], 0), summarise([part] * 5, 0)
    assert often["p_value"] == pytest.approx(once["p_value"])


def test_the_interval_of_splits_that_share_all_objects_is_that_of_one():
    rng = np.random.default_rng(0)
    ours, real = rng.permutation(400)[:100], rng.permutation(300)[:120]
    part = Part(rng.normal(0.5, 1, 100), rng.normal(0, 1, 120), ours, real)
    once, often = summarise([part], 3), summarise([part] * 3, 3)
    assert often["auc_interval"] == pytest.approx(once["auc_interval"], abs=1e-12)


def test_the_interval_of_disjoint_folds_is_that_of_their_objects_together():
    rng = np.random.default_rng(0)
    ours, real = rng.normal(0.5, 1, 400), rng.normal(0, 1, 400)
    folds = [Part(ours[k], real[k], k, k) for k in np.arange(400).reshape(4, 100)]
    everything = Part(ours, real, np.arange(400), np.arange(400))
    (low, high), (least, most) = (
        summarise(parts, 0, 1000)["auc_interval"] for parts in (folds, [everything])
    )
    assert high - low == pytest.approx(most - least, rel=0.15)


def test_a_part_numbers_the_objects_of_either_sample():
    part = Part.of(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 7, 3, 5]), n_generated=5)
    assert (part.generated.tolist(), part.real.tolist()) == ([0.1, 0.3], [0.2, 0.4])
    assert (part.generated_index.tolist(), part.real_index.tolist()) == ([0, 3], [2, 0])


def test_parts_of_one_object_each_have_an_interval():
    scores = classifier_scores(gaussian(2, 0), gaussian(2, 1), 0)
    assert np.isfinite(scores["auc_interval"]).all()


def test_cadence_is_left_out():
    names = without_cadence(summary_features(population(4)), BANDS)
    assert names
    assert not any(kind in name for kind in CADENCE_FEATURES for name in names)
    assert any(name.startswith("colour") for name in names)


def test_only_whole_quantities_are_of_the_cadence():
    features = dict.fromkeys(("gap_median_mag_desg", "gap_median_desg"), np.zeros(2))
    assert without_cadence(features, BANDS) == ["gap_median_mag_desg"]


def test_another_cadence_is_seen_by_the_features_of_the_cadence_only():
    ours, real = (population(200, seed) for seed in (1, 2))
    features = dict(Sample.of(ours).features)
    features["n_obs_desg"] = features["n_obs_desg"] + 100
    scores = feature_test(Pair(Sample(ours, features), Sample.of(real)), 0, 50)
    assert scores["all"]["auc"] > 0.99
    assert scores["no_cadence"]["auc"] < 0.6
