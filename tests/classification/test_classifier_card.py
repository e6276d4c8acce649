"""What the card of a published classifier says, and that it is true."""

from __future__ import annotations

import torch
from small_classifiers import labelled, small

from sntorch.classification import ClassifierModule
from sntorch.classification.early import WHOLE
from sntorch.classification.evaluate.report import evaluate_classifier
from sntorch.classification.predictions import Predictions
from sntorch.pretrained import training_sha256


def card_of(module, folder, scores=None):
    module.save_pretrained(folder, scores)
    return (folder / "README.md").read_text(encoding="utf-8")


def test_the_card_says_what_the_classifier_learned_from(tmp_path):
    batch = labelled()
    card = card_of(small(), tmp_path)
    low, high = float(batch.redshift.min()), float(batch.redshift.max())
    assert card.startswith("# Transformer: classes of supernova light curves")
    assert "Classes: Ia, II." in card
    assert "Bands: desg, desr, desi; fluxes with zero point 27.5" in card
    assert "Known besides the photometry: nothing, not even the redshift" in card
    assert f"12 objects, redshift {low:.3g} to {high:.3g}." in card
    assert "| Ia | 6 |\n| II | 6 |" in card
    assert f"`{training_sha256(batch)}`" in card
    assert "hardly learnt: Ia (6), II (6)" in card
    assert "Not scored" in card
    assert "# p_Ia, p_II" in card


def test_the_card_says_what_is_known_besides(tmp_path):
    batch = labelled()
    batch.redshift[:] = torch.nan
    batch.host = torch.randn(len(batch), 2, dtype=torch.float64)
    options = {"context": ["host_1", "mwebv"], "context_dropout": 0.2, "class_weights": True}
    batch.mwebv[:] = 0.1
    card = card_of(small(batch=batch, host=["ra", "mass"], **options), tmp_path)
    assert "host_1 (mass), mwebv, hidden from a share of 0.2" in card
    assert "not needed to classify" in card
    assert "classes weigh equally" in card
    assert "12 objects, redshift unknown." in card
    again = ClassifierModule.from_pretrained(tmp_path)
    assert again.host == ("ra", "mass")
    assert card_of(again, tmp_path) == card


def test_scores_stand_beside_the_majority_class(tmp_path):
    batch = labelled(60)
    wrong = torch.tensor([[0.9, 0.1]]).expand(60, 2)
    predictions = Predictions.of(batch, wrong, batch.classes)
    scores = evaluate_classifier({WHOLE: predictions}, redshift="spec-z", n_resamples=3)
    card = card_of(small(), tmp_path, scores)
    assert "60 objects that had no part in training (30 Ia, 30 II)" in card
    assert "redshift: spec-z" in card
    assert "| accuracy | 0.500 | " in card
    assert "Fewer than half of these classes are found (recall): II (0.000)" in card
    assert "Not scored" not in card
