"""Generators that are trained in the experiments: what they learn from, and how often."""

from __future__ import annotations

import json
from dataclasses import replace

import conditional
import numpy as np
import pytest
import trained_arms
from two_classes import labelled

from sntorch.data.batch import concatenate
from sntorch.generative.baselines import Bootstrap
from sntorch.generative.evaluate.augmentation import Benchmark
from sntorch.generative.evaluate.samples import Sample

SECONDS = (5.0, 1.0)


class Recorded:
    """Stands for a network: remembers what it was built and trained with."""

    made: list[tuple[tuple[str, ...], list[str], float]]

    def __init__(self):
        self.made = []

    def built(self, config, *overrides):
        model = Bootstrap()
        model.overrides = overrides
        return model

    def train(self, model, batch, seconds, seed, balance=False):
        self.made.append((model.overrides, batch.object_id, seconds))
        model.fit(batch)


@pytest.fixture
def recorded(monkeypatch):
    fake = Recorded()
    for module in (trained_arms, conditional):
        monkeypatch.setattr(module, "built", fake.built)
        monkeypatch.setattr(module, "train", fake.train)
    return fake


def test_common_objects_are_learned_once_and_rare_ones_in_each_trial(recorded, tmp_path):
    batch = concatenate([labelled(30, 1, 1, 1.1), labelled(40, 0, 2, 1.0)])
    benchmark = Benchmark.of(batch, "Ia", n_common=20)
    trials = [benchmark.trial(6, r) for r in range(2)]
    alone, joint = (
        trained_arms.trained_arm(name, "Ia", tmp_path, SECONDS) for name in ("flow", "flow_joint")
    )
    extra = [alone.extra(trial) for trial in trials]
    assert all(e is not None and set(e.batch.label.tolist()) == {1} for e in extra)
    first, *rest = recorded.made
    assert (first[1], first[2]) == (benchmark.common.batch.object_id, 5.0)
    assert [made[1] for made in rest] == [trial.rare.batch.object_id for trial in trials]
    assert all(made[2] == 1.0 for made in rest)
    assert all(str(tmp_path) in made[0][1] for made in rest)
    joint.extra(trials[0])
    names = [*trials[0].rare.batch.object_id, *benchmark.common.batch.object_id]
    assert recorded.made[-1][1] == names


def test_rare_classes_are_few_and_the_same_for_all_models_of_a_seed(recorded):
    parts = [labelled(n, 0, k, 1.0) for k, n in enumerate((40, 60))]
    parts = [replace(p, label=p.label + k, classes=("Ia", "Iax")) for k, p in enumerate(parts)]
    sample = Sample.of(concatenate(parts))
    kinds = ("Ia", "Iax")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditional, "COMMON", ("Ia",))
        patch.setattr(conditional, "RARE", ("Iax",))
        halves = conditional.Halves.of(sample.batch)
        both = halves.training(conditional.Job(kinds, 5, 1))
        alone = halves.training(conditional.Job(("Iax",), 5, 1))
        other = halves.training(conditional.Job(("Iax",), 5, 2))
    assert np.bincount(both.batch.label.numpy()).tolist() == [
        len(conditional.members(halves.learning, "Ia")),
        5,
    ]
    assert both.batch.object_id[-5:] == alone.batch.object_id != other.batch.object_id


def test_time_goes_by_the_class_and_what_is_stored_is_not_measured_again(
    recorded, monkeypatch, tmp_path
):
    batch = concatenate([labelled(30, 1, 1, 1.1), labelled(30, 0, 2, 1.0)])
    monkeypatch.setattr(conditional, "COMMON", ("Ia",))
    monkeypatch.setattr(conditional, "RARE", ("II",))
    monkeypatch.setattr(conditional, "N_GENERATED", 10)
    monkeypatch.setattr(conditional, "plasticc", lambda deep: batch)
    asked = (["II"], [6], [1])
    jobs = conditional.planned(*asked)
    conditional.measure(jobs, "flow", 2.0, tmp_path)
    assert [made[2] for made in recorded.made] == [4.0, 2.0, 2.0]
    conditional.measure(jobs, "flow", 2.0, tmp_path)
    assert len(recorded.made) == 3
    cells = list(conditional.lines(*asked, tmp_path))
    assert [(line["class"], line["learned from"]) for line in cells] == [("Ia", "15"), ("II", "6")]
    stored = json.loads(jobs[0].place(tmp_path).read_text())
    assert set(stored) == {"Ia", "II"}
