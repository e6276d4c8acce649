"""Foreign light curves have the cadence of real ones, and doubt is scored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from judged import judged

from sntorch.classification.evaluate.ood import FOREIGN, reversed_in_time, shuffled, sine
from sntorch.classification.evaluate.uncertainty import (
    entropy,
    mutual_information,
    novelty_auroc,
    rejection,
)
from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve


def batch() -> LightCurveBatch:
    rng = np.random.default_rng(0)
    curves = []
    for i, n in enumerate((20, 9, 1)):
        band = np.array(["desg", "desr", "desi"])[rng.integers(3, size=n)]
        time = 57000 + np.sort(rng.uniform(0, 90, n))
        flux, error = rng.normal(100 * (i + 1), 40, n), rng.uniform(5, 20, n)
        curves.append(LightCurve.from_arrays(f"sn{i}", time, flux, error, band))
    return LightCurveBatch.from_light_curves(curves)


@pytest.mark.parametrize("kind", FOREIGN)
def test_cadence_bands_and_padding_stay(kind):
    given = batch()
    found = FOREIGN[kind](given, 3)
    for name in ("time", "band", "mask", "redshift", "label"):
        assert torch.equal(
            torch.nan_to_num(getattr(found, name)), torch.nan_to_num(getattr(given, name))
        )
    assert (found.flux[~found.mask] == 0).all()
    assert (found.flux_err[~found.mask] == 1).all()
    assert (found.flux_err > 0).all()
    assert not torch.equal(found.flux[0], given.flux[0])
    again = FOREIGN[kind](given, 3)
    assert torch.equal(again.flux, found.flux)
    assert torch.equal(given.flux, batch().flux)


@pytest.mark.parametrize("kind", ["shuffled", "reversed"])
def test_observations_are_moved_with_their_errors_within_bands(kind):
    given = batch()
    found = FOREIGN[kind](given, 0)
    for i in range(len(given)):
        for f in range(3):
            seen = given.mask[i] & (given.band[i] == f)
            pairs = [
                sorted(zip(b.flux[i][seen].tolist(), b.flux_err[i][seen].tolist(), strict=True))
                for b in (given, found)
            ]
            assert pairs[0] == pairs[1]


def test_reversal_turns_each_band_round_and_twice_is_nothing():
    given = batch()
    found = reversed_in_time(given)
    seen = given.mask[0] & (given.band[0] == 1)
    assert torch.equal(found.flux[0][seen], given.flux[0][seen].flip(0))
    assert torch.equal(reversed_in_time(found).flux, given.flux)
    assert not torch.equal(shuffled(given, 1).flux, shuffled(given, 2).flux)


def test_a_sine_has_thirty_days_and_the_peaks_height():
    given = batch()
    found = sine(given)
    top = torch.tensor(
        [given.flux[0][given.mask[0] & (given.band[0] == f)].max() for f in range(3)]
    )
    phase = given.time[0] - given.time[0][given.mask[0]].min()
    expected = top[given.band[0]] * torch.sin(2 * torch.pi * phase / 30)
    torch.testing.assert_close(found.flux[0][given.mask[0]], expected[given.mask[0]])


def test_entropy_and_mutual_information_in_closed_form():
    assert entropy(np.array([[0.5, 0.5], [1.0, 0.0]])) == pytest.approx([np.log(2), 0])
    sure = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    assert mutual_information(sure) == pytest.approx([np.log(2)])
    doubt = np.full((5, 1, 2), 0.5)
    assert mutual_information(doubt) == pytest.approx([0])


def test_auroc_of_doubt_is_the_chance_of_the_right_order():
    assert novelty_auroc(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 1
    assert novelty_auroc(np.array([0.0, 2.0]), np.array([1.0, 1.0])) == 0.5


def test_accuracy_rises_as_doubtful_objects_go():
    p = judged(1000)
    found = rejection(p)
    assert found["accuracy"][-1] == (p.predicted == p.label).mean()
    assert found["accuracy"][2] > found["accuracy"][-1] + 0.1
