"""Copies of training light curves are found, shifted ones too, and new objects are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import population

from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.generative.evaluate import memorisation, summary_features
from sntorch.generative.evaluate.raw_copies import nearest_light_curve, raw_memorisation

TRAIN, HELD_OUT = population(60, 1), population(200, 2)


def bright(batch):
    """The same with errors that leave every observation a detection."""
    batch.flux = batch.flux.abs() + 30
    return batch


def verdict(sample):
    train, held_out = bright(TRAIN[torch.arange(60)]), bright(HELD_OUT[torch.arange(200)])
    return raw_memorisation(*(nearest_light_curve(b, train) for b in (sample, held_out)))


def test_new_objects_pass():
    scores = verdict(bright(population(200, 3)))
    assert scores["ratio"] == pytest.approx(1, abs=0.15)
    assert scores["copies"] < 0.04
    assert scores["compared"] > 0.9


def test_copies_shifted_in_brightness_and_time_are_caught_here_only():
    train = bright(TRAIN[torch.arange(60)])
    copies = bright(TRAIN[torch.arange(60)])
    copies.flux, copies.flux_err = 1.7 * copies.flux, 1.7 * copies.flux_err
    copies.time = copies.time + torch.where(copies.mask, 3.5, 0.0)
    assert verdict(copies)["copies"] > 0.9
    features = [summary_features(b) for b in (copies, train, bright(HELD_OUT[torch.arange(200)]))]
    assert memorisation(*features).copies < 0.2


def line(*bands, times, offset=0.0, error=0.1, slope=0.1, wiggle=0.0):
    time = np.concatenate([np.asarray(times, dtype=float)] * len(bands))
    sign = 1 - 2 * (np.arange(len(time)) % 2)
    mag = 20 + offset + slope * time + wiggle * sign
    flux = 10 ** (0.4 * (27.5 - mag))
    names = np.repeat(bands, len(times))
    columns = time, flux, flux * error * np.log(10) / 2.5, names
    one = LightCurve.from_arrays("sn", *columns, peak_mjd=0.0)
    return LightCurveBatch.from_light_curves([one], bands=("desg", "desr"))


def test_rms_counts_the_training_errors():
    train = line("desg", times=np.arange(0, 40, 2), error=0.1)
    # Eight points, 0.3 mag above and below: sqrt(8 / 7) of three standard deviations.
    sample = line("desg", times=np.arange(10, 26, 2), wiggle=0.3, error=5e-3, offset=2.0)
    assert nearest_light_curve(sample, train)[0] == pytest.approx(3 * np.sqrt(8 / 7), rel=0.02)


def test_a_grey_shift_is_removed_and_a_colour_is_not():
    train = line("desg", "desr", times=np.arange(0, 40, 2), slope=0.0)
    assert nearest_light_curve(
        line("desg", times=np.arange(4, 20, 2), slope=0.0, offset=1.0), train
    )[0] == pytest.approx(0, abs=1e-5)
    red = line("desg", "desr", times=np.arange(4, 20, 2), slope=0.0)
    red.flux = torch.where(red.band == 1, red.flux * 10 ** (0.4 * 0.5), red.flux)
    # Half of 0.5 mag either way, in errors of 0.1 mag.
    assert nearest_light_curve(red, train)[0] == pytest.approx(2.5 * np.sqrt(16 / 15), rel=0.02)


def test_the_best_of_many_training_curves_counts():
    many = population(700, 5)
    own = nearest_light_curve(many[torch.tensor([650])], many)
    without = nearest_light_curve(many[torch.tensor([650])], many[torch.arange(650)])
    assert own[0] < 0.3 < without[0]


@pytest.mark.parametrize("times", [np.arange(0, 4.0), np.arange(100, 120, 2)])
def test_curves_that_hardly_overlap_are_not_compared(times):
    train = line("desg", times=np.arange(0, 40, 2))
    assert np.isinf(nearest_light_curve(line("desg", times=times), train)).all()


def test_nothing_to_compare_is_said():
    nothing = np.array([np.inf, np.inf])
    scores = raw_memorisation(nothing, np.array([1.0, 2.0]))
    assert scores.pop("compared") == 0
    assert scores == dict.fromkeys(
        ("ratio", "copies", "expected_copies", "most_copies", "c_t", "passed")
    )
    faint = population(3, 0)
    faint.flux = -faint.flux.abs()
    assert np.isinf(nearest_light_curve(faint, faint)).all()
