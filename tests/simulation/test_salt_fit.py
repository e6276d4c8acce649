"""SALT fits: what was simulated, what sncosmo finds, derivatives, and what cannot be fitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from salt_toy import simulated, sncosmo_fit, sncosmo_model, sncosmo_table

from sntorch.data.light_curve import LightCurves
from sntorch.errors import ConfigError
from sntorch.simulation.salt.fit import fit_salt3
from sntorch.simulation.salt.loading import load_surfaces
from sntorch.simulation.salt.options import SALTOptions
from sntorch.simulation.salt.result import REASONS

NAN = float("nan")


@pytest.fixture(scope="module")
def surfaces(shared):
    return load_surfaces("salt3")


@pytest.fixture(scope="module")
def curves(surfaces):
    return simulated(surfaces)[0]


def reason(fit):
    return [REASONS[k] for k in fit.reason]


def test_light_curves_without_noise_give_back_the_truth(surfaces):
    curves, theta = simulated(surfaces, noise=0.0)
    fit = fit_salt3(curves.to_batch(), surfaces=surfaces)
    assert fit.converged.all()
    assert fit.chi2.max() < 1e-6
    assert ((fit.parameters - theta).abs() < 1e-3 * fit.errors).all()
    assert fit.ndof.tolist() == [len(lc) - 4 for lc in curves]


def test_errors_are_those_of_many_draws(surfaces):
    curves, theta = simulated(surfaces, n=150, seed=4)
    fit = fit_salt3(curves.to_batch(), surfaces=surfaces)
    pull = (fit.parameters - theta) / fit.errors
    assert (pull.mean(0).abs() < 4 / 150**0.5).all()
    assert (pull.std(0) - 1).abs().max() < 4 / 300**0.5
    assert 0.3 < fit.probability.mean() < 0.7


@pytest.mark.parametrize(
    "options",
    [{}, {"phase_range": (-10.0, 30.0)}, {"model_covariance": True, "wave_range": (3000, 7500)}],
    ids=["plain", "phases", "model errors"],
)
def test_the_fit_is_that_of_sncosmo(curves, surfaces, options):
    pytest.importorskip("iminuit")
    chosen = curves[:3]
    fit = fit_salt3(chosen.to_batch(), SALTOptions(**options), surfaces)
    renamed = {k.replace("model_covariance", "modelcov"): v for k, v in options.items()}
    for i, lc in enumerate(chosen):
        theta, covariance, chi2, ndof = sncosmo_fit(lc, **renamed)
        errors = np.sqrt(np.diag(covariance))
        assert (np.abs(fit.parameters[i].numpy() - theta) < 0.02 * errors).all()
        assert int(fit.ndof[i]) == ndof
        assert float(fit.chi2[i]) == pytest.approx(chi2, abs=0.1)
        # Minuit's Hessian is a finite difference, here of a function with kinks.
        ours = fit.covariance[i].numpy() / np.outer(errors, errors)
        np.testing.assert_allclose(ours, covariance / np.outer(errors, errors), atol=0.1)


def test_real_light_curves_are_fitted_as_by_sncosmo(shared, surfaces):
    pytest.importorskip("iminuit")
    from sntorch.data.io import read

    names = ("ASASSN-15la", "2016W", "PS15ahs")
    folder = shared / "data" / "foundation_dr1"
    files = [folder / f"Foundation_DR1_{name}.txt" for name in names]
    curves = LightCurves([read(path)[0] for path in files])
    window = (-15.0, 45.0)
    fit = fit_salt3(curves.to_batch(), SALTOptions(phase_range=window), surfaces)
    for i, lc in enumerate(curves):
        theta, covariance, *_ = sncosmo_fit(lc, phase_range=window)
        off = np.abs(fit.parameters[i].numpy() - theta) / np.sqrt(np.diag(covariance))
        assert off.max() < 0.02, lc.object_id


@pytest.mark.parametrize("model_errors", [False, True])
def test_chi2_is_that_of_sncosmo_and_least(curves, surfaces, model_errors):
    """Needs no Minuit: χ² of sncosmo's model at our parameters, and around them."""
    options = SALTOptions(model_covariance=model_errors, refit_change=1e-4)
    fit = fit_salt3(curves[:2].to_batch(), options, surfaces)
    for i, lc in enumerate(curves[:2]):
        model, table = sncosmo_model(lc), sncosmo_table(lc)
        theta = fit.parameters[i].numpy()
        covariance = np.diag(lc.flux_err**2)
        if model_errors:
            model.parameters[1:5] = theta
            order = np.argsort(lc.time)
            _, added = model.bandfluxcov(table["band"][order], table["time"][order], 27.5, "ab")
            covariance[np.ix_(order, order)] += added
        inverse = np.linalg.inv(covariance)

        def chi2(theta, model=model, table=table, inverse=inverse):
            model.parameters[1:5] = theta
            residual = table["flux"] - model.bandflux(table["band"], table["time"], 27.5, "ab")
            return residual @ inverse @ residual

        least = chi2(theta)
        assert least == pytest.approx(float(fit.chi2[i]), rel=2e-3)
        errors = fit.errors[i].numpy()
        for k in range(4):
            step = 0.3 * errors * np.eye(4)[k]
            up, down = chi2(theta + step) - least, chi2(theta - step) - least
            # The AB zero points differ by 6e-5, which is a small part of the error of x0.
            assert min(up, down) > 0
            assert abs(up - down) < 0.2 * (up + down)


@pytest.mark.parametrize("model_errors", [False, True])
def test_derivatives_with_respect_to_fluxes(curves, surfaces, model_errors):
    batch = curves[:2].to_batch()
    options = SALTOptions(model_covariance=False, starts=1)
    if model_errors:
        # One refit, whose model errors do not move with the data.
        options = replace(options, model_covariance=True, refit_change=1e9)
    flux = batch.flux.clone().requires_grad_()
    flux_err = batch.flux_err.clone().requires_grad_()
    wanted = replace(batch, flux=flux, flux_err=flux_err)
    fit = fit_salt3(wanted, options, surfaces, differentiable=True)
    scale = fit.errors
    target = (fit.parameters / scale)[0].sum()
    by_flux, by_err = torch.autograd.grad(target, (flux, flux_err))
    assert (by_flux[1] == 0).all()
    assert (by_err[1] == 0).all()
    for place in (3, 11, 25):
        for name, slope in (("flux", by_flux), ("flux_err", by_err)):
            if model_errors and name == "flux_err":
                continue
            ends = []
            for sign in (1, -1):
                moved = getattr(batch, name).clone()
                moved[0, place] += sign * 0.05 * batch.flux_err[0, place]
                again = fit_salt3(replace(batch, **{name: moved}), options, surfaces)
                ends.append((again.parameters / scale)[0].sum())
            numeric = (ends[0] - ends[1]) / (0.1 * batch.flux_err[0, place])
            off = (numeric - slope[0, place]).abs() * batch.flux_err[0, place]
            assert off < (0.05 if model_errors else 0.01), (name, place)


def test_the_result_does_not_depend_on_neighbours(curves, surfaces):
    options = SALTOptions(model_covariance=True, phase_range=(-10, 35))
    every = fit_salt3(curves.to_batch(), options, surfaces)
    alone = fit_salt3(curves.to_batch(), replace(options, chunk=1), surfaces)
    backwards = fit_salt3(LightCurves(curves[::-1]).to_batch(), options, surfaces)
    for other in (alone.parameters, backwards.parameters.flip(0)):
        assert ((every.parameters - other).abs() < 1e-3 * every.errors).all()


def test_what_cannot_be_fitted_is_told_and_the_rest_is_fitted(curves, surfaces):
    first = curves[0]
    lost = replace(first, object_id="a", redshift=NAN)
    dusty = replace(first, object_id="b", mwebv=NAN)
    short = first.keep(np.arange(len(first)) < 4)
    faint = replace(first, flux_err=first.flux_err * 1e3)
    far = replace(first, redshift=4.0)
    batch = LightCurves([lost, first, dusty, short, faint, far]).to_batch()
    fit = fit_salt3(batch, surfaces=surfaces)
    assert reason(fit) == [
        "no redshift",
        "",
        "no Milky-Way E(B-V)",
        "too few points",
        "no detection",
        "too few points",
    ]
    alone = fit_salt3(LightCurves([first]).to_batch(), surfaces=surfaces)
    torch.testing.assert_close(fit.parameters[1], alone.parameters[0])
    assert fit.parameters[[0, 2, 3, 4, 5]].isnan().all()


def test_bands_outside_of_the_model_do_not_count(curves, surfaces):
    lc = curves[0]
    names = ["2massh" if name == "ps1::z" else name for name in lc.bands]
    fit = fit_salt3(LightCurves([replace(lc, bands=tuple(names))]).to_batch(), surfaces=surfaces)
    kept = lc.keep(lc.band != "ps1::z")
    without = fit_salt3(LightCurves([kept]).to_batch(), surfaces=surfaces)
    torch.testing.assert_close(fit.parameters, without.parameters)
    assert int(fit.ndof) == len(kept) - 4


def test_late_points_are_a_wall_and_a_window_makes_it_go(surfaces):
    """Beyond day 50 SALT has no flux: a bright tail pushes t0 against the end of the model."""
    curve = simulated(surfaces, n=1, last=49.0, epochs=20)[0][0]
    late = curve.time.argmax()
    flux, err = curve.flux.copy(), curve.flux_err.copy()
    err[late] = abs(flux[late]) / 1e3
    time = curve.time.copy()
    time[late] += 3
    batch = LightCurves([replace(curve, time=time, flux=flux, flux_err=err)]).to_batch()
    wall = fit_salt3(batch, surfaces=surfaces)
    assert not wall.converged.any()
    phase = (time[late] - float(wall.parameters[0, 0])) / (1 + curve.redshift)
    assert phase == pytest.approx(50, abs=1e-3)
    assert fit_salt3(batch, SALTOptions(phase_range=(-15, 45)), surfaces).converged.all()


def test_an_end_at_a_bound_is_not_converged(curves, surfaces):
    fit = fit_salt3(curves[:2].to_batch(), SALTOptions(x1_range=(5, 6)), surfaces)
    assert (fit.parameters[:, 2] == 5).all()
    assert not fit.converged.any()


def test_nonsense_is_refused():
    for wrong in (
        {"phase_range": (10, -10)},
        {"c_range": (-3, 3)},
        {"starts": 0},
        {"min_observations": 3},
        {"min_snr": "five"},
        {"wave_range": 3000},
    ):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            SALTOptions(**wrong)
