"""Samples of one size for the scores that depend on it."""

from __future__ import annotations

import numpy as np
from toys import population

from sntorch.features.summary import summary_features
from sntorch.generative.evaluate.samples import Contest, Sample

GENERATED, HELD_OUT, TRAIN, FRESH = (
    Sample.of(population(n, seed)) for seed, n in enumerate((50, 60, 12, 40))
)


def test_features_follow_the_light_curves():
    chosen = FRESH.take(np.array([7, 3]))
    again = summary_features(chosen.batch)
    for name, values in chosen.features.items():
        assert np.array_equal(values, again[name], equal_nan=True), name


def test_smaller_samples_are_repeated_evenly_larger_ones_are_not():
    names = TRAIN.resized(30, 0).batch.object_id
    assert sorted(names.count(name) for name in set(names)) == [2] * 6 + [3] * 6
    assert len(set(FRESH.resized(30, 0).batch.object_id)) == 30
    assert FRESH.resized(30, 0).batch.object_id != FRESH.resized(30, 1).batch.object_id


def test_all_pairs_are_of_the_size_of_the_smallest_real_or_generated_sample():
    contest = Contest.between(GENERATED, HELD_OUT, TRAIN, FRESH, 0)
    for most, n in ((1000, 40), (25, 25)):
        pairs = contest.resized(0, most)
        assert {len(s) for p in pairs.values() for s in (p.sample, p.real)} == {n}


def test_a_small_training_set_can_be_taken_once():
    contest = Contest.between(GENERATED, HELD_OUT, TRAIN, FRESH, 0)
    train = contest.resized(0, 1000, repeat=False)["train"]
    assert sorted(train.sample.batch.object_id) == sorted(TRAIN.batch.object_id)
    assert len(train.real) == 40
    few = contest.resized(0, 10, repeat=False)
    assert {len(s) for p in few.values() for s in (p.sample, p.real)} == {10}


def test_halves_stand_in_for_a_fresh_sample_and_share_no_object():
    floor = Contest.between(GENERATED, HELD_OUT, TRAIN, None, 0).fresh
    names = floor.sample.batch.object_id + floor.real.batch.object_id
    assert sorted(names) == sorted(HELD_OUT.batch.object_id)
