"""Options that do not exist are answered with those that do."""

import pytest

from sntorch.cli.entry import config_dir
from sntorch.cli.misspelt import missing_config, unknown_option


@pytest.mark.parametrize(
    ("name", "meant"),
    [("sed", "seed"), ("trainer.max_epoch", "trainer.max_epochs"), ("model.learnin_rate", "rate")],
)
def test_like_options_are_named(name, meant):
    line = unknown_option(f"Could not override '{name}'.\nTo append use +{name}=1", config_dir())
    assert line is not None
    assert line.startswith(f"no option '{name}'")
    assert meant in line
    assert "+" not in line


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("learning_rate", "did you mean model.learning_rate? sntorch config print"),
        ("model.netwrk.width", "did you mean model.network.width,"),
        ("simulation.survy.light_curves", "did you mean simulation.survey.light_curves,"),
        ("xyzzyx", "none is spelt like it; sntorch config print"),
    ],
)
def test_suggestions_are_options_that_there_are(name, meant):
    line = unknown_option(f"Could not override '{name}'.", config_dir())
    assert line is not None
    assert meant in line


def test_configs_of_a_group_are_listed_with_like_ones_first():
    line = missing_config("experiment/gan_iaa", config_dir(), ["gan_ia", "mine"])
    assert line.startswith("no config 'experiment/gan_iaa'; did you mean gan_ia, ")
    assert "mine" in line.partition("experiment has")[2]
    line = missing_config("model/gan/recurent", config_dir(), ["salt2"])
    assert "did you mean gan/recurrent? model has baseline/bootstrap," in line
    assert "gan/salt2" not in line
    assert "Config search path" not in line


def test_other_messages_are_left_alone():
    assert unknown_option("Missing mandatory value: ckpt", config_dir()) is None
    line = unknown_option("Could not override 'xyzzyx'.", config_dir())
    assert line is not None
    assert "none is spelt like it" in line
