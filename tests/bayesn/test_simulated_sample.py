"""Simulated samples: own parameters follow the population, photometry scatters by its errors."""

from __future__ import annotations

import math

import pytest
import torch
from fake_hierarchy import POPULATIONS, coarse, model, trained_values

from sntorch.bayesn.hierarchy import HierarchicalModel
from sntorch.bayesn.injections import peaks
from sntorch.bayesn.options import RV_LEAST
from sntorch.bayesn.populations import PopulationRV
from sntorch.bayesn.simulated_sample import prior_values, selected_sample, simulate_sample
from sntorch.bayesn.surfaces import TrainedSED
from sntorch.physics.photometry import LN
from sntorch.simulation import EfficiencyTable, MagnitudeLimit


def many(made, times):
    """The model with every supernova of its sample that often."""
    return made.take(torch.arange(len(made.sample)).repeat(times))


def expected(made, values, own):
    """Model fluxes of simulated supernovae."""
    surfaces, c = made.shared(lambda name, prior: values[name])
    zero = torch.zeros_like(own["av"])
    rv = own["rv_sn"] if "rv_sn" in own else c.rv.expand_as(zero)
    tmax = own.get("tmax", zero)
    return made.flux(surfaces, c, own["theta"], own["av"], rv, tmax, own["epsilon"], own["ds"])


def assert_mean(values, wanted):
    """Within four standard errors."""
    error = float(values.std()) / math.sqrt(values.numel())
    assert abs(float(values.mean()) - wanted) < 4 * error, (float(values.mean()), wanted, error)


@pytest.fixture(scope="module")
def simulated():
    """Twelve hundred of them, with a population of R_V and free times of maximum."""
    made = many(model("PopulationRV", free_tmax=True, sed=coarse()), 100)
    values = trained_values(coarse())
    sample, own = simulate_sample(made, values, seed=1)
    return made, values, sample, own


def test_own_parameters_follow_the_population(simulated):
    made, values, sample, own = simulated
    assert set(own) == {"theta", "av", "epsilon", "rv_sn", "tmax", "ds"}
    assert own["epsilon"].shape == (1200, 6)
    assert all(len(value) == len(sample) for value in own.values())
    for name in ("theta", "epsilon"):
        assert_mean(own[name], 0)
        assert_mean(own[name].square(), 1)
    assert bool((own["av"] > 0).all())
    tau = float(values["tau_a"])
    assert_mean(own["av"], tau)
    # An exponential's second moment.
    assert_mean(own["av"].square(), 2 * tau**2)
    assert bool((own["rv_sn"] > RV_LEAST).all())
    assert_mean(own["rv_sn"], 2.6)
    assert_mean((own["rv_sn"] - 2.6).abs(), 0.4 * math.sqrt(2 / math.pi))
    assert float(own["tmax"].abs().max()) < 10
    assert_mean(own["tmax"].square(), 100 / 3)
    scale = (sample.distance_err.square() + values["sigma0"].square()).sqrt()
    score = (own["ds"] - made.sample.observations.muhat) / scale
    assert_mean(score, 0)
    assert_mean(score.square(), 1)


@pytest.mark.parametrize("magnitudes", [True, False], ids=["magnitude", "flux"])
def test_residuals_are_as_large_as_the_errors(magnitudes):
    """χ² of one a point, in what is compared: 12 supernovae of 28 points, 30 times."""
    made = many(model(magnitudes=magnitudes, sed=coarse()), 30)
    values = trained_values(coarse())
    sample, own = simulate_sample(made, values, seed=2)
    o, flux = sample.observations, expected(made, values, own)
    if magnitudes:
        ratio = torch.where(o.mask, o.flux, 1.0) / torch.where(o.mask, flux, 1.0)
        residual = -ratio.log() / LN / (o.flux_err / (LN * o.flux))
        assert bool((o.flux[o.mask] > 0).all())
    else:
        residual = (o.flux - flux) / o.flux_err
    residual = residual[o.mask]
    assert residual.numel() > 9000
    assert_mean(residual, 0)
    assert_mean(residual.square(), 1)


def test_errors_are_those_of_the_sample(simulated):
    made, _, sample, _ = simulated
    before, after = made.sample.observations, sample.observations
    seen = before.mask
    assert torch.allclose(
        (after.flux_err / after.flux)[seen], (before.flux_err / before.flux)[seen]
    )
    fluxes = many(model(magnitudes=False, sed=coarse()), 2)
    found, _ = simulate_sample(fluxes, trained_values(coarse()), seed=0)
    o = fluxes.sample.observations
    assert torch.equal(found.observations.flux_err[o.mask], o.flux_err[o.mask])


def test_all_else_is_the_samples(simulated):
    made, _, sample, _ = simulated
    assert sample.object_id == made.sample.object_id
    before, after = made.sample.observations, sample.observations
    for name in ("phase", "mask", "band", "redshift", "mwebv", "muhat"):
        assert torch.equal(getattr(after, name), getattr(before, name)), name
    assert not torch.equal(after.flux[after.mask], before.flux[before.mask])
    # What stands where there is no observation is harmless.
    assert bool((after.flux[~after.mask] == 0).all() and (after.flux_err[~after.mask] == 1).all())


def test_a_magnitude_step_moves_the_distances():
    made = many(model("MassSplit", sed=coarse()), 100)
    values = trained_values(coarse())
    _, plain = simulate_sample(made, {**values, "delta_m": torch.zeros(()).double()}, seed=0)
    _, moved = simulate_sample(made, {**values, "delta_m": torch.tensor(0.1).double()}, seed=0)
    step = moved["ds"] - plain["ds"]
    found = step.unique()
    assert float(step.max() - step.min()) == pytest.approx(0.1)
    assert float(step.mean()) == pytest.approx(0, abs=1e-9)
    assert float(found.max() - found.min()) == pytest.approx(0.1)


@pytest.mark.parametrize("population", POPULATIONS)
def test_a_seed_gives_the_same_sample(population):
    made = model(population, free_tmax=True, n=4, sed=coarse())
    values = trained_values(coarse())
    first, again, other = (simulate_sample(made, values, seed) for seed in (1, 1, 2))
    o = first[0].observations
    assert bool(o.flux.isfinite().all() and o.flux_err.isfinite().all())
    assert torch.equal(o.flux, again[0].observations.flux)
    assert not torch.equal(o.flux, other[0].observations.flux)
    assert all(torch.equal(v, again[1][k]) for k, v in first[1].items())


def test_a_hard_limit_keeps_the_brighter_of_the_same_supernovae():
    made = many(model("GlobalRV", trained=False, sed=coarse()), 2)
    values, o = trained_values(coarse()), made.sample.observations
    sample, own = simulate_sample(made, values, seed=4)
    host = {k: own[k] for k in ("theta", "av")} | {"rv": values["rv"].expand(24)}
    host |= {"redshift": o.redshift, "mwebv": o.mwebv, "distmod": own["ds"]}
    residual = coarse().epsilon_surface(own["epsilon"])
    peak = peaks(coarse(), ["ps1::r"], epsilon=residual, **host)[:, 0]
    limit = MagnitudeLimit(float(peak.median()) + 1e-6, of="peak ps1::r")
    bright = sample.take(peak < limit.limit)
    found = selected_sample(made, {"peak": limit}, values, seed=4)
    assert found.object_id == bright.object_id
    assert torch.equal(found.observations.flux, bright.observations.flux)
    half = {"peak": EfficiencyTable("peak ps1::r", (0.0, 40.0), (0.5, 0.5))}
    assert 0 < len(selected_sample(made, half, values, seed=4)) < len(sample)


@pytest.mark.parametrize("population", POPULATIONS)
def test_values_of_the_prior_are_in_its_support(population):
    made = model(population, n=4, sed=coarse())
    before = torch.random.get_rng_state()
    values, again, other = (prior_values(made, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    priors = {}

    def draw(name, prior):
        priors[name] = prior
        return values[name]

    made.shared(draw)
    assert values.keys() == priors.keys()
    for name, prior in priors.items():
        assert bool(prior.support.check(values[name]).all()), name
        assert torch.equal(values[name], again[name]), name
        assert not torch.equal(values[name], other[name]), name


def test_values_of_the_prior_can_be_simulated_from():
    """Seeds whose half-Cauchy draws are not absurd."""
    made = HierarchicalModel(model(n=4, sed=coarse()).sample, TrainedSED(coarse()), PopulationRV())
    sample, own = simulate_sample(made, prior_values(made, 3), seed=0)
    assert len(sample) == 4
    assert bool((own["rv_sn"] > RV_LEAST).all())
