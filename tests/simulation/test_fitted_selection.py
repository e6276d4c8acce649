"""Cuts on what a SALT fit finds."""

import pytest
import torch
from salt_toy import simulated

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.simulation import MinDetections, SALTFitCut
from sntorch.simulation.salt import load_surfaces
from sntorch.simulation.selection import passed


@pytest.fixture
def batch(shared):
    pytest.importorskip("sncosmo")
    light_curves, _ = simulated(load_surfaces("salt3"), n=12)
    return LightCurveBatch.from_light_curves(light_curves)


def test_limits_are_on_what_was_fitted(batch):
    cut = SALTFitCut(x1=0.8, c=0.08)
    fit = cut.fit(batch)
    kept = cut.keep(batch, {})
    x1, c = fit.parameters[:, 2].abs(), fit.parameters[:, 3].abs()
    assert 0 < int(kept.sum()) < len(batch)
    assert torch.equal(kept, fit.converged & (x1 < 0.8) & (c < 0.08) & cut_of_chi2(fit))
    everything = SALTFitCut(x1=20, c=1.4, x1_err=20, t0_err=20, least_probability=0.0)
    assert torch.equal(everything.keep(batch, {}), fit.converged)


def cut_of_chi2(fit):
    return fit.probability >= 0.001


def test_poor_measurements_are_dropped(batch):
    fit = SALTFitCut().fit(batch)
    limit = float(fit.errors[:, 2].median())
    kept = SALTFitCut(x1=20, c=1.4, x1_err=limit, least_probability=0.0).keep(batch, {})
    assert torch.equal(kept, fit.errors[:, 2] < limit)


def test_only_what_is_left_is_fitted(batch, monkeypatch):
    seen = []
    fit = SALTFitCut.fit
    monkeypatch.setattr(SALTFitCut, "fit", lambda cut, few: seen.append(len(few)) or fit(cut, few))
    faint = batch.flux.clone()
    faint[:7] = 0.0
    batch.flux = faint
    luck = torch.full((len(batch), 2), 0.5)
    kept = passed([MinDetections(3, 5.0), SALTFitCut(x1=20)], batch, {}, luck)
    assert seen == [5]
    assert not bool(kept[:7].any())


@pytest.mark.parametrize("settings", [{"x1": 0}, {"c": -1.0}, {"least_probability": 1.0}])
def test_impossible_limits_are_refused(settings):
    with pytest.raises(ConfigError, match="is accepted"):
        SALTFitCut(**settings)
