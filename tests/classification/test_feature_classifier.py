"""Boosted trees on features tell apart what differs in shape, and know no peak."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from sntorch.classification.early import WHOLE, Epoch, until
from sntorch.classification.evaluate.metrics import scores
from sntorch.classification.feature_classifier import FeatureClassifier
from sntorch.classification.parametric_features import ParametricFeatures
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError, DataError
from sntorch.features.bazin import bazin
from sntorch.features.bazin_fit import fit_bazin, fit_population, shapes_of

BANDS = ("desg", "desr")


def population(n: int = 120, seed: int = 0) -> LightCurveBatch:
    """Bazin functions that fall in 15 (fast) or 40 (slow) days, alternately; noise of 5 % of a peak."""
    random = torch.Generator().manual_seed(seed)
    days = torch.arange(-15.0, 60.0, 5.0, dtype=torch.float64)
    label = torch.arange(n) % 2
    shape = torch.tensor([6.0, 0.0, 0.0, -1.7], dtype=torch.float64).repeat(n, 1)
    shape[:, 0] += 0.3 * torch.randn(n, generator=random)
    shape[:, 2] = torch.tensor([15.0, 40.0]).log()[label]
    time = days.repeat(2).sort().values.repeat(n, 1)
    flux = bazin(time, shape[:, None].expand(-1, time.shape[1], -1))
    error = torch.full_like(flux, 20.0)
    band = (torch.arange(time.shape[1]) % 2).repeat(n, 1)
    nothing = torch.full((n,), torch.nan, dtype=torch.float64)
    return LightCurveBatch(
        time + 57000,
        flux + error * torch.randn(flux.shape, generator=random),
        error,
        band,
        torch.ones_like(band, dtype=torch.bool),
        torch.zeros_like(band, dtype=torch.bool),
        torch.linspace(0.05, 0.5, n, dtype=torch.float64),
        nothing,
        nothing,
        torch.full((n,), 57000.0, dtype=torch.float64),
        label,
        torch.empty(n, 0),
        [f"sn{i}" for i in range(n)],
        BANDS,
        ("fast", "slow"),
    )


@pytest.fixture(scope="module")
def trees() -> FeatureClassifier:
    return FeatureClassifier(learner="histogram", n_trees=20).fit(population())


def test_shapes_that_differ_are_told_apart(trees):
    found = trees.predict(population(60, seed=1))
    assert scores(found, "fast")["accuracy"] > 0.9
    assert found.classes == ("fast", "slow")


def test_trees_that_saw_early_curves_do_better_early(trees):
    early = Epoch("trigger", 10.0)
    taught = FeatureClassifier(learner="histogram", n_trees=20).fit(population(), [WHOLE, early])
    test = early.cut(population(100, seed=4))
    losses = [scores(t.predict(test), "fast")["log_loss"] for t in (taught, trees)]
    assert losses[0] < losses[1]
    nothing = Epoch("peak", -100.0)
    again = FeatureClassifier(learner="histogram", n_trees=20).fit(population(), [WHOLE, nothing])
    np.testing.assert_array_equal(again.predict_proba(test), trees.predict_proba(test))


def test_lightgbm_does_as_well():
    pytest.importorskip("lightgbm")
    trees = FeatureClassifier(n_trees=20).fit(population())
    assert scores(trees.predict(population(60, seed=1)), "fast")["accuracy"] > 0.9


def test_without_lightgbm_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(ConfigError, match=r"sntorch\[gbm\]"):
        FeatureClassifier()


def test_objects_do_not_depend_on_their_company_nor_on_the_peak(trees):
    test = population(6, seed=2)
    all_of_them = trees.predict_proba(test)
    alone = np.concatenate([trees.predict_proba(test[i]) for i in range(6)])
    np.testing.assert_allclose(alone, all_of_them, atol=1e-9)
    moved = replace(test, t_ref=test.t_ref + 7)
    np.testing.assert_allclose(trees.predict_proba(moved), all_of_them, atol=1e-9)


def test_nothing_observed_gives_the_same_answer_for_all(trees):
    empty = until(population(4), -100.0, "peak")
    found = trees.predict_proba(empty)
    np.testing.assert_allclose(found, found[[0]].repeat(4, 0))
    partly = until(population(4), -13.0, "peak")
    assert np.isfinite(trees.predict_proba(partly)).all()


def test_the_redshift_is_used_as_declared():
    batch = population(20)
    with_z = ParametricFeatures("spec-z").fit(batch)(batch)
    np.testing.assert_array_equal(with_z["redshift"], batch.redshift.numpy())
    assert with_z["absolute_desg"][0] > with_z["absolute_desg"][-1]
    assert "redshift" not in ParametricFeatures().fit(batch)(batch)
    host = torch.tensor([[0.1, 0.02]]).repeat(20, 1)
    with_photo = ParametricFeatures("photo-z").fit(batch)(replace(batch, host=host))
    assert with_photo["redshift"] == pytest.approx(0.1)
    assert with_photo["redshift_err"] == pytest.approx(0.02)
    with pytest.raises(DataError, match="no host columns"):
        ParametricFeatures("photo-z").fit(batch)(batch)
    unknown = replace(batch, redshift=torch.full_like(batch.redshift, -9.0))
    assert np.isnan(ParametricFeatures("spec-z").fit(batch)(unknown)["absolute_desg"]).all()


def test_colours_and_rest_frame_numbers_stand_beside_the_fits():
    batch = population(40)
    plain = ParametricFeatures("spec-z").fit(batch)(batch)
    found = ParametricFeatures("spec-z", derived=True).fit(batch)(batch)
    assert all((found[name] == plain[name]).all() for name in ("ln_peak_desg", "redshift"))
    colour = plain["ln_peak_desg"] - plain["ln_peak_desr"]
    np.testing.assert_allclose(found["ln_peak_desg_desr"], colour)
    z = batch.redshift.numpy()
    np.testing.assert_allclose(
        np.exp(found["rest_ln_fall_desr"]), np.exp(plain["ln_fall_desr"]) / (1 + z)
    )
    np.testing.assert_allclose(found["rest_dm15_desg"], plain["dm15_desg"] / (1 + z))
    # The brightest point and the fit's peak are of about the same magnitude.
    off = found["absolute_peak_desg"] - plain["absolute_desg"]
    assert abs(np.nanmedian(off)) < 0.3
    without = ParametricFeatures(derived=True).fit(batch)(batch)
    assert not [name for name in without if name.startswith(("rest", "absolute"))]
    nothing = batch.where(torch.zeros_like(batch.mask))
    assert np.isnan(
        ParametricFeatures("spec-z", derived=True).fit(batch)(nothing)["rest_dm15_desg"]
    ).all()


def test_new_objects_are_fitted_under_the_learnt_population():
    batch = population(40)
    learnt, fits = fit_population(batch, 0.05)
    again = learnt.fit(batch[:5])
    torch.testing.assert_close(again.mode, fits.mode[:5], atol=0.05, rtol=0)
    fall = shapes_of(learnt.fit(population(10, seed=3)).mode, 2)[:, :, 2].exp()
    assert (fall[0::2] < 25).all()
    assert (fall[1::2] > 25).all()
    torch.testing.assert_close(fit_bazin(batch, 0.05).mode, fits.mode)


def test_what_cannot_be_is_refused(trees):
    with pytest.raises(ConfigError, match="redshift=zspe: accepted are none, photo-z, spec-z"):
        FeatureClassifier("zspe", learner="histogram")
    with pytest.raises(ConfigError, match="learner=forest"):
        FeatureClassifier(learner="forest")
    with pytest.raises(DataError, match="two classes"):
        FeatureClassifier(learner="histogram").fit(population(20)[0::2])
    with pytest.raises(DataError, match="the features were fitted in desg, desr"):
        trees.predict_proba(replace(population(4), bands=("desg", "desi")))
