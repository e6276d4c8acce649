"""SALT fluxes, model errors and derivatives against sncosmo and finite differences."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from sntorch.physics.bandpasses import get_bandpass
from sntorch.physics.salt.bands import band_integrals, rest_blue_magnitude
from sntorch.physics.salt.covariance import SALTErrors
from sntorch.physics.salt.kernel import locate, phase_taps
from sntorch.physics.salt.photometry import PAIRS, PARAMETERS, Observations, SALTPhotometry
from sntorch.simulation.salt.loading import load_surfaces
from sntorch.simulation.sncosmo_source import load_sncosmo_source

BANDS = {"salt3": ("ps1::g", "ps1::r", "ps1::i", "ps1::z"), "salt2:2.4": ("ps1::g", "ps1::r")}
STEPS = (1e-4, 1e-7, 1e-3, 1e-4)


@pytest.fixture(params=list(BANDS), scope="module")
def case(request, shared):
    """Model, observations and parameters, from before the model begins to after it ends."""
    surfaces, bands = load_surfaces(request.param), BANDS[request.param]
    rng = np.random.default_rng(3)
    n, t = 4, 60
    z = torch.linspace(0.01, 0.15, n).double()
    time = torch.as_tensor(np.sort(rng.uniform(-30, 75, (n, t)), 1))
    seen = Observations(time, torch.as_tensor(rng.integers(len(bands), size=(n, t))), z)
    theta = np.stack([rng.normal(0, 2, n), np.full(n, 1e-3), rng.normal(0, 1, n)], -1)
    theta = torch.as_tensor(np.c_[theta, rng.normal(0, 0.3, n)])
    mwebv = torch.linspace(0, 0.3, n).double()
    integrals = band_integrals(surfaces, bands, z, mwebv)
    light = SALTPhotometry(surfaces.m0.phase, integrals, seen)
    return request.param, surfaces, bands, seen, mwebv, theta, light


# sncosmo takes a second to read a model.
source = cache(load_sncosmo_source)


def sncosmo_errors(case, i):
    import sncosmo

    name, _, bands, seen, mwebv, theta, _ = case
    model = sncosmo.Model(source(name), [sncosmo.F99Dust(r_v=3.1)], ["mw"], ["obs"])
    model.set(z=float(seen.redshift[i]), mwebv=float(mwebv[i]))
    model.set(**dict(zip(PARAMETERS, theta[i].tolist(), strict=True)))
    ours = [get_bandpass(name) for name in bands]
    curves = [sncosmo.Bandpass(b.wave, b.transmission, name=b.name) for b in ours]
    band = np.array([curves[k] for k in seen.band[i]])
    flux = model.bandflux(band, seen.time[i].numpy(), 27.5, "ab")
    return flux, model._bandflux_rcov(band, seen.time[i].numpy())


def test_fluxes_are_those_of_sncosmo(case):
    *_, theta, light = case
    flux = light.fluxes(theta).numpy()
    assert (flux == 0).any()
    for i in range(len(theta)):
        theirs, _ = sncosmo_errors(case, i)
        # AB zero: 3631 Jy in sncosmo, 48.60 mag here; a factor of 6e-5 at all wavelengths.
        np.testing.assert_allclose(flux[i], theirs, rtol=1e-4, atol=1e-9 * theirs.max())


def test_model_errors_are_those_of_sncosmo(case):
    _, surfaces, bands, seen, _, theta, _ = case
    errors = SALTErrors(surfaces, bands, seen)(theta)
    for i in range(len(theta)):
        _, theirs = sncosmo_errors(case, i)
        same = seen.band[i, :, None] == seen.band[i]
        shared = torch.outer(errors.dispersion[i], errors.dispersion[i]) * same
        np.testing.assert_allclose(shared + errors.variance[i].diag(), theirs, rtol=1e-4)


def test_derivatives_are_those_of_finite_differences(case):
    *_, theta, light = case
    at = light(theta)
    torch.testing.assert_close(at.flux, light.fluxes(theta))
    for k, h in enumerate(STEPS):
        step = h * torch.eye(4)[k].double()
        up, down = light(theta + step), light(theta - step)
        pairs = [(place, sum(pair) - k) for place, pair in enumerate(PAIRS) if k in pair]
        checks = [(at.jacobian[:, k], up.flux, down.flux)]
        for place, other in pairs:
            checks.append((at.second[:, place], up.jacobian[:, other], down.jacobian[:, other]))
        for found, high, low in checks:
            numeric = (high - low) / (2 * h)
            # At a node the second derivative in time jumps: a difference may straddle one.
            off = ((found - numeric).abs() / found.abs().max()).flatten()
            assert off.quantile(0.95) < 1e-5


def test_chosen_objects_have_the_same_fluxes(case):
    *_, theta, light = case
    rows = torch.tensor([2, 0])
    torch.testing.assert_close(light.take(rows).fluxes(theta[rows]), light.fluxes(theta)[rows])


def test_weights_of_a_cubic_reproduce_a_straight_line():
    nodes = torch.arange(-3.0, 4.0).double()
    points = torch.tensor([-3.0, -2.3, -0.5, 0.0, 1.9, 2.6, 3.0]).double()
    base, weights = phase_taps(locate(nodes, points), 2)
    line = 5 + 2 * torch.cat([nodes[[0, 1]], nodes, nodes[[-2, -1]]])
    value = (line[base + torch.arange(4)[:, None]] * weights).sum(-2)
    torch.testing.assert_close(value[0], 5 + 2 * points)
    torch.testing.assert_close(value[1], torch.full_like(points, 2.0))
    torch.testing.assert_close(value[2], torch.zeros_like(points))
    assert (phase_taps(locate(nodes, points + 7), 0)[1][..., 1:] == 0).all()


def test_blue_magnitude_is_that_of_sncosmo(shared):
    import sncosmo

    theirs = sncosmo.Model(source("salt3")).source_peakmag("bessellb", "vega")
    theirs += 2.5 * np.log10(source("salt3").get("x0"))
    # Vega has B = 0 there; here its spectrum is of another calibration.
    assert abs(rest_blue_magnitude(load_surfaces("salt3")) - theirs) < 0.02
