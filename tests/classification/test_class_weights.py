"""Weights of classes in the loss: off, equal, or between."""

from __future__ import annotations

import pytest
import torch
from small_classifiers import small

from sntorch.classification.losses import CrossEntropy
from sntorch.errors import ConfigError

LABEL = torch.tensor([0] * 16 + [1] * 4)


def fitted(balanced):
    loss = CrossEntropy(("Ia", "II", "none of these"))
    loss.fit(LABEL, balanced)
    return loss


@pytest.mark.parametrize("balanced", [True, 1.0, 0.5])
def test_rare_classes_weigh_more_and_the_mean_of_an_object_is_one(balanced):
    weight = fitted(balanced).weight
    assert weight[LABEL].mean() == pytest.approx(1)
    # A class is 4 times as common as the other.
    assert weight[1] / weight[0] == pytest.approx(4 ** float(balanced))
    assert weight[2] == 0


@pytest.mark.parametrize("balanced", [False, 0.0])
def test_without_weights_objects_weigh_equally(balanced):
    assert fitted(balanced).weight.tolist() == [1, 1, 1]


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_other_shares_are_refused(share):
    with pytest.raises(ConfigError, match=r"class_weights=.*: 0 to 1, or true"):
        small(class_weights=share)
