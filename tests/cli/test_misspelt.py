"""Options that do not exist are answered with those that do."""

import pytest

from sntorch.cli.entry import config_dir
from sntorch.cli.misspelt import unknown_option


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


def test_other_messages_are_left_alone():
    assert unknown_option("Missing mandatory value: ckpt", config_dir()) is None
    line = unknown_option("Could not override 'xyzzyx'.", config_dir())
    assert line is not None
    assert "none is spelt like it" in line
