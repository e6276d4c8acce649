"""Whether the baselines' numbers are right: shifts, Gaussian processes, Bazin fits, copulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from toys import population

from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.errors import DataError
from sntorch.features.bazin import bazin
from sntorch.features.bazin_fit import fit_bazin, shapes_of
from sntorch.generative.baselines import (
    Bootstrap,
    GaussianProcessResampling,
    Jitter,
    ParametricPopulation,
)
from sntorch.generative.baselines.copula import GaussianCopula
from sntorch.physics.cosmology import Cosmology

BANDS = ("desg", "desr")
PHASE = np.arange(-12.0, 40.0, 4.0)


def observed(curves, error=0.01, seed=None, **header) -> LightCurveBatch:
    """Objects of given fluxes (N, 2, T) at ``PHASE``."""
    rng = np.random.default_rng(seed)
    noise = error * rng.normal(size=np.shape(curves)) if seed is not None else 0.0
    flux = np.asarray(curves) + noise
    band = np.repeat(BANDS, len(PHASE))
    time = np.tile(57000.0 + PHASE, 2)
    return LightCurveBatch.from_light_curves(
        [
            LightCurve.from_arrays(
                f"sn{i}", time, f.ravel(), np.full(f.size, error), band, peak_mjd=57000.0, **header
            )
            for i, f in enumerate(flux)
        ]
    )


def flat(n=6, flux=1000.0, **options) -> LightCurveBatch:
    return observed(np.full((n, 2, len(PHASE)), flux), **options)


def test_bootstrap_gives_the_training_objects_equally_often():
    batch = population(12)
    drawn = Bootstrap().fit(batch).sample(24, seed=5)
    known = [lc.flux.tobytes() for lc in batch.to_light_curves()]
    found = [known.index(lc.flux.tobytes()) for lc in drawn.to_light_curves()]
    assert sorted(found[:12]) == sorted(found[12:]) == list(range(12))


def test_shifts_have_the_widths_asked_for():
    model = Jitter(grey=0.3, band=0.1, time=2.0, noise=0.0, drop=0.0).fit(flat())
    rows = model.sample(3000, seed=1).to_rows()
    shift = -2.5 * torch.log10(rows.flux.mean(1) / 1000)
    cov = torch.cov(shift.T)
    assert float(cov[0, 1]) ** 0.5 == pytest.approx(0.3, rel=0.05)
    assert float(shift.diff(dim=1).std()) / 2**0.5 == pytest.approx(0.1, rel=0.05)
    days = rows.time[:, 0, 0] - 57000 - PHASE[0]
    assert float(days.std()) == pytest.approx(2.0, rel=0.05)
    assert abs(float(days.mean())) < 0.15
    still = model.sample(5, seed=1, temperature=0.0)
    torch.testing.assert_close(still.flux[still.mask], torch.full((130,), 1000.0).double())


def test_epochs_are_dropped_at_the_rate_asked_for():
    drawn = Jitter(drop=0.3).fit(flat()).sample(500, seed=1)
    assert int(drawn.mask.sum()) / (500 * 2 * len(PHASE)) == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_errors_tell_the_noise_of_shifted_objects(noise):
    train = observed(np.full((60, 2, len(PHASE)), 50.0), error=10.0, seed=1)
    model = Jitter(grey=0.5, band=0.0, time=0.0, noise=noise, drop=0.0).fit(train)
    drawn = model.sample(1500, seed=2).to_rows()
    # Means over 26 measurements know the shift well enough.
    truth = drawn.flux.mean((1, 2), keepdim=True)
    pull = ((drawn.flux - truth) / drawn.flux_err).flatten()
    assert float(pull.std()) == pytest.approx((25 / 26) ** 0.5, abs=0.03)
    assert float(drawn.flux_err.min()) > 10 * (1 + noise**2) ** 0.5 * 0.99


def test_a_move_in_redshift_stretches_and_dims():
    train = flat(redshift=0.1)
    model = Jitter(grey=0, band=0, time=0, noise=0, drop=0, redshift_scatter=0.3).fit(train)
    drawn = model.sample(200, seed=1)
    stretch = (1 + drawn.redshift) / 1.1
    torch.testing.assert_close(drawn.phase[:, 0], PHASE[0] * stretch)
    off = Cosmology().distmod(drawn.redshift) - Cosmology().distmod(0.1)
    expected = 1000 * 10 ** (-0.4 * off)
    torch.testing.assert_close(drawn.flux.mean(1), expected, rtol=1e-3, atol=0)
    assert float((drawn.redshift / 0.1).log().std()) == pytest.approx(0.3, rel=0.15)
    for kind in (Jitter, GaussianProcessResampling):
        with pytest.raises(DataError, match="no redshift to change"):
            kind(redshift_scatter=0.3).fit(flat())


def test_processes_pass_through_precise_measurements():
    curves = [
        a * np.exp(-0.5 * (PHASE / 12) ** 2) * np.ones((2, 1)) for a in (50, 80, 100, 200, 400)
    ]
    train = observed(curves, error=0.05)
    drawn = GaussianProcessResampling().fit(train).sample(10, seed=1)
    known = train.flux / train.flux.amax(1, keepdim=True)
    found = drawn.flux / drawn.flux.amax(1, keepdim=True)
    torch.testing.assert_close(found, known.repeat(2, 1), atol=0.01, rtol=0)


def test_processes_are_moved_in_redshift():
    batch = flat(redshift=0.1)
    batch.flux *= torch.exp(-0.5 * (batch.phase / 12) ** 2)
    drawn = GaussianProcessResampling(redshift_scatter=0.3).fit(batch).sample(200, seed=1)
    off = Cosmology().distmod(drawn.redshift) - Cosmology().distmod(0.1)
    expected = 1000 * 10 ** (-0.4 * off) * (1 + drawn.redshift) / 1.1
    ratio = drawn.flux.amax(1) / expected
    assert float(drawn.redshift.std()) > 0.02
    assert float((ratio - 1).abs().max()) < 0.1


@pytest.mark.parametrize(("flux", "error"), [(1e7, 1e-3), (0.0, 1.0), (-5.0, 1.0)])
def test_processes_of_extreme_photometry(flux, error):
    batch = flat(flux=flux, error=error)
    # Repeated and single observations.
    batch.time[:, 1] = batch.time[:, 0]
    batch = batch.where((torch.arange(6) > 0)[:, None] | (torch.arange(batch.time.shape[1]) == 3))
    for kind in (GaussianProcessResampling, ParametricPopulation):
        drawn = kind().fit(batch).sample(12, seed=1)
        assert bool(drawn.flux.isfinite().all())
        assert bool((drawn.flux_err > 0).all())


def test_bazin_function_is_that_of_the_paper():
    t = torch.linspace(-40, 120, 50).double()
    t0, fall, rise = 3.0, 30.0, 4.0
    expected = 300 * torch.exp(-(t - t0) / fall) / (1 + torch.exp(-(t - t0) / rise))
    u = np.log(rise / (fall - rise))
    top = np.log(300) + u * rise / fall - np.log1p(np.exp(u))
    shape = torch.tensor([top, t0 - u * rise, np.log(fall), u], dtype=torch.float64)
    torch.testing.assert_close(bazin(t, shape), expected, rtol=1e-10, atol=1e-12)
    assert float(bazin(shape[1], shape).log()) == pytest.approx(top)
    assert float(bazin(t, shape).max()) <= np.exp(top)


def bazin_population(n, error, seed):
    rng = np.random.default_rng(seed)
    grey, shapes = rng.normal(6.0, 0.4, n), []
    for i in range(n):
        bands = [
            [grey[i] + 0.3 * f, rng.normal(f, 1.0), rng.normal(3.2, 0.1), -1.7] for f in range(2)
        ]
        shapes.append(bands)
    shapes = torch.tensor(shapes, dtype=torch.float64)
    curves = bazin(torch.from_numpy(PHASE), shapes[:, :, None])
    return observed(curves.numpy(), error=error, seed=seed), shapes


def test_noiseless_bazin_functions_are_recovered():
    batch, truth = bazin_population(8, 0.05, None)
    found = shapes_of(fit_bazin(batch, 0.0).mode, 2)
    torch.testing.assert_close(found, truth, atol=0.01, rtol=0)


def test_missing_bands_and_outliers_do_no_harm():
    batch, truth = bazin_population(60, 3.0, 4)
    batch.flux[0, 8] += 300.0
    batch = batch.where(~((batch.band == 1) & (torch.arange(60) == 1)[:, None]))
    found = shapes_of(fit_bazin(batch, 0.0).mode, 2)
    assert float((found - truth)[0, :, 0].abs().max()) < 0.03
    # The other band tells the brightness of the missing one.
    assert abs(float((found - truth)[1, 1, 0])) < 0.1


def test_population_of_bazin_functions_is_recovered():
    batch, _ = bazin_population(150, 10.0, 7)
    drawn = ParametricPopulation(model_error=0.0).fit(batch).sample(1500, seed=1)
    for f in range(2):
        tops = [torch.where(b.band == f, b.flux, 0.0).amax(1).log() for b in (batch, drawn)]
        assert ks_2samp(*tops).statistic < 0.1
    median = ParametricPopulation().fit(batch).sample(4, seed=1, temperature=0.0)
    assert float(median.flux.amax(1).log().std()) < 0.05


def test_copula_keeps_marginals_and_correlations():
    rng = np.random.default_rng(3)
    z = rng.multivariate_normal([0, 0, 0], [[1, 0.8, -0.5], [0.8, 1, -0.3], [-0.5, -0.3, 1]], 800)
    sample = torch.from_numpy(np.stack([np.exp(z[:, 0]), z[:, 1], z[:, 2] ** 3], -1))
    normal = torch.randn(20000, 3, generator=torch.Generator().manual_seed(1)).double()
    drawn = GaussianCopula.fit(sample).at(normal)
    for column in range(3):
        assert ks_2samp(sample[:, column], drawn[:, column]).statistic < 0.02

    def ranks(x):
        return torch.corrcoef(x.argsort(0).argsort(0).double().T)

    assert float((ranks(drawn) - ranks(sample)).abs().max()) < 0.03
