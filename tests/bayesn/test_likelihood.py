"""The likelihood written by hand against fluxes of the SED model and their automatic gradient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sntorch.bayesn.likelihood import Likelihood, truncated_powers
from sntorch.bayesn.observations import Observations
from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.physics.extinction import fitzpatrick99
from sntorch.physics.photometry import FLUXCAL_ZEROPOINT, LN, make_integrator
from sntorch.physics.sed import SEDModel
from sntorch.physics.splines import spline_matrix

BANDS = {
    "t21": ("ps1::g", "ps1::r", "ps1::i", "ps1::z"),
    "m20": ("ps1::g", "ps1::z", "cspb", "csphs"),
    "w22": ("ps1::r", "cspb", "cspjs", "csphs"),
}
SHIFT, CHAINS, N = 10.0, 3, 3
NAMES = ("theta", "av", "rv", "tmax", "ds", "epsilon")


def observed(sed, bands, first=-16.0, last=45.0):
    """Three objects with 1, 4 and 3 bands, one of them crowded: padding of every kind."""
    rng = np.random.default_rng(4)
    curves = []
    for i, (used, nights) in enumerate([(bands[:1], 5), (bands, 4), (bands[1:], 11)]):
        phase = np.concatenate([[first], rng.uniform(-10, last, nights - 1)])
        z = 0.015 + 0.01 * i
        flux = sed.flux(phase, used, redshift=z, distmod=35.0 + i, av=0.1).numpy()
        error = 0.05 * flux + 10
        curves.append(
            LightCurve.from_arrays(
                f"SN{i}",
                np.tile(57000 + phase * (1 + z), len(used)),
                (flux + error * rng.normal(size=flux.shape)).ravel(),
                error.ravel(),
                np.repeat(used, nights),
                redshift=z,
                mwebv=0.02 * i,
                peak_mjd=57000.0,
            )
        )
    batch = LightCurveBatch.from_light_curves(curves)
    muhat = torch.tensor([35.0, 36.0, 37.0], dtype=torch.float64)
    return batch, Observations.from_batch(batch, muhat)


def points(sed, chains=CHAINS):
    """Parameters of every object and chain, shape (B, C)."""
    random = torch.Generator().manual_seed(8)

    def draw(*shape):
        return torch.randn(N, chains, *shape, generator=random, dtype=torch.float64)

    found = {
        "theta": draw(),
        "av": 0.3 * draw().exp(),
        "rv": 2.6 + 0.3 * draw(),
        "tmax": 3 * draw().clamp(-3, 3),
        "ds": torch.tensor([[35.0], [36.0], [37.0]]).double() + 0.2 * draw(),
        "epsilon": draw(len(sed.epsilon_cholesky)),
    }
    return {k: v.requires_grad_() for k, v in found.items()}


def arguments(sed, likelihood, p):
    warp = sed.w0 + p["theta"][..., None, None] * sed.w1 + sed.epsilon_surface(p["epsilon"])
    nodes = likelihood.nodes
    curves = [fitzpatrick99(nodes.flatten(1), rv).view(nodes.shape) for rv in p["rv"].unbind(1)]
    dust = p["av"][..., None, None] * torch.stack(curves, 1)
    return warp, dust, p["tmax"], sed.m0 + p["ds"]


def expected(sed, batch, p):
    """The same by ``SEDModel.flux_at``, a chain at a time."""
    phase = batch.phase / (1 + batch.redshift)[:, None]
    values = []
    for c in range(p["theta"].shape[1]):
        one = {k: p[k][:, c] for k in ("theta", "av", "rv", "tmax")}
        flux = sed.flux_at(
            phase,
            batch.band,
            batch.bands,
            redshift=batch.redshift,
            mwebv=batch.mwebv,
            distmod=p["ds"][:, c],
            epsilon=sed.epsilon_surface(p["epsilon"][:, c]),
            **one,
        )
        law = torch.distributions.Normal(torch.where(batch.mask, flux, 0.0), batch.flux_err)
        values.append(torch.where(batch.mask, law.log_prob(batch.flux), 0.0).sum(1))
    return torch.stack(values, 1)


@pytest.fixture(scope="module", params=BANDS)
def case(request):
    sed = SEDModel.from_name(request.param)
    batch, observations = observed(sed, BANDS[request.param])
    return sed, batch, Likelihood(sed, observations, SHIFT)


def close(found, wanted, bound=1e-10):
    return float((found - wanted).abs().max()) <= bound * float(wanted.abs().max())


def test_value_and_gradient_are_those_of_the_sed_model(case):
    sed, batch, likelihood = case
    p = points(sed)
    found = likelihood(*arguments(sed, likelihood, p))
    wanted = expected(sed, batch, p)
    assert found.shape == (N, CHAINS)
    assert torch.allclose(found, wanted, rtol=1e-10)
    # Every object and chain counts differently, so that none hides behind another.
    weight = torch.linspace(1, 2, N * CHAINS, dtype=torch.float64).view(N, CHAINS)
    weight = weight / wanted.detach().abs()
    ours = torch.autograd.grad((weight * found).sum(), list(p.values()))
    theirs = torch.autograd.grad((weight * wanted).sum(), list(p.values()))
    for name, one, other in zip(p, ours, theirs, strict=True):
        assert close(one, other), name


def test_chosen_objects(case):
    sed, _, likelihood = case
    p = {k: v.detach() for k, v in points(sed).items()}
    whole = likelihood(*arguments(sed, likelihood, p))
    index = torch.tensor([2, 0])
    part = likelihood.take(index)
    chosen = {k: v[index] for k, v in p.items()}
    assert torch.allclose(part(*arguments(sed, part, chosen)), whole[index], rtol=1e-12)


def test_the_size_of_the_pieces_changes_nothing(case, monkeypatch):
    sed, _, likelihood = case
    p = {k: v.detach() for k, v in points(sed).items()}
    given = arguments(sed, likelihood, p)
    assert len(likelihood.pieces(CHAINS)) == 1
    whole = likelihood(*given)
    monkeypatch.setattr("sntorch.bayesn.likelihood.CACHED", 1)
    small = likelihood.take(torch.arange(N))
    assert len(small.pieces(CHAINS)) == N
    assert torch.allclose(small(*given), whole, rtol=1e-12)


@pytest.mark.parametrize("name", BANDS)
def test_truncated_powers_are_the_natural_spline(name):
    sed = SEDModel.from_name(name)
    t = torch.linspace(-25, 90, 300, dtype=torch.float64)
    beyond = (t[:, None] - sed.time_knots).clamp(min=0) ** 3
    basis = torch.cat([torch.ones(300, 1).double(), t[:, None], beyond], 1)
    found = basis @ truncated_powers(sed).T
    wanted = spline_matrix(sed.time_knots, t, sed.time_second)
    assert torch.allclose(found, wanted, atol=1e-8)


def test_before_the_template_there_is_no_flux(t21):
    """A point at day -22 of the SED adds its flux's own χ², whatever the other parameters."""
    batch, observations = observed(t21, BANDS["t21"], first=-14.0)
    likelihood = Likelihood(t21, observations, SHIFT)
    p = {k: v.detach() for k, v in points(t21).items()}
    p["tmax"] = torch.full_like(p["tmax"], 8.0)
    first = observations.phase - 8 < -19
    assert int((first & observations.mask).sum()) == 8
    found = likelihood(*arguments(t21, likelihood, p))
    assert torch.allclose(found, expected(t21, batch, p), rtol=1e-10)


def test_not_a_number_harms_no_other_chain(case):
    sed, _, likelihood = case
    p = {k: v.detach().clone() for k, v in points(sed).items()}
    clean = likelihood(*arguments(sed, likelihood, p))
    for name in ("theta", "tmax", "ds"):
        spoiled = {**p, name: p[name].clone()}
        spoiled[name][1, 2] = torch.nan
        found = likelihood(*arguments(sed, likelihood, spoiled))
        assert bool(found[1, 2].isnan()), name
        found[1, 2] = clean[1, 2]
        assert torch.allclose(found, clean, rtol=1e-12), name


def test_no_observations_give_a_likelihood_of_one(t21):
    _, observations = observed(t21, BANDS["t21"])
    observations.mask = torch.zeros_like(observations.mask)
    likelihood = Likelihood(t21, observations, SHIFT)
    p = {k: v.detach() for k, v in points(t21).items()}
    assert bool((likelihood(*arguments(t21, likelihood, p)) == 0).all())


# ---- magnitudes, and a time of peak that is held ----


def bright(observations):
    """Without fluxes that have no magnitude."""
    mask = observations.mask & (observations.flux > 0)
    return replace(observations, mask=mask)


def law(sed, observations, warp, dust, grey, tmax, magnitudes, integrator="quadrature"):
    """ln L of one chain by an integrator and ``torch.distributions``; dust is (A_V, R_V)."""
    o = observations
    phase = (o.phase - tmax[:, None, None]).flatten(1)
    band = o.band[:, :, None].expand_as(o.phase).flatten(1)
    integrate = make_integrator(integrator, sed.surface, o.bands, o.redshift, o.mwebv)
    flux = integrate(phase, band, warp, *dust) * torch.exp(-LN * grey)[:, None]
    flux = torch.where(o.mask, flux.view_as(o.phase), 1.0)
    seen, error = o.flux, o.flux_err
    if magnitudes:
        seen = torch.where(o.mask, seen, 1.0)
        error = error / (LN * seen)
        flux, seen = (FLUXCAL_ZEROPOINT - f.log() / LN for f in (flux, seen))
    found = torch.distributions.Normal(flux, error).log_prob(seen)
    return torch.where(o.mask, found, 0.0).sum((1, 2))


@pytest.fixture(scope="module", params=BANDS)
def brighter(request):
    sed = SEDModel.from_name(request.param)
    _, observations = observed(sed, BANDS[request.param], first=-9.0)
    return sed, bright(observations)


@pytest.mark.parametrize("shift", [SHIFT, None], ids=["free", "held"])
@pytest.mark.parametrize("magnitudes", [True, False], ids=["magnitude", "flux"])
def test_magnitudes_and_a_held_peak(brighter, magnitudes, shift):
    """Value and every derivative, those of magnitudes by autograd of the fluxes' logarithm."""
    sed, observations = brighter
    likelihood = Likelihood(sed, observations, shift, magnitudes)
    p = points(sed)
    if shift is None:
        p["tmax"] = torch.zeros_like(p["tmax"]).requires_grad_()
    warp, dust, tmax, grey = arguments(sed, likelihood, p)
    found = likelihood(warp, dust, tmax, grey)
    wanted = torch.stack(
        [
            law(
                sed,
                observations,
                warp[:, c],
                (p["av"][:, c], p["rv"][:, c]),
                grey[:, c],
                tmax[:, c],
                magnitudes,
            )
            for c in range(CHAINS)
        ],
        1,
    )
    assert torch.allclose(found, wanted, rtol=1e-10)
    weight = torch.linspace(1, 2, N * CHAINS, dtype=torch.float64).view(N, CHAINS)
    weight = weight / wanted.detach().abs()
    names = [name for name in p if name != "tmax" or shift is not None]
    ours, theirs = (
        torch.autograd.grad((weight * value).sum(), [p[k] for k in names], retain_graph=True)
        for value in (found, wanted)
    )
    for name, one, other in zip(names, ours, theirs, strict=True):
        assert close(one, other), name


def test_a_held_peak_is_a_free_one_at_zero(brighter):
    sed, observations = brighter
    p = {k: v.detach() for k, v in points(sed).items()} | {"tmax": torch.zeros(N, CHAINS).double()}
    for magnitudes in (True, False):
        held, free = (Likelihood(sed, observations, s, magnitudes) for s in (None, SHIFT))
        given = arguments(sed, held, p)
        assert torch.allclose(held(*given), free(*given), rtol=1e-11)
        index = torch.tensor([2, 0])
        part = held.take(index)
        chosen = [value[index] for value in given]
        assert torch.allclose(part(*chosen), held(*given)[index], rtol=1e-12)


@pytest.mark.parametrize("magnitudes", [True, False])
def test_the_grid_says_nearly_the_same(t21, magnitudes):
    """At the errors of these observations, 5 %, the quadrature's own are of no account."""
    _, observations = observed(t21, BANDS["t21"], first=-9.0)
    observations = bright(observations)
    likelihood = Likelihood(t21, observations, None, magnitudes)
    p = {k: v.detach() for k, v in points(t21).items()} | {"tmax": torch.zeros(N, CHAINS).double()}
    p["epsilon"] *= 0.5
    warp, dust, tmax, grey = arguments(t21, likelihood, p)
    found = likelihood(warp, dust, tmax, grey)
    for c in range(CHAINS):
        given = warp[:, c], (p["av"][:, c], p["rv"][:, c]), grey[:, c], tmax[:, c], magnitudes
        wanted = law(t21, observations, *given, integrator="grid")
        assert torch.allclose(found[:, c], wanted, rtol=1e-3, atol=1e-2)


def test_a_flux_that_is_not_positive_counts_as_a_flux_only(t21):
    _, observations = observed(t21, BANDS["t21"], first=-9.0)
    flux = torch.where(observations.mask, -5.0, observations.flux)
    negative = replace(observations, flux=flux)
    p = {k: v.detach() for k, v in points(t21).items()}
    likelihood = Likelihood(t21, negative, SHIFT)
    assert bool(likelihood(*arguments(t21, likelihood, p)).isfinite().all())
