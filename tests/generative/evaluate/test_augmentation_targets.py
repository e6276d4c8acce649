"""How real light curves of mixed filters are made comparable, and what the bench tables say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from augmentation_results import Store, lines
from augmentation_targets import OSC_DISTMOD, at_rest, in_merged_bands, well_observed

from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.data.magnitudes import offset, to_flux
from sntorch.physics.cosmology import Cosmology


def light_curve(bands, **header):
    n = len(bands)
    flux = to_flux(np.full(n, 20.0), 27.5)
    limits = header.pop("upper_limit", None)
    return LightCurve.from_arrays(
        "a", 100.0 + np.arange(n), flux, flux / 10, bands, upper_limit=limits, **header
    )


def test_merged_filters_keep_ab_magnitudes_and_drop_limits_and_others():
    limits = np.array([False, False, False, True])
    seen = in_merged_bands(
        light_curve(["bessellr", "ps1::r", "ps1::z", "ps1::g"], upper_limit=limits)
    )
    assert seen.band.tolist() == ["sdssr", "sdssr"]
    magnitudes = 27.5 - 2.5 * np.log10(seen.flux)
    assert magnitudes == pytest.approx([20 - offset("bessellr", "ab"), 20.0], abs=1e-6)
    # Vega's AB magnitude in R is about 0.2.
    assert 0.1 < magnitudes[0] - 20 < 0.3
    assert seen.snr == pytest.approx([10, 10])


def test_objects_are_moved_to_one_distance_and_to_their_rest_frame():
    z = 0.5
    batch = LightCurves([light_curve(["sdssg"] * 6, redshift=z, peak_mjd=102.0)]).to_batch()
    moved = at_rest(batch)
    dimming = float(Cosmology().distmod(z)) - OSC_DISTMOD
    assert (moved.flux / batch.flux).log10().mean() / 0.4 == pytest.approx(dimming)
    assert torch.allclose(moved.flux / moved.flux_err, batch.flux / batch.flux_err)
    assert moved.phase[0].tolist() == pytest.approx([(k - 2) / 1.5 for k in range(6)])


def test_five_detections_are_needed():
    five, four = (light_curve(["sdssg"] * n) for n in (5, 4))
    assert len(well_observed(LightCurves([five, four]).to_batch())) == 1


def test_scores_of_other_settings_are_not_used(tmp_path):
    Store(tmp_path, {"seed": 1}).save(30, 0, {"none": {"ap": 0.5}})
    assert Store(tmp_path, {"seed": 1}).load(30, 0) == {"none": {"ap": 0.5}}
    assert Store(tmp_path, {"seed": 1}).load(30, 1) == {}
    with pytest.raises(SystemExit, match="other settings"):
        Store(tmp_path, {"seed": 2}).load(30, 0)


def told_apart(shift):
    """Two repetitions of 200 objects, of which the rare ones score higher by a shift."""
    truth = np.repeat([0, 1], [160, 40])
    ranks = np.random.default_rng(0).normal(size=200) + shift * truth
    return [{"probability": ranks.tolist(), "test": [160, 40], "auc": 0.9}] * 2


def results(**shifts):
    arms = {arm: told_apart(shift) for arm, shift in shifts.items()}
    return {30: [{arm: own[k] for arm, own in arms.items()} for k in range(2)]}


def test_lines_of_the_table():
    found = results(none=0.5, jitter=1.0, oracle=3.0)
    none, jitter, _ = lines(found, ["none", "jitter", "oracle"], "toy")
    assert none["against none"] == none["gap closed"] == ""
    assert jitter["against none"].startswith("+0.")
    assert jitter["AUC"] == "0.900"
    assert 0 < float(jitter["gap closed"].split()[0]) < 1


def test_where_real_objects_gain_nothing_there_is_no_gap_to_close():
    found = results(none=0.5, jitter=1.0, oracle=0.5)
    assert next(line for line in lines(found, ["jitter"], "toy"))["gap closed"] == "no gap"
