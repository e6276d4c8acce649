from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sntorch.data.datamodule import LightCurveDataModule, split_by_object
from sntorch.data.datasets import BatchDataset, EpochSampler, balanced_weights
from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.errors import ConfigError, DataError


def sample(n=40, rare=8):
    rng = np.random.default_rng(0)
    return LightCurves(
        LightCurve.from_arrays(
            f"sn{i}",
            57000 + np.arange(5.0),
            rng.normal(100, 5, 5),
            np.ones(5),
            ["desg", "desr", "desg", "desr", "desg"],
            type="Ic" if i < rare else "Ia",
        )
        for i in range(n)
    )


@given(st.integers(3, 200), st.integers(0, 5), st.booleans(), st.integers(0, 99))
@settings(deadline=None)
def test_every_object_is_in_one_part(n, n_classes, stratify, seed):
    label = np.random.default_rng(seed).integers(0, n_classes + 1, n)
    parts = split_by_object(label, (0.7, 0.2, 0.1), seed, stratify)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(n))


def test_split_is_seeded_and_stratified():
    label = np.repeat([0, 1], [80, 20])
    first, again, other = (split_by_object(label, (0.5, 0.25, 0.25), s) for s in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert [int((label[p] == 1).sum()) for p in first] == [10, 5, 5]


@pytest.mark.parametrize("fractions", [(0.5, 0.2, 0.2), (1.2, -0.1, -0.1)])
def test_bad_fractions(fractions):
    with pytest.raises(ConfigError, match="add up to 1"):
        split_by_object(np.zeros(10), fractions, 0)


def test_parts_do_not_share_objects():
    module = LightCurveDataModule(sample(), split=(0.5, 0.25, 0.25), batch_size=8)
    names = [
        set(b.object_id) for b in (module.train_batch(), module.val_batch(), module.test_batch())
    ]
    assert sum(map(len, names)) == len(set.union(*names)) == 40


def test_separate_samples_are_kept_apart():
    module = LightCurveDataModule(
        sample, validation=lambda: sample(10, rare=2), split=(1.0, 0.0, 0.0)
    )
    assert len(module.train_batch()) == 40
    assert len(module.val_batch()) == 10
    assert len(module.test_batch()) == 0
    with pytest.raises(ConfigError, match="its fraction must be 0"):
        LightCurveDataModule(sample, validation=sample)


def test_order_depends_on_seed_and_epoch_only():
    def ids(epoch, seed=1):
        loader = LightCurveDataModule(
            sample(), split=(1, 0, 0), batch_size=16, seed=seed
        ).train_dataloader()
        assert isinstance(loader.sampler, EpochSampler)
        loader.sampler.set_epoch(epoch)
        return [name for batch in loader for name in batch.object_id]

    assert ids(0) == ids(0)
    assert ids(0) != ids(1)
    assert ids(0) != ids(0, seed=2)
    assert sorted(ids(5)) == sorted(lc.object_id for lc in sample())


def test_balanced_sampling_evens_the_classes():
    batch = sample(1000, rare=50).to_batch()
    sampler = EpochSampler(1000, 100, weights=balanced_weights(batch.label))
    drawn = torch.cat([batch.label[torch.tensor(chosen)] for chosen in sampler])
    assert abs(drawn.double().mean().item() - 0.5) < 0.08


def test_drop_last_keeps_an_only_batch():
    assert len(EpochSampler(10, 64, drop_last=True)) == 1
    assert len(EpochSampler(130, 64, drop_last=True)) == 2
    assert len(EpochSampler(130, 64)) == 3


def test_augmentation_is_applied_to_served_batches_only():
    batch = sample().to_batch()
    served = BatchDataset(batch, lambda b: b.where(b.band == 0))[[0, 1]]
    assert served.n_observations.tolist() == [3, 3]
    assert batch.n_observations.tolist()[0] == 5


def test_nothing_to_train_on():
    with pytest.raises(DataError, match="no objects to train on"):
        LightCurveDataModule(sample(), split=(0, 0.5, 0.5)).setup()
    with pytest.raises(DataError, match="found list"):
        LightCurveDataModule(lambda: [1, 2]).setup()  # pyright: ignore[reportArgumentType]


def test_bands_by_alias():
    curve = LightCurve.from_arrays("a", [1, 2], [3, 4], [1, 1], ["ps1::g", "ps1::r"])
    module = LightCurveDataModule(
        LightCurves([curve] * 4), split=(1, 0, 0), bands=("r_PS1", "g_PS1")
    )
    assert module.train_batch().bands == ("ps1::r", "ps1::g")


def on_rank(monkeypatch, rank, n_ranks):
    for name, value in (
        ("is_initialized", True),
        ("get_rank", rank),
        ("get_world_size", n_ranks),
    ):
        monkeypatch.setattr(torch.distributed, name, lambda value=value: value)


@pytest.mark.parametrize("n", [1, 7, 30, 64])
def test_ranks_share_one_order_and_make_as_many_steps(monkeypatch, n):
    shares, lengths = [], []
    for rank in range(3):
        on_rank(monkeypatch, rank, 3)
        sampler = EpochSampler(n, 4, seed=1)
        sampler.set_epoch(2)
        batches = list(sampler)
        lengths.append((len(sampler), len(batches)))
        shares.append([i for batch in batches for i in batch])
    assert set(lengths) == {(len(batches), len(batches))}
    assert {i for share in shares for i in share} == set(range(n))
    assert sum(map(len, shares)) - n < 3


def test_every_rank_sees_all_held_out_objects(monkeypatch):
    module = LightCurveDataModule(sample(), split=(0.5, 0.5, 0), batch_size=8)
    module.setup()
    on_rank(monkeypatch, 1, 2)
    held_out = [name for batch in module.val_dataloader() for name in batch.object_id]
    trained = [name for batch in module.train_dataloader() for name in batch.object_id]
    assert len(held_out) == 20
    assert len(set(trained)) == 10


def test_lightning_does_not_wrap_the_sampler_again():
    assert isinstance(EpochSampler(3, 2), torch.utils.data.DistributedSampler)


def test_objects_of_similar_length_share_a_batch():
    lengths = np.random.default_rng(0).integers(5, 200, 500)
    batches = list(EpochSampler(500, 20, seed=1, lengths=lengths))
    assert sorted(i for batch in batches for i in batch) == list(range(500))
    spans = [np.ptp(lengths[batch]) for batch in batches]
    at_random = [np.ptp(lengths[batch]) for batch in EpochSampler(500, 20, seed=1)]
    assert np.mean(spans) < 0.3 * np.mean(at_random)
    assert batches == list(EpochSampler(500, 20, seed=1, lengths=lengths))


def test_bands_that_are_not_given_are_from_blue_to_red():
    rng = np.random.default_rng(0)
    bands = ["lssty", "lsstg", "lsstu", "lsstz", "lsstr", "lssti", "mine_b", "mine_a"]
    curves = LightCurves(
        LightCurve.from_arrays(
            f"sn{i}", 57000 + np.arange(8.0), rng.normal(100, 5, 8), np.ones(8), bands, type="Ia"
        )
        for i in range(6)
    )
    ordered = (*(f"lsst{b}" for b in "ugrizy"), "mine_a", "mine_b")
    module = LightCurveDataModule(curves, split=(1.0, 0.0, 0.0))
    assert module.train_batch().bands == module.bands == ordered
    given = LightCurveDataModule(curves, bands=("lsstr", "lsstg"), split=(1.0, 0.0, 0.0))
    assert given.train_batch().bands == ("lsstr", "lsstg")
