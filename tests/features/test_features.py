"""Summary features of light curves whose shape is known."""

from __future__ import annotations

import numpy as np
import pytest

from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.features.summary import peak_magnitudes, summary_features

BANDS = ("desg", "desr")


def triangle(
    colour: float = 0.0, delay: float = 0.0, bump: float = 0.0, bands: tuple[str, ...] = BANDS
) -> LightCurveBatch:
    """Rises by 0.1 mag a day, falls by 0.05, peaks at day 0 with 20 mag; one visit every 5 days."""
    curves = []
    for i in range(2):
        phase = np.arange(-10.0, 31.0, 5.0)
        mag = 20 + np.where(phase < 0, -0.1 * phase, 0.05 * phase)
        mag[6] += bump
        both = np.concatenate([phase, phase + delay])
        flux = 10 ** (0.4 * (27.5 - np.concatenate([mag, mag + colour])))
        band = [BANDS[0]] * 9 + [BANDS[1]] * 9
        curves.append(
            LightCurve.from_arrays(
                f"sn{i}", 57000 + both, flux, 0.01 * flux, band, peak_mjd=57000.0
            )
        )
    return LightCurveBatch.from_light_curves(curves, bands=bands)


def test_values_that_can_be_worked_out():
    features = {k: v[0] for k, v in summary_features(triangle(colour=0.3, delay=0.5)).items()}
    expected = {
        "peak_mag_desg": 20.0,
        "peak_mag_desr": 20.3,
        "peak_phase_desg": 0.0,
        "peak_phase_desr": 0.5,
        "dm15_desg": 0.75,
        "rise_desg": 0.8,
        "n_obs_desg": 9,
        "first_phase_desg": -10,
        "last_phase_desr": 30.5,
        "gap_median_desg": 5,
        "gap_std_desg": 0,
        "log_err_desg": np.log(0.01 * 2.5 / np.log(10)),
        "err_slope_desg": 0,
        "synchronicity_desg_desr": 0.5,
        "roughness_desg": 0,
    }
    for name, value in expected.items():
        assert features[name] == pytest.approx(value, abs=1e-6), name
    # g at its peak against r half a day before r's own peak.
    assert features["colour_desg_desr"] == pytest.approx(20 - (20.3 + 0.05), abs=1e-6)


def test_roughness_counts_standard_deviations():
    smooth, rough = (summary_features(triangle(bump=b)) for b in (0.0, 0.1))
    assert smooth["roughness_desg"][0] < 1e-6
    assert rough["lag1_desg"][0] < 0


def test_noise_has_the_roughness_of_noise():
    rng = np.random.default_rng(0)
    curves = []
    for i in range(300):
        flux = 1000 + 20 * rng.normal(size=12)
        curves.append(
            LightCurve.from_arrays(
                f"sn{i}", 57000 + 5.0 * np.arange(12), flux, np.full(12, 20.0), ["desg"] * 12
            )
        )
    rough = summary_features(LightCurveBatch.from_light_curves(curves))["roughness_desg"]
    assert np.median(rough) == pytest.approx(0.67, abs=0.05)


def test_missing_bands_and_faint_objects_are_nan_without_warnings():
    batch = triangle(bands=(*BANDS, "desi"))
    batch.flux[1] = -1.0
    features = summary_features(batch)
    assert np.isnan(features["peak_mag_desi"][0])
    assert np.isnan(features["colour_desr_desi"][0])
    assert np.isnan(features["peak_mag_desg"][1])
    assert features["n_obs_desi"][0] == 0
    assert peak_magnitudes(batch)["desg"].shape == (2,)
