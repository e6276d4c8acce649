"""Objects of classes that a run left out, made as the run makes its own."""

from __future__ import annotations

import pytest
import torch

from sntorch.classification import ClassifierModule
from sntorch.cli.held_out_classes import held_out_classes
from sntorch.data.classes import GroupClasses
from sntorch.data.datamodule import LightCurveDataModule
from sntorch.data.transforms import Compose, PhaseRange
from sntorch.errors import ConfigError, DataError
from sntorch.simulation.testing import example_batch

NETWORK = {
    "_target_": "sntorch.classification.networks.supernnova.SuperNNova",
    "n_hidden": 4,
}
TYPES = ("Ia", "IIP", "TDE")
CUT = PhaseRange(-20.0, 20.0)
DROPPING = GroupClasses({"Ia": ["Ia"], "IIP": ["IIP"]}, unknown="drop")
JOINING = GroupClasses({"Ia": ["Ia"], "other": ["*"]})


def light_curves(n=18):
    found = example_batch(n=n, bands=("desg", "desr", "desi")).to_light_curves()
    for i, lc in enumerate(found):
        lc.type = TYPES[i % len(TYPES)]
    return found


def run(transform, sample=None):
    """A run's data, and a classifier that is made for it."""
    data = LightCurveDataModule(sample or light_curves(), transform=transform)
    module = ClassifierModule(NETWORK)
    module.fit_inputs(data.train_batch())
    return module, data


@pytest.mark.parametrize("transform", [DROPPING, Compose((CUT, DROPPING))])
def test_objects_are_cut_as_the_run_cuts_its_own(transform):
    module, data = run(transform)
    found = held_out_classes(["TDE"], module, data)["TDE"]
    ours = light_curves()
    assert found.object_id == [lc.object_id for lc in ours if lc.type == "TDE"]
    assert found.bands == module.bands
    assert found.classes == module.classes
    assert bool((found.label == -1).all())
    whole = ours.to_batch()
    assert bool((whole.phase.abs() > 20).any())
    assert bool((found.phase.abs() > 20).any()) is (transform is DROPPING)
    assert bool(module.logits(found).isfinite().all())


def test_a_node_of_the_taxonomy_holds_what_is_below_it():
    only_ia = GroupClasses({"Ia": ["Ia"], "TDE": ["TDE"]}, unknown="drop")
    module, data = run(only_ia)
    found = held_out_classes(["CC"], module, data)["CC"]
    assert found.object_id == [lc.object_id for lc in light_curves() if lc.type == "IIP"]


def test_objects_of_a_batch_and_of_other_data():
    module, data = run(DROPPING, light_curves().to_batch())
    from_batch = held_out_classes(["TDE"], module, data)["TDE"]
    torch.testing.assert_close(
        from_batch.flux, held_out_classes(["TDE"], *run(DROPPING))["TDE"].flux
    )
    other = light_curves()
    for lc in other:
        lc.type, lc.object_id = "KN", f"other_{lc.object_id}"
    source = LightCurveDataModule(other)
    assert len(held_out_classes(["KN"], module, data, source)["KN"]) == 18
    assert held_out_classes([], module, data) == {}


def test_classes_that_were_trained_on_are_refused():
    module, data = run(JOINING)
    with pytest.raises(ConfigError, match=r"objects of class TDE, \S+ the first, were trained on"):
        held_out_classes(["TDE"], module, data)
    with pytest.raises(ConfigError, match="the classifier knows Ia, other"):
        held_out_classes(["Ia"], module, data)
    with pytest.raises(DataError, match="no light curve of class KN; there are those of IIP, Ia"):
        held_out_classes(["KN"], module, data)
