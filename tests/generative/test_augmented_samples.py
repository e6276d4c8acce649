"""Filling up classes: with trained networks, and with names that are taken already."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

import lightning as L
import pytest
import torch
from toys import population, recurrent

from sntorch.data.datamodule import LightCurveDataModule
from sntorch.data.light_curve import LightCurves
from sntorch.errors import CheckpointError, SntorchWarning
from sntorch.generative.augment import augmented, wanted
from sntorch.generative.baselines import Bootstrap, Jitter
from sntorch.generative.parents import fitted_on_the_spot, trained_before

JITTER = fitted_on_the_spot({"_target_": "sntorch.generative.baselines.Jitter"})
pytestmark = pytest.mark.filterwarnings("ignore::sntorch.errors.SntorchWarning")


def sample(n_rare=6, n=12):
    light_curves = population(n).to_light_curves()
    return LightCurves(
        replace(lc, type="II" if i < n_rare else "Ia") for i, lc in enumerate(light_curves)
    )


@pytest.fixture
def checkpoint(tmp_path):
    trainer = L.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data = LightCurveDataModule(population(40), split=(1.0, 0.0, 0.0), batch_size=20)
    trainer.fit(recurrent(), data)
    trainer.save_checkpoint(tmp_path / "gan.ckpt", weights_only=False)
    return tmp_path / "gan.ckpt"


def test_numbers_that_classes_lack():
    assert wanted(sample(5), "max") == {"Ia": 0, "II": 2}
    assert wanted(sample(5), 10) == {"Ia": 3, "II": 5}
    assert wanted(sample(5), 10, ["II"]) == {"II": 5}
    assert wanted(sample(4), 12, ["Ia"]) == {"Ia": 4}


@pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning")
def test_a_network_fills_up_the_one_class_that_it_was_trained_on(checkpoint):
    lack = {"Ia": 0, "II": 3}
    out = augmented(sample(), lack, trained_before(checkpoint, ["II"]), seed=4)
    made = out[12:]
    assert len(made) == 3
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    for lc in made:
        assert lc.type == "II"
        assert lc.meta == {
            "synthetic": True,
            "parent_model": f"LightCurveGAN gan.ckpt sha256:{digest}",
            "seed": 4,
        }
    words = "trained on one class, which it cannot name; to fill up are Ia, II"
    with pytest.raises(CheckpointError, match=re.escape(words)):
        trained_before(checkpoint, ["Ia", "II"])


def test_a_folder_with_several_classes_is_asked_for_each(tmp_path):
    Bootstrap().fit(sample().to_batch()).save_pretrained(tmp_path)
    out = augmented(sample(), {"Ia": 4, "II": 4}, trained_before(tmp_path, ["Ia", "II"]), seed=0)
    kinds = {lc.object_id: lc.type for lc in out[:12]}
    assert [lc.type for lc in out[12:]] == ["Ia"] * 4 + ["II"] * 4
    assert all(kinds[lc.meta["parent_object"]] == lc.type for lc in out[12:])


def test_generated_objects_are_those_of_the_model_with_the_seed():
    light_curves = sample()
    out = augmented(light_curves, {"II": 3}, JITTER, seed=9)
    batch = light_curves.filter(lambda lc: lc.type == "II").to_batch()
    again, parents = Jitter().fit(batch).sample_with_parents(3, seed=9)
    assert [lc.meta["parent_object"] for lc in out[12:]] == parents
    for lc, other in zip(out[12:], again.to_light_curves(), strict=True):
        assert torch.equal(torch.from_numpy(lc.flux), torch.from_numpy(other.flux))


def test_names_that_are_taken_are_left_to_their_objects():
    light_curves = LightCurves(
        replace(lc, object_id=f"new_II_{i:06d}") for i, lc in enumerate(sample())
    )
    out = augmented(light_curves, {"II": 6}, JITTER, seed=0)
    assert len({lc.object_id for lc in out}) == 18


def test_no_class_to_fill_up_leaves_the_sample_as_it_is(recwarn):
    out = augmented(sample(), {"Ia": 0, "II": 0}, JITTER, seed=0)
    assert list(out) == list(sample())
    assert all(lc.meta == {"synthetic": False} for lc in out)
    assert not [w for w in recwarn if w.category is SntorchWarning]
