"""Features beside the light curve: of training objects' scale, kept, saved, never of the future."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import torch
from small_classifiers import BANDS, labelled, small

from sntorch.classification import Classifier, feature_context
from sntorch.classification.early import until
from sntorch.classification.feature_context import FeatureContext
from sntorch.classification.parametric_features import ParametricFeatures
from sntorch.errors import ConfigError, DataError

NETWORKS = "sntorch.classification.networks."
FEATURES = {"_target_": "sntorch.classification.feature_context.FeatureContext", "n_pieces": 2}


def told(**options):
    """A transformer that is told the features of its light curves."""
    return small(features={**FEATURES, **options})


def test_any_network_is_told_the_features():
    module, batch = told(), labelled()
    names = list(ParametricFeatures(derived=True).fit(batch)(batch))
    assert list(module.context.feature_names) == names
    assert module.network.n_context == len(names) * 4
    assert module.context(batch).shape == (len(batch), module.network.n_context)
    assert bool(module.context(batch).isfinite().all())


def test_the_scale_is_that_of_the_training_objects_alone():
    module, batch = told(), labelled()
    before = {k: v.clone() for k, v in module.context.state_dict().items()}
    bright = replace(batch, flux=batch.flux * 100, flux_err=batch.flux_err * 100)
    module.logits(bright)
    after = module.context.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    few = FeatureContext(n_pieces=2)
    few.fit(batch[:6])
    whole = FeatureContext(n_pieces=2)
    whole.fit(batch)
    assert not torch.equal(few.mean, whole.mean)
    assert not torch.equal(few.scaler.knots, whole.scaler.knots)
    # Ranks of training objects span all there is.
    peak = whole.names.index(f"ln_peak_{BANDS[1]}")
    ranks = whole.scaler.ranks(whole.values(batch))[:, peak]
    assert (ranks.min(), ranks.max()) == (0, 1)


def test_features_are_computed_once_a_light_curve(monkeypatch):
    context, batch, made = FeatureContext(n_pieces=2), labelled(), []
    context.fit(batch)
    compute = ParametricFeatures.__call__

    def counted(self, part):
        made.extend(part.object_id)
        return compute(self, part)

    monkeypatch.setattr(ParametricFeatures, "__call__", counted)
    first = context(batch)
    assert not made
    member = FeatureContext(n_pieces=2)
    member.fit(batch)
    torch.testing.assert_close(member(batch[3:5]), first[3:5])
    # An object's features are those of its own light curve: another one is another one.
    cut = until(batch[:2], 10)
    made.clear()
    early = context(cut)
    assert made == batch.object_id[:2]
    assert not torch.equal(early, first[:2])


def test_another_redshift_is_another_object():
    context, batch = FeatureContext("spec-z", n_pieces=2), labelled()
    batch.redshift[:] = torch.linspace(0.1, 0.4, len(batch))
    context.fit(batch)
    farther = replace(batch, redshift=batch.redshift + 0.1)
    column = context.names.index("redshift")
    torch.testing.assert_close(
        context.values(farther)[:, column], context.values(batch)[:, column] + 0.1
    )


def test_features_of_an_early_curve_hold_nothing_later():
    module, batch = told(), labelled()
    start = until(batch, 0).t_ref[:, None]
    later = replace(batch, flux=torch.where(batch.time > start + 10, 9e4, batch.flux))
    torch.testing.assert_close(module.context(until(batch, 10)), module.context(until(later, 10)))
    tables = [Classifier([module]).predict(b, epochs=[10]) for b in (batch, later)]
    pd.testing.assert_frame_equal(*tables)


def test_a_saved_classifier_knows_its_features(tmp_path):
    module, batch = told(), labelled()
    want = Classifier([module]).predict(batch)
    module.save_pretrained(tmp_path / "saved")
    feature_context._TABLE.maps.clear()
    again = Classifier.from_pretrained(tmp_path / "saved")
    pd.testing.assert_frame_equal(again.predict(batch), want)
    assert "parametric features" in (tmp_path / "saved" / "README.md").read_text()
    going_on = small(1, features=FEATURES, start_from=str(tmp_path / "saved"))
    torch.testing.assert_close(going_on.logits(batch), module.logits(batch))
    with pytest.raises(ConfigError, match="was trained with features="):
        small(1, start_from=str(tmp_path / "saved"))


def test_training_reads_features_of_the_unchanged_light_curve():
    dropping = {"_target_": "sntorch.classification.augmentation.RandomDropping", "largest": 0.9}
    module = small(features=FEATURES, augment=[dropping])
    batch = labelled()
    seen = []
    module.network.register_forward_pre_hook(lambda _, given: seen.append(given))
    module.log = lambda *_, **__: None
    module.training_step(batch, 1)
    given, context = seen[0]
    assert given.mask.sum() < batch.mask.sum()
    torch.testing.assert_close(context, module.context(batch))


def test_hidden_context_hides_the_features():
    module, batch = told(), labelled()
    hidden = torch.zeros(len(batch), dtype=torch.bool)
    hidden[0] = True
    found = module.context(batch, hidden)
    assert not found[0].any()
    torch.testing.assert_close(found[1:], module.context(batch)[1:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": {**FEATURES, "redshift": "guessed"}}, "redshift=guessed: accepted are"),
        ({"features": {**FEATURES, "n_pieces": -1}}, "n_pieces=-1: 0 or more"),
        ({"features": {**FEATURES, "kind": "bazin"}}, "unexpected keyword argument 'kind'"),
        ({"features": {"redshift": "none"}}, "a class as package.module.Class is accepted"),
        ({"features": {"_target_": "torch.nn.Linear"}}, "a subclass of FeatureContext"),
        (
            {
                "features": FEATURES,
                "augment": [{"_target_": "sntorch.classification.augmentation.RandomTruncation"}],
            },
            "RandomTruncation trains on its beginning",
        ),
        (
            {
                "features": FEATURES,
                "network": {"_target_": f"{NETWORKS}transformer.CausalTransformer"},
            },
            "CausalTransformer must not know",
        ),
    ],
)
def test_what_does_not_go_with_features_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        small(**options)


def test_a_photo_z_has_to_be_there():
    with pytest.raises(DataError, match="the light curves have no host columns"):
        told(redshift="photo-z")
