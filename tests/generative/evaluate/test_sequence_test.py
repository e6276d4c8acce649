"""The recurrent classifier sees what features do not, and finds nothing where nothing is."""

from __future__ import annotations

import pytest
import torch
from toys import BANDS, population

from sntorch.generative.encoding import MagnitudeEncoding
from sntorch.generative.evaluate.sequence_test import _rows, _split, sequence_test

REAL = population(240, 1)
ENCODING = MagnitudeEncoding.fit(population(100, 3))


def test_equal_populations():
    before = torch.random.get_rng_state()
    scores = sequence_test(population(240, 2), REAL, ENCODING, seed=0, n_seeds=2)
    assert torch.equal(before, torch.random.get_rng_state())
    assert scores["auc"] == pytest.approx(0.5, abs=0.1)
    assert scores["p_value"] > 0.02
    assert scores == sequence_test(population(240, 2), REAL, ENCODING, seed=0, n_seeds=2)


def test_rougher_light_curves_are_told_apart():
    rough = population(240, 2)
    signs = torch.randint(2, rough.flux.shape, generator=torch.Generator().manual_seed(0))
    rough.flux = rough.flux * 1.5 ** (2 * signs - 1)
    scores = sequence_test(rough, REAL, ENCODING, seed=0, n_seeds=2)
    assert scores["auc"] > 0.7
    assert scores["p_value"] < 1e-3


def test_the_same_seed_gives_the_same_scores():
    parts = population(30, 4), population(30, 5), ENCODING
    first, again = (sequence_test(*parts, seed=1, n_seeds=1) for _ in range(2))
    assert first == again


def test_both_samples_are_padded_to_one_length():
    """Otherwise the width of a batch would tell where its objects come from."""
    short = population(20, 4)
    short = short.where(short.time < 57005)
    x, steps, label = _rows(short, REAL, ENCODING)
    assert x.shape[:2] == steps.shape
    assert len(x) == len(label) == 20 + 240
    assert int(steps[:20].sum(1).max()) == int(short.to_rows().mask.any(-1).sum(1).max())
    # Nothing but zeros, the mask among them, stands where no band has an observation.
    assert not x[~steps].any()


def test_objects_without_observations_have_a_score():
    empty = population(30, 4)
    empty.mask[0] = False
    scores = sequence_test(empty, population(30, 5), ENCODING, seed=0, n_seeds=1)
    assert 0 <= scores["auc"] <= 1


def test_parts_are_disjoint_and_stratified():
    label = torch.tensor([1.0] * 20 + [0.0] * 40)
    parts = _split(label)
    assert sorted(torch.cat(parts).tolist()) == list(range(60))
    assert [len(p) for p in parts] == [8 + 16, 2 + 4, 10 + 20]
    assert [int(label[p].sum()) for p in parts] == [8, 2, 10]


def test_two_objects_of_each_kind_are_enough():
    scores = sequence_test(population(2, 1, BANDS), population(2, 2), ENCODING, 0, n_seeds=1)
    assert 0 <= scores["auc"] <= 1
