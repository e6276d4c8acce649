"""Classifiers that come with the package: small, openable, with a card and sane answers."""

import pytest
import torch

from sntorch.classification import Classifier
from sntorch.classification.classifier import MODELS
from sntorch.errors import ConfigError
from sntorch.simulation.testing import example_batch

NAMES = sorted(p.name for p in MODELS.iterdir() if p.is_dir())
DES = ("desg", "desr", "desi", "desz")


def test_there_are_two():
    assert NAMES == ["des-causal-transformer", "des-supernnova"]


@pytest.mark.parametrize("name", NAMES)
def test_packaged_classifier(name):
    folder = MODELS / name
    assert sum(p.stat().st_size for p in folder.iterdir()) < 1e6
    card = (folder / "README.md").read_text()
    assert "roc_auc" in card or "ROC" in card
    classifier = Classifier.from_name(name)
    assert classifier.bands == DES
    assert classifier.classes == ("Ia", "not Ia")
    table = classifier.predict(example_batch(8, bands=DES))
    total = torch.tensor(table[["p_Ia", "p_not Ia"]].to_numpy()).sum(1)
    torch.testing.assert_close(total, torch.ones_like(total), rtol=1e-5, atol=1e-5)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match="packaged are des-causal-transformer, des-supernnova"):
        Classifier.from_name("des-ia")
