"""Gaussian processes in time and wavelength: posterior and scales against scikit-learn."""

from __future__ import annotations

import numpy as np
import torch

from sntorch.nn.gaussian_process import WAVELENGTH_SCALE, Points, draw, posterior
from sntorch.nn.gaussian_process_fit import fit_scales


def one_object(n=25, seed=0):
    rng = np.random.default_rng(seed)
    points = Points(
        torch.from_numpy(np.sort(rng.uniform(-15, 40, n))),
        torch.from_numpy(rng.choice([4800.0, 6400.0, 7800.0], n)),
    )
    flux = 100 * torch.exp(-0.5 * (points.phase / 12) ** 2) * (points.wave / 6000)
    error = torch.from_numpy(rng.uniform(2, 5, n))
    return points, flux + error * torch.from_numpy(rng.normal(size=n)), error


def regressor(amplitude, time_scale, error):
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    kernel = ConstantKernel(amplitude**2) * Matern([time_scale, WAVELENGTH_SCALE], nu=1.5)
    return GaussianProcessRegressor(kernel, alpha=error.numpy() ** 2, optimizer=None)


def test_posterior_is_that_of_scikit_learn():
    points, flux, error = one_object()
    queries = Points(torch.linspace(-20, 60, 17).double(), torch.full((17,), 5500.0).double())
    scales = torch.tensor([70.0, 18.0]).double().unbind()
    mean, cov = posterior(points, flux, error, queries, scales)
    reference = regressor(70.0, 18.0, error).fit(torch.stack(points, -1).numpy(), flux.numpy())
    expected = reference.predict(torch.stack(queries, -1).numpy(), return_cov=True)
    np.testing.assert_allclose(mean, expected[0], atol=1e-8)
    np.testing.assert_allclose(cov, expected[1], atol=1e-6)
    normal = torch.randn(4000, 17, generator=torch.Generator().manual_seed(0)).double()
    draws = torch.stack([draw(mean, cov, z) for z in normal])
    np.testing.assert_allclose(torch.cov(draws.T), cov, atol=0.06 * float(cov.max()))


def test_scales_have_the_largest_likelihood():
    many = [one_object(n, seed=n) for n in (25, 12, 18)]

    def padded(get):
        return torch.nn.utils.rnn.pad_sequence([get(o) for o in many], True)

    points = Points(padded(lambda o: o[0].phase), padded(lambda o: o[0].wave))
    flux, error = padded(lambda o: o[1]), padded(lambda o: o[2])
    mask = error > 0
    scales = fit_scales(points, flux, error, mask)
    for i, (where, y, e) in enumerate(many):
        amplitude, time_scale = (float(s[i]) for s in scales)

        def likelihood(a, b, where=where, y=y, e=e):
            fitted = regressor(a, b, e).fit(torch.stack(where, -1).numpy(), y.numpy())
            return fitted.log_marginal_likelihood_value_

        best = likelihood(amplitude, time_scale)
        for up, down in ((1.03, 1), (0.97, 1), (1, 1.03), (1, 0.97)):
            assert likelihood(amplitude * up, time_scale * down) < best
        alone = fit_scales(
            Points(where.phase[None], where.wave[None]), y[None], e[None], e[None] > 0
        )
        np.testing.assert_allclose([float(s) for s in alone], [amplitude, time_scale], 1e-4)


def test_masked_points_do_not_move_the_scales():
    points, flux, error = one_object(12, seed=3)
    clean = fit_scales(
        Points(*(a[None] for a in points)), flux[None], error[None], error[None] > 0
    )
    mask = torch.arange(16)[None] < 12
    nan = torch.full((4,), torch.nan, dtype=torch.float64)
    padded = Points(*(torch.cat([a, nan])[None] for a in points))
    far = torch.full((4,), 1e9, dtype=torch.float64)
    poisoned = fit_scales(
        padded, torch.cat([flux, far])[None], torch.cat([error, nan])[None], mask
    )
    torch.testing.assert_close(poisoned, clean)


def test_single_precision_does_not_break_on_precise_measurements():
    """Covariances that are singular in single precision are steps that are not taken."""
    points, flux, _ = one_object(25)
    smooth = 100 * torch.exp(-0.5 * (points.phase / 60) ** 2)
    error = torch.full_like(flux, 0.02)
    args = (Points(*(a[None].float() for a in points)), smooth[None].float(), error[None].float())
    scales = fit_scales(*args, mask=torch.ones(1, 25, dtype=torch.bool))
    assert all(bool(s.isfinite().all()) for s in scales)
