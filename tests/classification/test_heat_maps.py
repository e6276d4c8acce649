"""Images of light curves against scikit-learn's Gaussian processes, and what must not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sntorch.classification.heat_maps import TIMES, WAVELENGTHS, heat_maps
from sntorch.classification.processes import ERROR_FLOOR, fit_processes, predict
from sntorch.classification.testing import example_light_curves, poisoned
from sntorch.nn.gaussian_process import WAVELENGTH_SCALE, Points
from sntorch.nn.gaussian_process_fit import fit_scales
from sntorch.physics.bandpasses import get_bandpass


def by_scikit_learn(light_curve, t_ref, amplitude, time_scale):
    """Mean and standard deviation (2, 32, 180) of the process with the same scales."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    kernel = ConstantKernel(amplitude**2) * Matern([time_scale, WAVELENGTH_SCALE], nu=1.5)
    wave = np.array([get_bandpass(b).pivot_wavelength for b in light_curve.bands])
    seen = np.stack([light_curve.time - t_ref, wave[light_curve.band_index]], -1)
    error = np.hypot(light_curve.flux_err, ERROR_FLOOR * np.abs(light_curve.flux).max())
    process = GaussianProcessRegressor(kernel, alpha=error**2, optimizer=None)
    waves, days = np.meshgrid(WAVELENGTHS.numpy(), TIMES.numpy(), indexing="ij")
    grid = np.stack([days.ravel(), waves.ravel()], -1)
    maps = process.fit(seen, light_curve.flux).predict(grid, return_std=True)
    return np.stack(maps).reshape(2, 32, 180)


def test_images_are_those_of_scikit_learn():
    batch = example_light_curves()[:3].trim()
    known = fit_processes(batch, dtype=torch.float64)
    exact = predict(known, Points(TIMES.double(), WAVELENGTHS.double()))
    single = predict(fit_processes(batch), Points(TIMES, WAVELENGTHS))
    for i, light_curve in enumerate(batch.to_light_curves()):
        scales = float(known.amplitude[i]), float(known.time_scale[i])
        expected = by_scikit_learn(light_curve, float(batch.t_ref[i]), *scales)
        top = expected[0].max()
        np.testing.assert_allclose(exact[i] / top, expected / top, atol=1e-4)
        np.testing.assert_allclose(single[i] / top, expected / top, atol=2e-3)


def test_splined_images_are_close_to_exact_ones():
    batch = example_light_curves()
    exact, splined = heat_maps(batch, exact=True), heat_maps(batch)
    top = exact[:, 0].amax((1, 2))[:, None, None, None]
    assert float(((splined - exact) / top).abs().max()) < 0.01
    assert not torch.equal(splined, exact)


def test_scales_are_within_a_few_per_cent_of_the_best():
    batch = example_light_curves()
    known = fit_processes(batch)
    points = Points(*(axis.double() for axis in known.points))
    best = fit_scales(points, known.flux.double(), known.flux_err.double(), known.mask)
    torch.testing.assert_close(known.amplitude.double(), best[0], rtol=0.03, atol=0)
    torch.testing.assert_close(known.time_scale.double(), best[1], rtol=0.03, atol=0)


def test_short_time_scales_are_not_splined():
    """Noise that varies from day to day."""
    batch = example_light_curves()
    torch.manual_seed(0)
    batch.flux = torch.where(batch.mask, 100 * torch.randn_like(batch.flux).sign(), 0.0)
    batch.flux_err = torch.ones_like(batch.flux_err)
    short = fit_processes(batch).time_scale < 5
    assert bool(short.any())
    torch.testing.assert_close(heat_maps(batch)[short], heat_maps(batch, exact=True)[short])


def test_padding_and_limits_change_nothing():
    batch = example_light_curves()
    clean = heat_maps(batch)
    torch.testing.assert_close(heat_maps(poisoned(batch)), clean)
    limits = replace(batch, upper_limit=batch.mask & (torch.arange(batch.time.shape[1]) < 3))
    without = batch.where(torch.arange(batch.time.shape[1]) >= 3)
    torch.testing.assert_close(heat_maps(limits), heat_maps(without))


def test_an_object_without_observations_is_zero():
    batch = example_light_curves()
    maps = heat_maps(batch.where(torch.arange(len(batch))[:, None] > 0))
    assert not bool(maps[0].any())
    torch.testing.assert_close(maps[1:], heat_maps(batch[1:]), rtol=1e-4, atol=1e-3)
    assert heat_maps(batch[:0]).shape == (0, 2, 32, 180)


def test_images_are_the_same_every_time_and_on_any_grid():
    batch = example_light_curves()
    assert torch.equal(heat_maps(batch), heat_maps(batch))
    few = heat_maps(batch, WAVELENGTHS[3:10], TIMES[::5])
    exact = heat_maps(batch, exact=True)[:, :, 3:10, ::5]
    torch.testing.assert_close(few, exact, rtol=1e-4, atol=1e-3)


def test_threads_give_the_same_images(monkeypatch):
    batch = example_light_curves()
    monkeypatch.setattr("sntorch.classification.heat_maps.CHUNK", 2)
    alone, threads = heat_maps(batch), torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert torch.equal(heat_maps(batch), alone)
    monkeypatch.undo()
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_from_all_measurements_nothing_is_known(dtype):
    batch = example_light_curves()
    known = fit_processes(batch, dtype=dtype)
    far = heat_maps(batch, times=torch.tensor([-9e4, 9e4]), dtype=dtype)
    assert float(far[:, 0].abs().max()) == 0.0
    expected = known.amplitude[:, None, None].expand(-1, 32, 2)
    torch.testing.assert_close(far[:, 1], expected)
