"""Populations of dust: the contract, priors, splits, bad settings, and one of a user's own."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from functools import partial
from math import inf

import pyro
import pytest
import torch

from sntorch.bayesn.options import RV_LEAST
from sntorch.bayesn.populations import (
    RV_MOST,
    Dust,
    DustRedshift,
    GlobalRV,
    MassSplit,
    MassSplitSED,
    Population,
    PopulationRV,
)
from sntorch.bayesn.surfaces import TrainedSED
from sntorch.bayesn.testing import example_training_sample
from sntorch.errors import ConfigError, DataError
from sntorch.testing import DustPopulationContract

POPULATIONS = [GlobalRV, PopulationRV, Dust, DustRedshift, MassSplit, MassSplitSED]
OWN = '''
from pyro.distributions import HalfNormal, Normal

from sntorch.bayesn.populations import Conditions, Population, each


class RedshiftRV(Population):
    """R_V that depends on redshift, with a population of its own for the slope."""

    def __init__(self, width=0.3):
        self.width = width

    def __call__(self, draw, sample):
        z = sample.redshift_cmb
        unit = z.new_ones(())
        tau_a, sigma0 = draw("tau_a", HalfNormal(unit)), draw("sigma0", HalfNormal(0.2 * unit))
        spread = draw("spread", HalfNormal(self.width * unit))
        slope = draw("slope", Normal(0 * unit, spread))
        return Conditions(
            tau_a=each(tau_a), sigma0=each(sigma0), rv=2.8 + 0.1 * (each(slope) * z).tanh()
        )
'''


@pytest.mark.parametrize("kind", POPULATIONS)
class TestPackaged(DustPopulationContract):
    @pytest.fixture(autouse=True)
    def _given(self, kind):
        self.kind = kind

    def make(self):
        return self.kind()


class TestOneFromOutsideThePackage(DustPopulationContract):
    @pytest.fixture(autouse=True)
    def _written_by_a_user(self, tmp_path, monkeypatch):
        (tmp_path / "redshift_rv_of_mine.py").write_text(OWN)
        monkeypatch.syspath_prepend(tmp_path)
        self.module = importlib.import_module("redshift_rv_of_mine")
        yield
        monkeypatch.delitem(sys.modules, "redshift_rv_of_mine")

    def make(self):
        return self.module.RedshiftRV()


def broken(body):
    """A contract of a population whose code has a mistake."""

    class Mistaken(Population):
        def __call__(self, draw, sample):
            return body(GlobalRV()(draw, sample), draw, sample)

    class Contract(DustPopulationContract):
        def make(self):
            return Mistaken()

    return Contract()


def test_the_contract_finds_a_parameter_that_changes_nothing():
    def unused(c, draw, sample):
        draw("unused", pyro.distributions.HalfNormal(torch.ones(()).double()))
        return c

    with pytest.raises(AssertionError, match="unused changes nothing"):
        broken(unused).test_a_gradient_reaches_every_parameter()


def test_the_contract_finds_chains_that_are_mixed_up():
    def mixed(c, draw, sample):
        c.rv = 0 * c.rv + c.rv.mean()
        return c

    with pytest.raises(AssertionError):
        broken(mixed).test_chains_do_not_disturb_each_other()


def test_the_contract_finds_an_each_that_is_missing():
    def flat(c, draw, sample):
        c.sigma0 = c.sigma0[..., 0]
        return c

    with pytest.raises((AssertionError, IndexError)):
        broken(flat).test_conditions_have_a_value_for_every_supernova_or_one_for_all()


# ---- what the packaged ones say ----


def drawn(population, sample, seed=0):
    """Conditions of a draw, the values by name, and the priors."""
    pyro.set_rng_seed(seed)
    values, priors = {}, {}

    def draw(name, prior):
        values[name], priors[name] = pyro.sample(name, prior), prior
        return values[name]

    return population(draw, sample), values, priors


@pytest.fixture(scope="module")
def supernovae():
    return example_training_sample()[0]


@pytest.fixture(scope="module")
def knots():
    return tuple(example_training_sample()[1].w0.shape)


def test_priors_are_those_of_the_settings(supernovae):
    _, _, priors = drawn(GlobalRV(0.7, 0.2, (2.0, 4.0)), supernovae)
    assert list(priors) == ["sigma0", "tau_a", "rv"]
    assert priors["tau_a"].scale == 0.7
    assert priors["sigma0"].scale == 0.2
    assert (priors["rv"].low, priors["rv"].high) == (2.0, 4.0)
    _, _, priors = drawn(PopulationRV(sigma_r_scale=0.4), supernovae)
    assert priors["sigma_r"].scale == 0.4
    assert (priors["mu_r"].low, priors["mu_r"].high) == (1.0, 5.0)
    _, _, priors = drawn(Dust(), supernovae)
    assert float(priors["mu_r"].low) == RV_LEAST
    assert float(priors["mu_r"].high) == RV_MOST


@pytest.mark.parametrize("seed", range(20))
def test_dust_that_changes_with_redshift_stays_possible(supernovae, seed):
    c, v, _ = drawn(DustRedshift(), supernovae, seed)
    z = supernovae.redshift_cmb
    assert bool((c.tau_a > 0).all())
    assert torch.allclose(c.mu_r, v["mu_r"] + v["eta"] * z)
    assert torch.allclose(c.tau_a, v["tau_a"] + v["kappa"] * z)
    # At a redshift of 1 the mean is still within the range of R_V.
    assert RV_LEAST <= float(v["mu_r"] + v["eta"]) <= RV_MOST


def test_a_split_gives_every_host_its_side(supernovae):
    split = MassSplit(mass=10.0)
    c, v, _ = drawn(split, supernovae)
    high = supernovae.host_mass > 10.0
    for name in ("tau_a", "sigma0", "mu_r", "sigma_r"):
        sides = v[f"{name}_high"], v[f"{name}_low"]
        assert torch.equal(getattr(c, name), torch.where(high, *sides)), name
    # The step is high minus low, and leaves the sample's mean where it was.
    assert float(c.delta_m[high][0] - c.delta_m[~high][0]) == pytest.approx(float(v["delta_m"]))
    assert float(c.delta_m.mean()) == pytest.approx(0, abs=1e-12)


def test_a_host_on_the_split_is_below(supernovae):
    at = replace(supernovae, host_mass=torch.tensor([10.0, 10.0, 10.1, 9.0, 11.0]).double())
    assert MassSplit(mass=10.0).high(at).tolist() == [False, False, True, False, True]


def test_surfaces_of_their_own(supernovae, knots):
    split = MassSplitSED(mass=10.0, spread=0.2)
    split.knots = knots
    c, v, priors = drawn(split, supernovae)
    assert c.delta_m is None
    assert torch.equal(c.group, (supernovae.host_mass > 10.0).long())
    assert torch.equal(c.w0_shift, torch.stack([v["delta_w0_low"], v["delta_w0_high"]]))
    assert bool((priors["delta_w0_low"].base_dist.scale == 0.2).all())


# ---- bad input ----


@pytest.mark.parametrize(
    ("kind", "bad", "message"),
    [
        (GlobalRV, {"tau_a_scale": 0.0}, "tau_a_scale=0.0: a positive number"),
        (GlobalRV, {"sigma0_scale": -0.1}, "sigma0_scale=-0.1: a positive number"),
        (GlobalRV, {"tau_a_scale": "wide"}, "tau_a_scale=wide: a number"),
        (GlobalRV, {"tau_a_scale": True}, "tau_a_scale=True: a number"),
        (GlobalRV, {"tau_a_scale": None}, "tau_a_scale=None: a finite number"),
        (GlobalRV, {"tau_a_scale": [1.0]}, "tau_a_scale=.*: a number"),
        (GlobalRV, {"tau_a_scale": float("inf")}, "tau_a_scale=inf: a finite number"),
        (GlobalRV, {"rv_range": (3.0, 2.0)}, "rv_range=.*two increasing numbers"),
        (GlobalRV, {"rv_range": (2.0, 2.0)}, "rv_range=.*two increasing numbers"),
        (GlobalRV, {"rv_range": (2.0,)}, "rv_range=.*two increasing numbers"),
        (GlobalRV, {"rv_range": (1.0, 2.0, 3.0)}, "rv_range=.*two increasing numbers"),
        (GlobalRV, {"rv_range": 3.0}, "rv_range=3.0: two increasing numbers"),
        (GlobalRV, {"rv_range": "ab"}, "rv_range=ab: two increasing numbers"),
        (GlobalRV, {"rv_range": (1.0, "b")}, "rv_range=b: a number"),
        (GlobalRV, {"rv_range": (1.0, float("inf"))}, "rv_range=inf: a finite number"),
        (PopulationRV, {"mu_r_range": (1.0, float("nan"))}, "mu_r_range=nan"),
        (PopulationRV, {"sigma_r_scale": float("nan")}, "sigma_r_scale=nan"),
        (DustRedshift, {"kappa_range": (0.5, -0.5)}, "kappa_range"),
        (DustRedshift, {"kappa_range": (-0.5, -0.1)}, "kappa_range.*above 0"),
        (DustRedshift, {"tau_a_scale": -1}, "tau_a_scale"),
        (MassSplit, {"mass": "heavy"}, "mass=heavy: a number"),
        (MassSplit, {"mass": float("nan")}, "mass=nan: a finite number"),
        (MassSplit, {"step_range": (0.2, -0.2)}, "step_range"),
        (MassSplit, {"sigma_r_scale": 0}, "sigma_r_scale"),
        (MassSplitSED, {"spread": 0.0}, "spread=0.0"),
        (MassSplitSED, {"mass": None}, "mass=None"),
        (partial(TrainedSED, None), {"sigma_scale": 0}, "sigma_scale=0: a positive number"),
        (partial(TrainedSED, None), {"concentration": inf}, "concentration=inf: a positive"),
    ],
)
def test_settings_that_are_not_accepted(kind, bad, message):
    with pytest.raises(ConfigError, match=message):
        kind(**bad)


def test_ranges_may_be_lists():
    assert GlobalRV(rv_range=[1, 4]).rv_range == (1, 4)


def test_unknown_masses(supernovae):
    mass = supernovae.host_mass.clone()
    mass[[1, 3]] = torch.nan
    with pytest.raises(DataError, match="host mass is not known of 2 supernovae"):
        MassSplit().high(replace(supernovae, host_mass=mass))


@pytest.mark.parametrize(("mass", "side"), [(8.0, "above"), (13.0, "below")])
def test_all_hosts_on_one_side(supernovae, mass, side):
    with pytest.raises(DataError, match=f"all 5 hosts are {side} mass={mass}"):
        MassSplit(mass=mass).high(supernovae)


def test_only_splits_need_masses():
    needs = {kind.__name__ for kind in POPULATIONS if kind.needs_host_mass}
    assert needs == {"MassSplit", "MassSplitSED"}


def test_shows_its_settings():
    assert repr(GlobalRV()) == "GlobalRV(tau_a_scale=1.0, sigma0_scale=0.1, rv_range=(1.0, 5.0))"
    assert "mass=10.3" in repr(MassSplit(mass=10.3))
    assert "sigma_r_scale=2.0" in repr(MassSplit())
