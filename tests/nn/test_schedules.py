"""The learning rate over a training."""

import pytest

from sntorch.errors import ConfigError
from sntorch.nn.schedules import FIRST, WARM_UP, rate_at


def test_one_cycle_rises_and_falls_to_zero():
    assert rate_at(0.0, "one_cycle") == FIRST
    assert rate_at(WARM_UP, "one_cycle") == pytest.approx(1)
    assert rate_at((1 + WARM_UP) / 2, "one_cycle") == pytest.approx(0.5)
    assert rate_at(1.0, "one_cycle") == rate_at(1.2, "one_cycle") == pytest.approx(0)


def test_the_others():
    assert rate_at(0.7, "constant") == 1
    assert rate_at(0.5, "cosine") == pytest.approx(0.5)
    with pytest.raises(ConfigError, match="schedule=fast"):
        rate_at(0.5, "fast")
