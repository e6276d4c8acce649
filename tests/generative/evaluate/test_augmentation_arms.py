"""What the arm of a generator that was trained elsewhere asks of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from augmentation_arms import checkpoint_arm
from two_classes import labelled

from sntorch.data.batch import concatenate
from sntorch.generative.baselines import Bootstrap
from sntorch.generative.evaluate.augmentation import Benchmark


@pytest.fixture(scope="module")
def batch():
    return concatenate([labelled(30, 1, 1, 1.15), labelled(30, 0, 2, 1.0)])


def added(batch, known, folder):
    """What a generator of ``known`` objects adds to a trial of 10 rare ones."""
    Bootstrap().fit(known).save_pretrained(folder / "n10_r2")
    trial = Benchmark.of(batch, "Ia", n_common=20).trial(10, 2)
    extra = checkpoint_arm(f"mine={folder}/n{{n}}_r{{repetition}}").extra(trial)
    assert extra is not None
    assert len(extra) == trial.n_new == 10
    return extra.batch


def test_of_several_classes_the_rare_one_is_asked_for(batch, tmp_path):
    drawn = added(batch, batch, tmp_path)
    assert drawn.label.tolist() == [batch.classes.index("Ia")] * 10


def test_a_generator_that_knows_no_classes_is_asked_for_none(batch, tmp_path):
    rare = batch[batch.label == batch.classes.index("Ia")]
    drawn = added(batch, replace(rare, label=torch.full_like(rare.label, -1)), tmp_path)
    assert drawn.label.tolist() == [-1] * 10
