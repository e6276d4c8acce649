"""Every classifier's config can be chosen by its name and builds."""

from pathlib import Path

import pytest
from hydra.utils import instantiate

from sntorch.classification.module import ClassifierModule
from sntorch.cli.config import compose_config
from sntorch.simulation.testing import example_batch

FOLDER = Path(__file__).parents[2] / "conf" / "model" / "classifier"
NAMES = sorted(p.stem for p in FOLDER.glob("*.yaml") if p.stem != "module")


@pytest.mark.parametrize("name", NAMES)
def test_config_builds_a_module(name):
    config = compose_config("train", [f"model=classifier/{name}", "seed=3"]).model
    module = instantiate(config, _convert_="all")
    assert isinstance(module, ClassifierModule)
    assert module.config["seed"] == 3
    batch = example_batch(8)
    batch.classes = ("Ia", "CC")
    batch.label[:4], batch.label[4:] = 0, 1
    module.fit_inputs(batch)
    assert sum(p.numel() for p in module.network.parameters()) > 1000
