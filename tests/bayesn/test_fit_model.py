"""The readable Pyro model: fluxes, priors, and a redshift that is free."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine
from scipy import stats

from sntorch.bayesn.model import PLATE, FitModel, population_rv
from sntorch.bayesn.options import FitOptions
from sntorch.errors import ConfigError
from sntorch.inference.density import ModelDensity


def trace_of(model, seed=0):
    pyro.set_rng_seed(seed)
    return poutine.trace(model).get_trace()


def latents(trace):
    return [n for n, v in trace.nodes.items() if v["type"] == "sample" and not v["is_observed"]]


@pytest.mark.parametrize(
    ("options", "sites"),
    [
        ({}, ["av", "theta", "tmax", "epsilon", "ds"]),
        ({"rv_mode": "uniform"}, ["av", "theta", "tmax", "rv", "epsilon", "ds"]),
        (
            {"rv_mode": "population", "sigma_r": 0.5},
            ["av", "theta", "tmax", "rv_quantile", "epsilon", "ds"],
        ),
        ({"fix_tmax": 0.0, "fix_theta": 1.0, "epsilon": False}, ["av", "ds"]),
        ({"fix_av": 0.2, "free_redshift": True}, ["theta", "tmax", "redshift", "epsilon", "ds"]),
    ],
)
def test_sites_are_what_the_options_leave_free(t21, sample, options, sites):
    trace = trace_of(FitModel(t21, sample.observations, FitOptions(**options)))
    assert [name for name in latents(trace) if name != PLATE] == sites


def test_fluxes_are_those_of_the_sed_model(t21, sample):
    o = sample.observations
    model = FitModel(t21, o)
    given = {k: torch.tensor(sample.truth[k]) for k in ("theta", "av", "tmax", "ds", "redshift")}
    rv = torch.tensor(t21.rv, dtype=torch.float64)
    found = model.flux(rv=rv, epsilon=None, **given)
    distmod = given.pop("ds")
    phase = sample.batch.phase / (1 + sample.batch.redshift)[:, None]
    wanted = t21.flux_at(
        phase, sample.batch.band, sample.batch.bands, distmod=distmod, mwebv=o.mwebv, **given
    )
    for i in range(len(o)):
        ours = found[i][o.mask[i]].sort().values
        assert torch.allclose(ours, wanted[i][sample.batch.mask[i]].sort().values, rtol=1e-10)
    assert bool((found[~o.mask] == 0).all())


def test_further_batch_dimensions_are_accepted(t21, sample):
    model = FitModel(t21, sample.observations)
    with pyro.plate("chains", 4, dim=-2):
        trace = trace_of(model)
    assert trace.nodes["epsilon"]["value"].shape == (4, 3, 24)
    assert trace.nodes["flux"]["fn"].batch_shape == (4, 3)


def test_population_of_rv_is_a_truncated_normal():
    u = torch.linspace(0.001, 0.999, 50, dtype=torch.float64)
    law = stats.truncnorm((1.2 - 2.7) / 0.8, np.inf, loc=2.7, scale=0.8)
    np.testing.assert_allclose(population_rv(u, 2.7, 0.8).numpy(), law.ppf(u.numpy()), rtol=1e-8)


def test_a_free_redshift_has_the_prior_of_its_error(t21, sample):
    error = torch.tensor([0.003, torch.nan, 0.0], dtype=torch.float64)
    o = replace(sample.observations, redshift_err=error)
    trace = trace_of(FitModel(t21, o, FitOptions(free_redshift=True, epsilon=False)))
    law = trace.nodes["redshift"]["fn"]
    assert law.scale.tolist() == [0.003, 0.01, 0.01]
    assert torch.equal(law.loc, o.redshift)


def test_gradient_reaches_a_free_redshift(t21, sample):
    o = replace(sample.observations, redshift_err=torch.full((3,), 0.01).double())
    options = FitOptions(free_redshift=True, epsilon=False)
    density = ModelDensity(FitModel(t21, o, options), PLATE)
    values = {k: torch.tensor(sample.truth[k])[:, None] for k in ("av", "theta", "tmax", "ds")}
    values["redshift"] = o.redshift[:, None] * 1.03
    z = density.unconstrain(values)
    place = list(density.sites).index("redshift")
    _, gradient = density.value_and_gradient(z)
    step = 1e-6 * torch.nn.functional.one_hot(torch.tensor(place), density.dim)
    up, _ = density.value_and_gradient(z + step)
    down, _ = density.value_and_gradient(z - step)
    found = gradient[:, 0, place]
    assert bool((found.abs() > 1).all())
    assert torch.allclose((up - down)[:, 0] / 2e-6, found, rtol=1e-4)
    assert density.positive


def test_options_that_are_not_accepted(t21, sample):
    for wrong, message in [
        ({"rv_mode": "any"}, "rv_mode=any: accepted are fixed, population, uniform"),
        ({"rv": -1.0}, "rv=-1.0: a positive"),
        ({"fix_av": -0.1}, "fix_av=-0.1: zero or a positive"),
        ({"error_floor": float("nan")}, "error_floor=nan"),
        ({"tmax_range": 0.0}, "tmax_range=0.0"),
    ]:
        with pytest.raises(ConfigError, match=message):
            FitOptions(**wrong)
    with pytest.raises(ConfigError, match="give sigma_r"):
        FitModel(t21, sample.observations, FitOptions(rv_mode="population"))


def test_default_of_rv_is_what_the_sed_model_was_trained_with(t21):
    assert FitOptions().resolved(t21).mode == "fixed"
    assert FitOptions().resolved(t21).mean == t21.rv
    assert FitOptions(rv=3.1).resolved(t21).mean == 3.1
    assert FitOptions(fix_tmax=-2.0).shift == 2.0
    assert FitOptions().shift == 10.0
