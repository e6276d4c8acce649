"""A simulated survey of what a classifier takes for SNe Ia."""

import pytest
import torch

from sntorch.classification import Classifier
from sntorch.classification.selection import ClassifierCut
from sntorch.errors import ConfigError
from sntorch.simulation.testing import example_batch

DES = ("desg", "desr", "desi", "desz")


def test_what_is_kept_has_the_probability():
    batch = example_batch(30, bands=DES)
    table = Classifier.from_name("des-supernnova").predict(batch)
    sure = torch.tensor(table["p_Ia"].to_numpy())
    limit = float(sure.median())
    cut = ClassifierCut("des-supernnova", at_least=limit)
    assert torch.equal(cut.keep(batch, {}), sure >= limit)
    other = ClassifierCut("des-supernnova", "not Ia", 1 - limit)
    assert 0 < int(other.keep(batch, {}).sum()) < len(batch)


def test_an_object_without_observations_is_not_kept():
    batch = example_batch(6, bands=DES)
    batch.mask[2] = False
    kept = ClassifierCut("des-supernnova", at_least=0.0).keep(batch, {})
    assert kept.tolist() == [True, True, False, True, True, True]


def test_what_is_not_accepted():
    with pytest.raises(ConfigError, match=r"at_least=1\.5"):
        ClassifierCut("des-supernnova", at_least=1.5)
    with pytest.raises(ConfigError, match="kind=II is none of its classes, Ia, not Ia"):
        ClassifierCut("des-supernnova", "II").keep(example_batch(2, bands=DES), {})
