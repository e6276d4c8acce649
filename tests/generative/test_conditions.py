"""Conditions: what is asked for, what is drawn, what is refused."""

from __future__ import annotations

import pytest
import torch
from toys import two_classes

from sntorch.errors import ConfigError
from sntorch.generative.conditions import Conditions
from sntorch.generative.properties import column


def conditions(names=("type", "redshift")):
    return Conditions.of(names, two_classes())


def test_unknown_properties_have_codes_of_their_own():
    known = conditions()
    codes = known(torch.tensor([0, -1]), torch.tensor([[0.3], [torch.nan]]))
    assert codes.shape == (2, known.n_codes) == (2, 5)
    torch.testing.assert_close(codes[1], known.unknown(1)[0])
    assert not torch.allclose(codes[0], codes[1])


def test_hiding_makes_properties_unknown_together_and_alone():
    torch.manual_seed(0)
    known = conditions()
    label, numbers = known.hide(torch.zeros(4000).long(), torch.full((4000, 1), 0.3), 0.2)
    hidden = label < 0, numbers[:, 0].isnan()
    for one in hidden:
        assert float(one.float().mean()) == pytest.approx(0.36, abs=0.03)
    assert float((hidden[0] & hidden[1]).float().mean()) == pytest.approx(0.232, abs=0.03)


def test_drawn_properties_are_like_those_of_training_objects():
    known = conditions()
    everyone = torch.arange(60)
    label, numbers = known.draw(everyone, torch.randn(60, 1), everyone)
    assert torch.equal(label, known.label)
    assert float(numbers.mean()) == pytest.approx(float(known.numbers.mean()), abs=0.03)
    assert float(numbers.min()) >= float(known.numbers.min())
    assert not torch.equal(numbers, known.numbers)


def test_similar_objects_have_the_class_and_nearly_the_redshift():
    known = conditions()
    members, count = known.similar(torch.ones(1).long(), torch.full((1, 1), 0.3), torch.arange(60))
    found = members[0, : int(count)]
    assert len(found.unique()) == 10
    assert bool((known.label[found] == 1).all())
    distance = (known.numbers[found, 0] - 0.3).abs()
    assert float(distance.max()) < 0.1
    assert bool((distance.diff() >= 0).all())


def test_without_numbers_all_of_a_class_are_similar():
    known = Conditions(["type"], ("II", "Ia"), torch.arange(60) % 2, torch.zeros(60, 0))
    members, count = known.similar(torch.ones(1).long(), torch.zeros(1, 0), torch.arange(60))
    assert sorted(members[0, : int(count)].tolist()) == list(range(1, 60, 2))


def test_what_is_asked_for_replaces_what_is_drawn():
    known = conditions()
    asked = known.asked({"type": "Ia", "redshift": [0.2, 0.3]}, 2)
    label, numbers = known.replaced(torch.tensor([0, 0]), torch.zeros(2, 1), asked)
    assert label.tolist() == [1, 1]
    assert numbers[:, 0].tolist() == [0.2, 0.3]
    assert bool((known.label[known.members({"type": "Ia"})] == 1).all())


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"colour": 1}, "trained with type, redshift"),
        ({"type": "Ib"}, "the training set has II, Ia"),
        ({"redshift": 2.0}, "extrapolate: true in the condition goes beyond"),
        ({"redshift": [0.2, 0.3, 0.4]}, "or 2 of them"),
        ({"redshift": "far"}, "a number"),
    ],
)
def test_requests_that_do_not_fit_are_refused(condition, message):
    with pytest.raises(ConfigError, match=message):
        conditions().asked(condition, 2)


def test_extrapolation_and_unknown_are_asked_for_by_name():
    known = conditions()
    assert known.asked({"redshift": 2.0, "extrapolate": True}, 2)["redshift"].tolist() == [2, 2]
    asked = known.asked({"redshift": None, "type": None}, 1)
    assert bool(asked["redshift"].isnan().all())
    assert asked["type"].tolist() == [-1]


def test_columns_that_the_data_do_not_have_are_refused():
    batch = two_classes()
    batch.host = torch.ones(60, 2)
    assert column(batch, "host_1").tolist() == [1.0] * 60
    for name in ("host_2", "host_x", "mass"):
        with pytest.raises(ConfigError, match="host_0, host_1 are accepted"):
            column(batch, name)
    with pytest.raises(ConfigError, match="unknown for all"):
        Conditions.of(["mwebv"], batch)
    batch.label[:] = -1
    with pytest.raises(ConfigError, match="no training object has a type"):
        Conditions.of(["type"], batch)
