"""Whole fits of simulated supernovae, small enough to wait for."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_posterior import simulated, truth_of

from sntorch.bayesn.fitting import SAMPLERS, SamplerSettings, fit_chunk
from sntorch.bayesn.options import FitOptions
from sntorch.bayesn.preparation import prepare
from sntorch.errors import ConfigError

N = 3
SMALL = {"chains": 2, "draws": 60, "warmup": 60, "reruns": 0}
NO_EPSILON = FitOptions(epsilon=False)
PARAMETERS = ("theta", "av", "tmax", "ds")


@pytest.fixture(scope="module")
def truth():
    return truth_of(N, seed=11)


@pytest.fixture(scope="module")
def prepared(t21, truth):
    return prepare(simulated(t21, truth, seed=12).to_light_curves(), t21)


@pytest.fixture(scope="module")
def fits(t21, prepared):
    """A small fit by every sampler."""
    found = {}
    for name in SAMPLERS:
        settings = SamplerSettings(name, **SMALL)
        found[name] = fit_chunk(t21, prepared, FitOptions(), settings)
    return found


@pytest.mark.parametrize("name", SAMPLERS)
def test_shapes(fits, name, t21):
    draws = fits[name].draws
    shape = (N, 1, 1) if name == "map" else (N, 2, 60)
    for parameter in ("theta", "av", "tmax", "ds", "rv", "mu", "delta_m"):
        assert draws[parameter].shape == shape, parameter
        assert bool(draws[parameter].isfinite().all())
    assert draws["epsilon"].shape == (*shape, 24)
    assert bool((draws["av"] > 0).all())
    assert bool((draws["tmax"].abs() < 10).all())
    assert bool((draws["rv"] == t21.rv).all())


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_truth_lies_within_the_posterior(fits, name, truth):
    spread = fits["nuts"].summary()
    for parameter in PARAMETERS:
        mean = fits[name].draws[parameter].mean((1, 2)).numpy()
        off = (mean - truth[parameter]) / spread[f"{parameter}_sd"].to_numpy(float)
        assert np.abs(off).max() < 4, parameter


@pytest.mark.parametrize("name", ["laplace", "vi", "nuts"])
def test_summary_has_no_gaps(fits, name):
    summary = fits[name].summary()
    for parameter in (*PARAMETERS, "mu"):
        for column in ("mean", "sd", "q05", "q95", "rhat", "ess_bulk"):
            assert summary[f"{parameter}_{column}"].notna().all(), (parameter, column)
    assert (summary["sampler"] == name).all()
    assert (summary["n_observations"] == 28).all()
    known = ("tree_depth", "acceptance") if name == "nuts" else ("k_hat",)
    for column in ("tree_depth", "acceptance", "k_hat"):
        assert summary[column].notna().all() == (column in known), column


def test_samplers_agree(fits):
    wide = fits["nuts"].summary()
    for name in ("laplace", "vi"):
        summary = fits[name].summary()
        for parameter in ("theta", "av", "ds"):
            sd = wide[f"{parameter}_sd"]
            off = (summary[f"{parameter}_mean"] - wide[f"{parameter}_mean"]) / sd
            assert off.abs().max() < 0.8, (name, parameter)
            ratio = summary[f"{parameter}_sd"] / sd
            assert ratio.between(0.6, 1.6).all(), (name, parameter)


def test_the_distance_is_what_the_grey_offset_leaves(fits, t21):
    draws = fits["vi"].draws
    assert torch.allclose(draws["mu"] + draws["delta_m"], draws["ds"])
    sd = draws["delta_m"].std((1, 2))
    assert torch.allclose(sd, torch.full_like(sd, t21.sigma0), rtol=0.3)


def test_too_short_a_run_is_flagged(t21, prepared):
    settings = SamplerSettings(chains=4, warmup=1, draws=4, reruns=0, vi_iterations=2)
    summary = fit_chunk(t21, prepared, NO_EPSILON, settings).summary()
    assert summary["flag"].str.contains("rhat").all()
    assert summary["ds_mean"].notna().all()


def test_what_has_not_converged_is_run_again(t21, prepared):
    settings = SamplerSettings(chains=2, warmup=30, draws=15, reruns=2)
    found = fit_chunk(t21, prepared, NO_EPSILON, settings)
    assert found.draws["ds"].shape == (N, 2, 15)
    assert found.statistics["reruns"].max() >= 1
    assert found.statistics["acceptance"].between(0.5, 1).all()


def test_a_poor_approximation_is_flagged(t21, prepared, monkeypatch):
    monkeypatch.setattr("sntorch.bayesn.fitting.K_HAT", -10.0)
    found = fit_chunk(t21, prepared, NO_EPSILON, SamplerSettings("laplace"))
    assert found.statistics["flag"].tolist() == ["k_hat"] * N


@pytest.mark.parametrize("free", [*itertools.product([True, False], repeat=3)])
def test_what_is_held_stays(t21, prepared, free):
    values = {"tmax": 0.4, "theta": -1.0, "av": 0.3}
    held = {name: values[name] for name, is_ in zip(values, free, strict=True) if not is_}
    options = replace(NO_EPSILON, **{f"fix_{name}": value for name, value in held.items()})
    draws = fit_chunk(t21, prepared, options, SamplerSettings("laplace", draws=10)).draws
    assert "epsilon" not in draws
    for name, value in values.items():
        constant = bool((draws[name] == value).all())
        assert constant == (name in held), name


@pytest.mark.parametrize("mode", ["population", "uniform"])
def test_a_free_rv_is_among_the_draws(t21, prepared, mode):
    options = replace(NO_EPSILON, rv_mode=mode, rv=2.7, sigma_r=0.5)
    draws = fit_chunk(t21, prepared, options, SamplerSettings("laplace", draws=50)).draws
    assert set(draws) == {"av", "theta", "tmax", "rv", "ds", "mu", "delta_m"}
    low, high = (1.2, 6.0) if mode == "population" else (1.0, 6.0)
    assert bool(((draws["rv"] > low) & (draws["rv"] < high)).all())
    assert bool((draws["rv"].std((1, 2)) > 0.1).all())


def test_a_photometric_redshift(t21, prepared, truth):
    curves = [replace(lc, redshift=lc.redshift, redshift_err=1e-3) for lc in prepared.light_curves]
    given = replace(prepared, light_curves=curves)
    options = replace(NO_EPSILON, free_redshift=True)
    draws = fit_chunk(t21, given, options, SamplerSettings("laplace", draws=50)).draws
    off = (draws["redshift"].mean((1, 2)).numpy() - truth["redshift"]) / 1e-3
    sd = draws["redshift"].std((1, 2))
    assert np.abs(off).max() < 2
    assert bool(((sd > 1e-5) & (sd < 1.3e-3)).all())


@pytest.mark.parametrize("name", ["laplace", "vi", "nuts"])
def test_a_seed_gives_the_same_draws(t21, prepared, name):
    tiny = {"chains": 2, "draws": 5, "warmup": 5, "reruns": 0, "vi_iterations": 10}
    one, two, other = (
        fit_chunk(t21, prepared, NO_EPSILON, SamplerSettings(name, seed=seed, **tiny)).draws["ds"]
        for seed in (3, 3, 4)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_resampling_repeats_what_is_important(t21, prepared, monkeypatch):
    settings = SamplerSettings("laplace", chains=2, draws=50)
    plain = fit_chunk(t21, prepared, NO_EPSILON, settings)
    again = fit_chunk(t21, prepared, NO_EPSILON, replace(settings, resample=True))
    for one, other in zip(again.draws["tmax"], plain.draws["tmax"], strict=True):
        assert len(one.unique()) < 100
        assert bool(torch.isin(one, other).all())
    assert plain.statistics["k_hat"].tolist() == again.statistics["k_hat"].tolist()

    def all_on_the_eighth(ratios):
        return torch.nn.functional.one_hot(torch.tensor(7), 100).to(ratios).expand_as(ratios)

    monkeypatch.setattr("sntorch.bayesn.fitting.psis_weights", all_on_the_eighth)
    again = fit_chunk(t21, prepared, NO_EPSILON, replace(settings, resample=True))
    eighth = plain.draws["tmax"][:, :1, 7:8]
    assert torch.equal(again.draws["tmax"], eighth.expand_as(again.draws["tmax"]))


def test_the_mode_has_no_width(fits):
    summary = fits["map"].summary()
    assert summary["ds_mean"].notna().all()
    assert summary["ds_sd"].isna().all()
    assert (summary["flag"] == "").all()


@pytest.mark.parametrize("name", ["vi", "nuts"])
def test_progress_is_told(t21, prepared, name):
    done = []
    tiny = {"chains": 2, "draws": 10, "warmup": 10, "reruns": 0, "vi_iterations": 10}
    fit_chunk(t21, prepared, NO_EPSILON, SamplerSettings(name, **tiny), done.append)
    assert done == sorted(done)
    assert 0 < done[0] < done[-1] == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sampler": "hmc"}, "sampler=hmc: accepted are nuts, vi, laplace, map"),
        ({"chains": 0}, "chains=0: at least 1"),
        ({"draws": 3}, "draws=3: at least 4"),
        ({"vi_draws": 5}, "vi_draws=5: an even number"),
        ({"target_accept": 1.0}, "target_accept=1.0: between 0 and 1"),
    ],
)
def test_settings_that_are_not_accepted(wrong, message):
    with pytest.raises(ConfigError, match=message):
        SamplerSettings(**wrong)


@pytest.mark.slow
def test_variational_fit_and_nuts_agree_where_the_data_are_good(t21, prepared):
    nuts = fit_chunk(t21, prepared, FitOptions(), SamplerSettings(seed=1)).summary()
    settings = SamplerSettings("vi", chains=4, draws=1000, seed=1)
    vi = fit_chunk(t21, prepared, FitOptions(), settings).summary()
    assert (nuts["flag"] == "").all()
    for parameter in ("theta", "av", "ds"):
        sd = nuts[f"{parameter}_sd"]
        off = (vi[f"{parameter}_mean"] - nuts[f"{parameter}_mean"]) / sd
        assert off.abs().max() < 0.2, parameter
        assert (vi[f"{parameter}_sd"] / sd).between(0.85, 1.15).all(), parameter
