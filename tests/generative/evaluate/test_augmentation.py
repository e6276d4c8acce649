"""The augmentation experiment on a toy where one knows what has to come out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from two_classes import labelled

from sntorch.data.batch import concatenate
from sntorch.errors import DataError
from sntorch.generative.baselines import Jitter
from sntorch.generative.evaluate.augmentation import (
    Benchmark,
    Generated,
    Nothing,
    Oracle,
    observed,
)
from sntorch.generative.evaluate.precision import average_precision

JITTER = Generated("jitter", lambda trial: Jitter().fit(trial.rare.batch))


@pytest.fixture(scope="module")
def benchmark():
    batch = concatenate([labelled(160, 1, 1, 1.15), labelled(160, 0, 2, 1.0)])
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(batch)))
    return Benchmark.of(batch[order], "Ia", n_common=80)


def test_no_object_is_used_twice(benchmark):
    trial = benchmark.trial(8, 0)
    parts = (trial.rare, trial.fresh, benchmark.common, benchmark.test_rare, benchmark.test_common)
    names = [name for part in parts for name in part.batch.object_id]
    assert len(set(names)) == len(names)
    assert len(trial.rare) + trial.n_new == len(benchmark.common)
    assert {name[0] for name in trial.rare.batch.object_id} == {"1"}


def test_trials_are_the_same_again_and_differ(benchmark):
    first, again, other = benchmark.trial(8, 0), benchmark.trial(8, 0), benchmark.trial(8, 1)
    assert first.rare.batch.object_id == again.rare.batch.object_id
    assert first.seed == again.seed
    assert first.rare.batch.object_id != other.rare.batch.object_id
    assert first.seed != other.seed


def with_other_peaks(batch):
    """The same light curves with other dates of peak in their headers."""
    return replace(batch, t_ref=batch.t_ref + torch.linspace(-40, 40, len(batch)))


def same_samples(one, other):
    assert np.array_equal(one.batch.t_ref, other.batch.t_ref)
    assert list(one.features) == list(other.features)
    for name, values in one.features.items():
        np.testing.assert_array_equal(values, other.features[name], err_msg=name)


def test_nothing_depends_on_the_date_of_peak():
    batch = concatenate([labelled(40, 1, 1, 1.15), labelled(60, 0, 2, 1.0)])
    same_samples(observed(batch), observed(with_other_peaks(batch)))
    one, other = (Benchmark.of(b, "Ia", 40) for b in (batch, with_other_peaks(batch)))
    for part in ("rare", "common", "test_rare", "test_common"):
        same_samples(getattr(one, part), getattr(other, part))
    assert np.isfinite(one.common.features["peak_phase_desr"]).any()
    first, again = (each.probabilities(JITTER, each.trial(8, 0)) for each in (one, other))
    assert np.array_equal(first, again)


def test_generated_objects_count_from_their_own_trigger(benchmark):
    trial = benchmark.trial(8, 0)

    class Late(Jitter):
        def sample(self, n, **options):
            return with_other_peaks(super().sample(n, **options))

    on_time, late = (
        Generated("", lambda trial, kind=kind: kind().fit(trial.rare.batch)).extra(trial)
        for kind in (Jitter, Late)
    )
    assert on_time is not None
    assert late is not None
    same_samples(on_time, late)


def test_real_objects_help(benchmark):
    trials = [benchmark.trial(6, r) for r in range(3)]
    none, oracle = (
        np.mean(
            [
                average_precision(benchmark.truth, benchmark.probabilities(arm, trial))
                for trial in trials
            ]
        )
        for arm in (Nothing(), Oracle())
    )
    assert oracle > none + 0.1


def test_a_generator_is_an_arm_and_a_seed_gives_the_same_scores(benchmark):
    trial = benchmark.trial(6, 0)
    first, again = (benchmark.probabilities(JITTER, trial) for _ in range(2))
    assert np.array_equal(first, again)
    other = benchmark.probabilities(JITTER, replace(trial, seed=trial.seed + 1))
    assert not np.array_equal(first, other)
    extra = JITTER.extra(trial)
    assert extra is not None
    assert len(extra) == trial.n_new


def test_of_few_real_objects_the_oracle_adds_what_there_is():
    batch = concatenate([labelled(20, 1, 1, 1.1), labelled(60, 0, 2, 1.0)])
    trial = Benchmark.of(batch, "Ia", n_common=40).trial(6, 0)
    assert len(trial.fresh) == 4
    assert trial.n_new == 34
    assert not set(trial.fresh.batch.object_id) & set(trial.rare.batch.object_id)


def test_a_generator_of_several_classes_is_asked_for_the_rare_one(benchmark):
    trial = benchmark.trial(6, 0)
    both = Jitter().fit(concatenate([trial.rare.batch, trial.common.batch[:20]]))
    extra = Generated("both", lambda _: both, {"type": "Ia"}).extra(trial)
    assert extra is not None
    assert set(extra.batch.label.tolist()) == {1}


@pytest.mark.parametrize(("n_rare", "n_other", "n_common"), [(1, 40, 30), (20, 30, 30)])
def test_too_few_objects_are_refused(n_rare, n_other, n_common):
    batch = concatenate([labelled(n_rare, 1, 1, 1.1), labelled(n_other, 0, 2, 1.0)])
    with pytest.raises(DataError, match=f"{n_rare} Ia and {n_other} other objects: too few"):
        Benchmark.of(batch, "Ia", n_common)


def test_more_objects_than_there_are_cannot_be_asked_for(benchmark):
    with pytest.raises(DataError, match="n = 81: there are 80 rare objects"):
        benchmark.trial(81, 0)
