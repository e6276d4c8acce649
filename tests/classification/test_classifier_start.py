"""Going on from a trained classifier: what is kept, what is new, what is refused."""

from __future__ import annotations

from dataclasses import replace

import lightning as L
import pytest
import torch

from sntorch.classification.module import ClassifierModule
from sntorch.data.batch import LightCurveBatch
from sntorch.data.datamodule import LightCurveDataModule
from sntorch.errors import CheckpointError, ConfigError
from sntorch.simulation.testing import example_batch

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),
]
NETWORK = {
    "_target_": "sntorch.classification.networks.transformer.Transformer",
    "width": 8,
    "n_layers": 1,
    "n_heads": 2,
}
CLASSES = ("Ia", "II")


def objects(seed: int = 0, brighter: float = 1.0) -> LightCurveBatch:
    """Objects of two classes, with redshifts."""
    batch = example_batch(n=24, seed=seed)
    return replace(
        batch,
        flux=batch.flux * brighter,
        flux_err=torch.where(batch.mask, batch.flux_err * brighter, 1.0),
        redshift=torch.linspace(0.1, 0.2, 24, dtype=torch.float64) * brighter,
        label=torch.arange(24) % 2,
        classes=CLASSES,
    )


def classifier(**changes) -> ClassifierModule:
    """A small one that knows the redshift."""
    settings = {"network": NETWORK, "context": ["redshift"], "learning_rate": 1e-2} | changes
    return ClassifierModule(**settings)


def fitted(module: ClassifierModule, batch: LightCurveBatch) -> L.Trainer:
    """Its trainer, after one epoch."""
    trainer = L.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, LightCurveDataModule(batch, split=(1.0, 0.0, 0.0), batch_size=8))
    return trainer


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A trained classifier, its folder and its checkpoint."""
    place, module = tmp_path_factory.mktemp("first"), classifier()
    trainer = fitted(module, objects())
    trainer.save_checkpoint(place / "first.ckpt")
    module.save_pretrained(place / "folder")
    return module, place / "folder", place / "first.ckpt"


@pytest.mark.parametrize("kind", [1, 2], ids=["folder", "checkpoint"])
def test_it_answers_like_the_first_before_it_learns(first, kind):
    module = classifier(start_from=first[kind])
    others = objects(seed=1, brighter=3.0)
    module.fit_inputs(others)
    torch.testing.assert_close(module.eval().logits(others), first[0].eval().logits(others))
    # Without its scales of inputs it would not.
    fresh = classifier()
    fresh.fit_inputs(others)
    assert not torch.equal(fresh.context.mean, module.context.mean)
    scale = "tokens.photometry.scale"
    assert not torch.equal(fresh.network.state_dict()[scale], module.network.state_dict()[scale])


def test_training_begins_at_its_averaged_weights(first):
    module = classifier(start_from=first[1])
    module.fit_inputs(objects(seed=1))
    average = first[0].average.average.state_dict()
    for name, value in module.network.state_dict().items():
        torch.testing.assert_close(value, average[name], rtol=0, atol=0)
    assert int(module.average.updates) == 0


def test_it_learns_keeps_the_scales_and_says_where_it_came_from(first, tmp_path):
    module = classifier(start_from=first[1])
    fitted(module, objects(seed=1, brighter=3.0))
    before, after = first[0].network.state_dict(), module.network.state_dict()
    torch.testing.assert_close(
        after["tokens.photometry.scale"], before["tokens.photometry.scale"], rtol=0, atol=0
    )
    assert not torch.equal(after["head.3.weight"], before["head.3.weight"])
    assert module.started_sha256 == first[0].training_sha256 != module.training_sha256
    module.save_pretrained(tmp_path / "second")
    again = ClassifierModule.from_pretrained(tmp_path / "second")
    assert again.started_sha256 == module.started_sha256
    # Its weights are in the folder: it does not need the first one any more.
    assert again.config["start_from"] is None


@pytest.mark.parametrize(
    ("changes", "batch", "message"),
    [
        ({"network": NETWORK | {"width": 16}}, {}, "network"),
        ({"context": []}, {}, "context"),
        ({}, {"classes": ("II", "Ia")}, "classes Ia, II"),
        ({}, {"bands": ("ps1::g", "ps1::r", "ps1::i", "ps1::z")}, "bands"),
        ({}, {"zeropoint": 25.0}, "zero point 27.5"),
    ],
    ids=["network", "context", "classes", "bands", "zeropoint"],
)
def test_what_does_not_fit_is_refused_in_one_line(first, changes, batch, message):
    module = classifier(start_from=first[1], **changes)
    with pytest.raises(ConfigError, match=message) as caught:
        module.fit_inputs(replace(objects(), **batch))
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_classifier(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        classifier(start_from=tmp_path).fit_inputs(objects())
