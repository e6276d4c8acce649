"""RAPID: the contract, the grid by hand, the trigger, and what interpolation sees."""

from __future__ import annotations

import pytest
import torch

from sntorch.classification.networks.rapid import RAPID
from sntorch.classification.networks.rapid_grid import N_BEFORE, grid_of
from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.data.nights import by_night
from sntorch.errors import ConfigError
from sntorch.testing import ClassifierNetworkContract

BANDS = ("desg", "desr")
TRIGGER = N_BEFORE


class TestRecurrent(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return RAPID(bands, n_classes, n_context, n_hidden=8)


class TestConvolutional(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return RAPID(bands, n_classes, n_context, core="tcn", n_hidden=8)


def light_curve(days, flux, bands):
    """Errors of 1; the first flux above 5 is the trigger."""
    curve = LightCurve.from_arrays(
        "SN", 57000.0 + torch.tensor(days).numpy(), flux, [1.0] * len(days), bands
    )
    return LightCurveBatch.from_light_curves([curve], bands=BANDS)


@pytest.fixture
def rising():
    """Seen 4 d before the trigger, at it, and 4 and 7 d after it, the last time in r alone."""
    return light_curve(
        [-4.0, 0.0, 0.1, 4.0, 7.0], [1.0, 10.0, 20.0, 14.0, 32.0], light_curve_bands("grggr")
    )


def light_curve_bands(letters):
    return [f"des{letter}" for letter in letters]


def test_a_step_holds_the_last_observations_and_their_age(rising):
    grid = grid_of(by_night(rising), "last")
    flux = torch.where(grid.values.seen, grid.values.flux, torch.nan)[0]
    after = flux[TRIGGER - 2 : TRIGGER + 4]
    nan = torch.nan
    expected = [[nan, nan], [1, nan], [20, 10], [20, 10], [14, 10], [14, 32]]
    torch.testing.assert_close(after, torch.tensor(expected).double(), equal_nan=True)
    assert grid.age[0, TRIGGER + 1].tolist() == pytest.approx([0.3, 0.3])
    assert grid.age[0, TRIGGER + 3].tolist() == pytest.approx([0.5, 0.2])


def test_steps_end_with_the_light_curve(rising):
    grid = grid_of(by_night(rising), "last")
    # The last night is 7 d after the trigger: the steps at 0, 3 and 6 d are complete.
    assert int(grid.complete[0].sum()) == TRIGGER + 3
    assert int(grid.values.mask[0].sum()) == TRIGGER + 4


def test_interpolation_is_linear_and_ends_with_a_band(rising):
    grid = grid_of(by_night(rising), "linear")
    flux = torch.where(grid.values.seen, grid.values.flux, torch.nan)[0]
    green, red = flux[TRIGGER - 1 : TRIGGER + 3].T
    assert green[[0, 2]].tolist() == pytest.approx([1 + 19 / 4, 20 - 6 * 3 / 4])
    assert bool(green[3].isnan())
    assert red[2:].tolist() == pytest.approx([10 + 22 * 3 / 7, 10 + 22 * 6 / 7])


def step_after_trigger(interpolation, batch):
    torch.manual_seed(0)
    network = RAPID(BANDS, 2, interpolation=interpolation, n_hidden=8).eval()
    return network.steps(batch, torch.zeros(1, 0)).logits[0, 2]


def test_interpolation_sees_the_future_and_the_last_observations_do_not(rising):
    early = rising.where(rising.time < 57000 + 4.5)
    for interpolation, same in (("last", True), ("linear", False)):
        whole, cut = (step_after_trigger(interpolation, b) for b in (rising, early))
        assert torch.allclose(whole, cut, atol=1e-6) == same


def test_without_a_trigger_only_the_context_speaks():
    torch.manual_seed(0)
    network = RAPID(BANDS, 2, 1, n_hidden=8).eval()
    faint, fainter = (
        light_curve([0.0, 5.0], [flux, 1.0], light_curve_bands("gr")) for flux in (4.0, 2.0)
    )
    none, some = torch.zeros(1, 1), torch.ones(1, 1)
    steps = network.steps(faint, none)
    assert steps.mask[0].tolist() == [True] + [False] * (steps.mask.shape[1] - 1)
    assert torch.equal(network(faint, none), network(fainter, none))
    assert torch.equal(network(faint, none), steps.logits[:, 0])
    assert not torch.allclose(network(faint, some), network(faint, none))


def test_the_last_night_counts_at_once(rising):
    torch.manual_seed(0)
    network, none = RAPID(BANDS, 2, n_hidden=8).eval(), torch.zeros(1, 0)
    without = rising.where(rising.time < 57000 + 6.5)
    assert not torch.allclose(network(rising, none), network(without, none))


def test_an_unknown_option_is_refused():
    with pytest.raises(ConfigError, match=r"core=lstm: accepted are gru, tcn"):
        RAPID(BANDS, 2, core="lstm")
    with pytest.raises(ConfigError, match=r"interpolation=spline: accepted are last, linear"):
        RAPID(BANDS, 2, interpolation="spline")
