"""The verdict on a generator: real samples pass, copies and distorted samples do not."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from toys import population

from sntorch.errors import DataError
from sntorch.generative.evaluate import evaluate_generator, memorisation, summary_features
from sntorch.generative.evaluate.memorisation import (
    Whitening,
    compare_distances,
    mann_whitney,
    nearest,
)
from sntorch.generative.evaluate.report import _by_quantity
from sntorch.generative.evaluate.samples import Sample
from sntorch.generative.evaluate.score_table import checks

TRAIN, HELD_OUT, FRESH = population(150, 1), population(600, 2), population(500, 3)


@pytest.fixture(scope="module")
def real():
    # Of 500 objects against 600 some samples fail a gate by chance (see ``memorisation``).
    return evaluate_generator(
        population(500, 5), HELD_OUT, TRAIN, fresh=population(500, 4), seed=0, thorough=False
    )


def test_a_real_sample_passes(real):
    assert real["passed"]
    assert real["summary"]["ks_peak_worst"] < 0.1
    assert real["memorisation"]["generated"]["ratio"] == pytest.approx(1, abs=0.08)
    assert real["memorisation"]["fresh"]["passed"]


def test_a_copy_of_the_training_set_fails():
    copies = TRAIN[torch.arange(150).repeat(2)]
    scores = evaluate_generator(copies, HELD_OUT, TRAIN, thorough=False)
    assert scores["c2st"]["generated"]["all"]["auc"] > 0.8
    assert scores["raw_memorisation"]["generated"]["copies"] > 0.9
    assert scores["summary"]["ks_peak_worst"] < 0.2
    assert scores["memorisation"]["generated"]["ratio"] == pytest.approx(0, abs=1e-3)
    assert scores["memorisation"]["generated"]["copies"] == 1
    assert not scores["passed"]


def test_a_copy_hidden_among_new_objects_fails():
    half = torch.arange(150)
    mixed = {
        k: np.concatenate([v, summary_features(TRAIN[half])[k]])
        for k, v in summary_features(FRESH).items()
    }
    verdict = memorisation(mixed, summary_features(TRAIN), summary_features(HELD_OUT))
    assert verdict.copies > 0.2
    assert not verdict.passed


def test_copies_shifted_in_brightness_and_time_do_not_pass():
    """Summary features move with the shift, the shape of a light curve does not."""
    many = torch.arange(150)
    train, held_out = (bright(sample[many]) for sample in (TRAIN, HELD_OUT))
    copies = bright(TRAIN[many])
    copies.flux, copies.flux_err = 1.02 * copies.flux, 1.02 * copies.flux_err
    copies.time = copies.time + torch.where(copies.mask, 3.5, 0.0)
    metrics = evaluate_generator(copies, held_out, train, n_resamples=5, thorough=False)
    assert checks(metrics)["copies of light curves"] is False
    assert metrics["raw_memorisation"]["generated"]["passed"] is False
    assert not metrics["passed"]


def bright(batch):
    """The same with every observation a detection."""
    batch.flux = batch.flux.abs() + 30
    return batch


@pytest.mark.parametrize("m", [5, 36, 500])
def test_expected_copies_are_those_of_new_objects(m):
    rng = np.random.default_rng(0)
    ours = (np.arange(2000) + 0.5) / 2000
    found = [compare_distances(ours, rng.uniform(size=m)) for _ in range(300)]
    mean = np.mean([one.copies for one in found])
    assert found[0].expected_copies == pytest.approx(mean, rel=0.15)


@pytest.mark.parametrize("m", [36, 300, 2000])
def test_new_objects_pass_the_mark_of_copies(m):
    rng = np.random.default_rng(1)
    ours = (np.arange(2000) + 0.5) / 2000
    found = [compare_distances(ours, rng.uniform(size=m)) for _ in range(400)]
    below = np.mean([one.copies <= one.most_copies for one in found])
    assert below > 0.95
    assert found[0].most_copies >= 0.02


def test_near_copies_fail():
    nearly = TRAIN[torch.arange(150)]
    nearly.flux = nearly.flux * 1.002
    verdict = memorisation(*(summary_features(b) for b in (nearly, TRAIN, HELD_OUT)))
    assert not verdict.passed


def test_a_brighter_sample_fails():
    bright = population(200, 3)
    bright.flux *= 2
    bright.flux_err *= 2
    held_out = HELD_OUT[torch.arange(400)]
    scores = evaluate_generator(bright, held_out, TRAIN, thorough=False)
    assert scores["summary"]["ks_peak_worst"] > 0.3
    assert scores["peak"]["desg"]["w1"] == pytest.approx(0.75, abs=0.15)
    assert not scores["passed"]


def test_scores_are_json_and_have_floors(real):
    again = json.loads(json.dumps(real))
    band = again["peak"]["desg"]
    assert {"ks", "ks_interval", "ks_fresh", "ks_train", "w1", "w1_fresh", "w1_train"} <= set(band)
    assert band["ks_interval"][0] <= band["ks_interval"][1]
    assert band["ks_fresh"] < band["ks_train"] + 0.1
    assert again["n"] == {"generated": 500, "held_out": 600, "train": 150}
    assert {"ks_peak_mag", "ks_dm15", "ks_colour", "ks_mean", "ks_mean_train"} <= set(
        again["summary"]
    )


def test_without_a_fresh_sample_the_held_out_one_is_halved():
    scores = evaluate_generator(
        FRESH[torch.arange(60)], HELD_OUT[torch.arange(300)], TRAIN, seed=3, thorough=False
    )
    assert scores["peak"]["desg"]["ks_fresh"] < 0.2


NEW = ("prdc", "c2st", "fan", "lengths", "errors", "raw_memorisation", "mmd")


def test_thorough_scores_are_json_with_floors_and_add_to_the_quick_ones():
    samples = [population(n, seed) for seed, n in enumerate((24, 30, 20, 26))]
    first = evaluate_generator(*samples, n_resamples=20)
    quick = evaluate_generator(*samples, n_resamples=20, thorough=False)
    assert {k: v for k, v in first.items() if k not in ("mmd", "c2st")} == {
        k: v for k, v in quick.items() if k != "c2st"
    }
    assert json.loads(json.dumps(first)) == first
    for name in NEW:
        assert list(first[name]) == ["generated", "fresh", "train"], name
    assert set(first["c2st"]["generated"]) == {"all", "no_cadence", "sequence"}
    assert set(first["mmd"]["train"]) == {"features", "signature"}


def test_a_real_sample_has_the_scores_of_a_real_sample(real):
    assert set(NEW) - set(real) == {"mmd"}
    assert set(real["c2st"]["generated"]) == {"all", "no_cadence"}
    for kind in ("generated", "fresh"):
        assert real["prdc"][kind]["coverage"] == pytest.approx(0.97, abs=0.03)
        assert real["c2st"][kind]["all"]["auc"] == pytest.approx(0.5, abs=0.07)
        assert real["fan"][kind]["mean"]["median"] < 0.3
        assert real["raw_memorisation"][kind]["copies"] < 0.04
    assert real["prdc"]["train"]["coverage"] < 0.85
    # The training set is a real sample, if a small one: no object lies outside its balls.
    assert real["prdc"]["train"]["recall"] > 0.8
    assert real["raw_memorisation"]["train"]["copies"] > 0.9
    assert real["c2st"]["train"]["all"]["auc"] > 0.7


def test_the_mean_of_a_quantity_is_of_it_alone():
    scores = {"rise_g": {"ks": 0.2}, "rise_r": {"ks": 0.4}, "rise_time_g": {"ks": 0.9}}
    means = _by_quantity(scores, ("g", "r"))
    assert means == pytest.approx({"ks_rise": 0.3, "ks_rise_time": 0.9})


def brightest(batch):
    return {"brightest_flux": batch.flux.amax(1).double().numpy()}


def test_features_of_ones_own_are_scored():
    samples = [population(n, seed) for seed, n in enumerate((24, 30, 20, 26))]
    one = evaluate_generator(*samples, n_resamples=5, thorough=False, features=brightest)
    usual = evaluate_generator(*samples, n_resamples=5, thorough=False)
    assert list(one["features"]) == ["brightest_flux"]
    assert one["feature_set"] == f"{__name__}.brightest"
    assert usual["feature_set"] == "sntorch.features.summary.summary_features"
    assert one["peak"] == usual["peak"]
    assert usual["peak"]["desg"] == usual["features"]["peak_mag_desg"]
    assert one["summary"]["ks_brightest_flux"] == one["features"]["brightest_flux"]["ks"]
    assert one["memorisation"]["train"]["copies"] == 1


def test_features_of_another_shape_are_refused():
    with pytest.raises(DataError, match=r"feature wrong: shape \(3, 2\), not \(3,\)"):
        Sample.of(population(3), lambda batch: {"wrong": np.zeros((3, 2))})


def test_other_bands_are_refused():
    with pytest.raises(DataError, match="generated"):
        evaluate_generator(population(5, bands=("ztfg",)), HELD_OUT, TRAIN)


def test_nearest_and_mann_whitney():
    assert nearest(np.array([[0.0, 0.0], [3.0, 4.0]]), np.zeros((1, 2))).tolist() == [0, 5]
    assert mann_whitney(np.arange(50.0), np.arange(50.0) + 100) < -8
    assert mann_whitney(np.arange(50.0), np.arange(50.0)) == pytest.approx(0, abs=1e-9)


def test_whitening_limits_outliers_and_fills_gaps():
    whiten = Whitening({"a": np.array([0.0, 1.0, 2.0]), "b": np.array([np.nan, np.nan, np.nan])})
    scores = whiten({"a": np.array([1.0, 1e9, np.nan]), "b": np.zeros(3)})
    assert scores.tolist() == [[0.0], [5.0], [0.0]]


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("place", range(4))
def test_samples_too_small_to_score_are_refused_in_one_line(n, place):
    samples = [FRESH, HELD_OUT, TRAIN, FRESH]
    samples[place] = samples[place][torch.arange(n)]
    with pytest.raises(
        DataError, match=f"{n} .* light curves: a score needs at least 2"
    ) as caught:
        evaluate_generator(*samples)
    assert "\n" not in str(caught.value)
