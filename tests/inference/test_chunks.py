"""Chunks of results on disk: what comes back, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch

import sntorch.inference.chunks as chunks
from sntorch.errors import ConfigError, DataError
from sntorch.inference.chunks import SIGNATURE, ChunkStore

SETTINGS = {"sampler": "nuts", "draws": 250, "rv": None, "light_curves": [("SN1", 28, 0.02)]}
TENSORS = {"ds": torch.randn(3, 2, 5).double(), "epsilon": torch.randn(3, 2, 5, 4)}
NOTES = {"flag": ["", "rhat", ""], "k_hat": [0.1, float("inf"), 0.3], "name": "2016é"}


@pytest.fixture
def store(tmp_path):
    made = ChunkStore(tmp_path / "run" / "chunks", SETTINGS)
    made.save(3, TENSORS, NOTES)
    return made


def again(store, **changes):
    return ChunkStore(store.folder, {**SETTINGS, **changes})


def test_a_chunk_comes_back_as_it_was(store):
    tensors, notes = again(store).load(3)
    assert notes == NOTES
    assert tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert tensors[name].dtype == value.dtype
        assert torch.equal(tensors[name], value)


def test_views_and_gradients_are_kept_as_plain_tensors(store):
    leaf = torch.randn(4, 6, requires_grad=True)
    store.save(0, {"ds": leaf.T[::2], "mu": leaf[:, :1].expand(-1, 3)}, {})
    tensors, notes = store.load(0)
    assert notes == {}
    assert torch.equal(tensors["ds"], leaf.detach().T[::2])
    assert torch.equal(tensors["mu"], leaf.detach()[:, :1].expand(-1, 3))


def test_what_is_not_finished_is_none(store):
    assert store.load(0) is None
    assert store.finished(3) == 0
    assert store.finished(4) == 1


def test_a_chunk_can_be_replaced(store):
    store.save(3, {"ds": torch.zeros(1)}, {"new": True})
    assert store.load(3)[1] == {"new": True}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"draws": 500}, "(draws=250 there, 500 now)"),
        ({"rv": 2.5, "sampler": "vi"}, "(sampler=nuts there, vi now, rv=None there, 2.5 now)"),
        ({"new": 1}, "(new=None there, 1 now)"),
        ({"light_curves": [("SN2", 28, 0.02)]}, "(other light curves)"),
        ({"light_curves": [("SN1", 28, 0.03)]}, "(other light curves)"),
    ],
)
def test_other_settings_are_refused_and_named(store, changes, words):
    with pytest.raises(ConfigError) as caught:
        again(store, **changes)
    assert str(caught.value) == (
        f"{store.folder} holds chunks of another run {words}: choose another folder, or delete it"
    )
    assert store.load(3) is not None


def test_the_order_of_settings_does_not_matter(store):
    assert ChunkStore(store.folder, dict(reversed(SETTINGS.items()))).finished(4) == 1


def test_the_signature_is_for_people_too(store):
    signature = json.loads((store.folder / SIGNATURE).read_text())
    assert signature["sampler"] == "nuts"
    assert "light_curves" not in signature


@pytest.mark.parametrize(
    ("text", "words"), [("{", "not JSON; delete its folder"), ("[]", "of another run")]
)
def test_a_damaged_signature_is_named(store, text, words):
    (store.folder / SIGNATURE).write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        again(store)
    assert str(store.folder) in str(caught.value)


@pytest.mark.parametrize("damage", ["empty", "half", "noise", "foreign"])
def test_a_damaged_chunk_is_named(store, damage):
    path = store.path(3)
    whole = path.read_bytes()
    if damage == "foreign":
        chunks.save_file(TENSORS, str(path))
    else:
        path.write_bytes(
            {"empty": b"", "half": whole[: len(whole) // 2], "noise": b"x" * 99}[damage]
        )
    with pytest.raises(ConfigError, match=r"damaged \(.*\); delete it to fit it again") as caught:
        store.load(3)
    assert str(path) in str(caught.value)


def test_nothing_is_half_written(store, monkeypatch):
    def disk_full(tensors, path, metadata):
        with open(path, "wb") as file:
            file.write(b"the first half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(chunks, "save_file", disk_full)
    before = sorted(store.folder.iterdir())
    for index in (3, 4):
        with pytest.raises(DataError, match=f"chunk_00000{index}.*No space left on device"):
            store.save(index, {"ds": torch.zeros(1)}, {})
    assert sorted(store.folder.iterdir()) == before
    assert store.load(3)[1] == NOTES
    assert store.load(4) is None
