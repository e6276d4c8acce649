"""Checks of networks beside the exact posterior, and that they can fail."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sntorch.errors import ConfigError
from sntorch.sbi import FlowModule, RatioModule, SummarySimulator
from sntorch.sbi.benchmarks import (
    CheckSettings,
    LightCurveBenchmark,
    SummaryBenchmark,
    check_networks,
    compare_methods,
)
from sntorch.sbi.inference import NetworkInference
from sntorch.sbi.simulated import CHECKED, HELD_OUT, TESTED
from sntorch.sbi.summary import PRIOR

EMBEDDING = {
    "_target_": "sntorch.sbi.embeddings.DeepSet",
    "encoder": {"_target_": "sntorch.sbi.encoders.SummaryEncoder"},
    "n_outputs": 8,
}
SIMULATOR = SummarySimulator(n=10)
BENCHMARK = SummaryBenchmark(n=10)
SETTINGS = CheckSettings(surveys=10, simulations=200, permutations=2)


class Brightness(FlowModule):
    """One that looks at the mean magnitude beside the Hubble line, at nothing else."""

    def embed(self, x):
        beside = (x.data[..., 0] - 5 * torch.log10(x.redshift)).mean(1)
        return beside[:, None].expand(-1, 8).float()


class Shifted(Brightness):
    """A density that is not normalised."""

    def log_ratio_embedded(self, theta, embedded):
        return super().log_ratio_embedded(theta, embedded) + 0.5


def made(kind, **settings):
    """Of a network that has learnt nothing."""
    network = kind(PRIOR, EMBEDDING, width=16, **settings)
    network.prepare(SIMULATOR(0, 256)[1])
    network.trained_on = SIMULATOR.facts()
    return network.eval()


@pytest.fixture(scope="module")
def checks():
    networks = {
        "flow": made(Brightness, transforms=1),
        "shifted": made(Shifted, transforms=1),
        "nre_b": made(RatioModule),
    }
    methods = [NetworkInference(k, "fixed_number", v) for k, v in networks.items()]
    found = compare_methods(BENCHMARK, methods, n_surveys=12, draws=100, seed=3)
    every = [BENCHMARK.ignored(), *methods]
    return check_networks(BENCHMARK, every, found, SETTINGS)


def test_networks_alone_are_checked_and_no_more_surveys_than_asked_for(checks):
    assert list(checks) == ["flow", "shifted", "nre_b"]
    assert len(checks["flow"].usual) == len(checks["flow"].log_mean_ratio[0]) == 10
    assert checks["flow"].seconds > 0
    assert 0 <= checks["nre_b"].local.p_value <= 1


def test_a_density_is_normalised_and_a_ratio_with_another_factor_is_not(checks):
    found, error = checks["flow"].log_mean_ratio
    assert bool((error < 0.2).all())
    assert bool((found.abs() < 4 * error).all())
    shifted, _ = checks["shifted"].log_mean_ratio
    torch.testing.assert_close(shifted, found + 0.5)


def test_ratios_of_nre_b_have_no_mean_to_check(checks):
    assert checks["nre_b"].log_mean_ratio is None
    assert [made(RatioModule, loss=one).normalised for one in ("nre_b", "bnre")] == [False, True]


def test_surveys_made_wrong_are_far_from_all_simulations(checks):
    for one in checks.values():
        assert sum(found.suspicious for found in one.usual) <= 1
    assert sum(found.suspicious for found in checks["flow"].made_wrong) >= 5


def test_simulations_are_those_of_no_training_and_no_comparison():
    theta, _ = SIMULATOR(0, 20)
    redshift = BENCHMARK.simulate(theta, 0, CHECKED).redshift
    for first in (0, HELD_OUT, TESTED):
        other = BENCHMARK.simulate(theta, 0, first).redshift
        assert not bool(torch.isin(redshift, other).any())


def test_light_curves_are_made_wrong_by_their_fluxes():
    benchmark = LightCurveBenchmark(n=3, n_bank=40)
    theta = torch.tensor([benchmark.fiducial], dtype=torch.float64)
    data = benchmark.simulate(theta, seed=1)
    wrong = benchmark.made_wrong(data)
    torch.testing.assert_close(wrong.batch.flux, data.batch.flux * 10**-0.4)
    assert torch.equal(wrong.batch.flux_err, data.batch.flux_err)


def test_each_check_can_be_left_out():
    methods = [NetworkInference("flow", "fixed_number", made(FlowModule, transforms=1))]
    found = compare_methods(BENCHMARK, methods, n_surveys=2, draws=100)
    assert check_networks(BENCHMARK, [BENCHMARK.ignored()], found) == {}
    assert check_networks(BENCHMARK, methods, found, replace(SETTINGS, surveys=0)) == {}
    settings = CheckSettings(points=0, simulations=0)
    one = check_networks(BENCHMARK, methods, found, settings)["flow"]
    assert (one.log_mean_ratio, one.usual, one.made_wrong, one.local) == (None,) * 4
    settings = CheckSettings(points=0, simulations=200, shuffles=0, permutations=1)
    one = check_networks(BENCHMARK, methods, found, settings)["flow"]
    assert one.usual is None
    assert one.local is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [("points", 50), ("simulations", 99), ("permutations", -1), ("surveys", True)],
)
def test_settings_that_tell_nothing_are_refused(name, value):
    with pytest.raises(ConfigError, match=rf"network_checks\.{name}={value}: 0, or a whole"):
        CheckSettings(**{name: value})
