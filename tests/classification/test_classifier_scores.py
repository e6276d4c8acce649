"""Scores against scikit-learn and against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from judged import CLASSES, judged
from sklearn import metrics as sk

from sntorch.classification.evaluate.confusion import confusion_matrix, majority, per_class
from sntorch.classification.evaluate.likelihood import plasticc_log_loss
from sntorch.classification.evaluate.metrics import ALL, scores
from sntorch.classification.evaluate.ranking import curves, pr_auc, roc_auc
from sntorch.classification.evaluate.reliability import floor, of_class, reliability, top_label
from sntorch.classification.evaluate.sample import contamination, purity_at, sample_scores
from sntorch.classification.predictions import Predictions
from sntorch.errors import ConfigError, DataError


def test_scores_are_those_of_scikit_learn():
    p = judged()
    truth, called, ia = p.label, p.predicted, p.label == 0
    precision, recall, f1, _ = sk.precision_recall_fscore_support(truth, called, average="macro")
    one_hot = np.eye(3)[truth]
    expected = {
        "accuracy": sk.accuracy_score(truth, called),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, called),
        "macro_precision": precision,
        "macro_recall": recall,
        "macro_f1": f1,
        "roc_auc": sk.roc_auc_score(ia, p.score("Ia")),
        "pr_auc": sk.average_precision_score(ia, p.score("Ia")),
        "macro_roc_auc": sk.roc_auc_score(truth, p.probabilities, multi_class="ovr"),
        "macro_pr_auc": sk.average_precision_score(one_hot, p.probabilities),
        "log_loss": sk.log_loss(truth, p.probabilities),
        "brier": 3 * sk.mean_squared_error(one_hot, p.probabilities),
        "purity": sk.precision_score(ia, p.score("Ia") > 0.5),
        "efficiency": sk.recall_score(ia, p.score("Ia") > 0.5),
    }
    found = scores(p, "Ia")
    assert set(found) == set(ALL)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
    matrix = confusion_matrix(p)
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(truth, called))
    np.testing.assert_allclose(per_class(matrix)["f1"], sk.f1_score(truth, called, average=None))


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_areas_with_ties(decimals):
    rng = np.random.default_rng(3)
    truth, score = rng.random(300) < 0.3, rng.random(300).round(decimals)
    assert roc_auc(truth, score) == pytest.approx(sk.roc_auc_score(truth, score))
    assert pr_auc(truth, score) == pytest.approx(sk.average_precision_score(truth, score))


def test_a_set_without_one_kind_has_no_area():
    p = judged(20)
    p = p[p.label == 1]
    found = scores(p, "Ia")
    assert np.isnan(
        [found["roc_auc"], found["pr_auc"], found["efficiency"], found["purity_at_90"]]
    ).all()
    assert found["accuracy"] == found["balanced_accuracy"]
    assert all(len(points) == 0 for points in curves(p, "Ia").values())


def test_flat_log_loss_counts_every_class_the_same():
    p = Predictions(
        ["a", "b", "c"], [[0.5, 0.5], [0.25, 0.75], [0.9, 0.1]], [0, 0, 1], ("Ia", "CC")
    )
    classes = (-np.log(0.5) - np.log(0.25)) / 2, -np.log(0.1)
    assert plasticc_log_loss(p) == pytest.approx(np.mean(classes))
    assert plasticc_log_loss(p, {"CC": 2.0}) == pytest.approx((classes[0] + 2 * classes[1]) / 3)
    sure = Predictions(["a"], [[0.0, 1.0]], [0], ("Ia", "CC"))
    assert scores(sure, "Ia")["log_loss"] == pytest.approx(-np.log(1e-15))


def test_the_majority_baseline_has_what_can_be_worked_out():
    p = judged(600)
    share = p.counts / 600
    found = scores(majority(p), "Ia")
    assert found["accuracy"] == pytest.approx(share.max())
    assert found["balanced_accuracy"] == pytest.approx(1 / 3)
    assert found["roc_auc"] == 0.5
    assert found["pr_auc"] == pytest.approx(share[0])
    assert found["log_loss"] == pytest.approx(-(share * np.log(share)).sum())
    assert found["ece"] == pytest.approx(0, abs=1e-12)
    trained = majority(p, np.array([1, 1, 2]))
    assert trained.probabilities[0].tolist() == [0.25, 0.25, 0.5]


def test_objects_of_unknown_class_do_not_count():
    p = judged(50)
    label = p.label.copy()
    label[::2] = -1
    half = Predictions(p.object_id, p.probabilities, label, p.classes)
    assert scores(half, "Ia") == scores(p[1::2], "Ia")


def test_reliability_of_a_known_error():
    """Says 0.7 where 0.5 is true, and 0.2 where it is: an error of 0.2 for half the objects."""
    rng = np.random.default_rng(0)
    true = np.repeat([0.5, 0.2], 20_000)
    said = np.repeat([0.7, 0.2], 20_000)
    found = reliability(said, rng.random(40_000) < true)
    np.testing.assert_allclose(found.confidence, [0.2, 0.7])
    assert found.n.tolist() == [20_000, 20_000]
    assert found.ece == pytest.approx(0.1, abs=0.005)
    np.testing.assert_allclose(found.error, np.sqrt([0.16 / 2e4, 0.21 / 2e4]))


def test_bins_are_of_equal_mass_and_the_floor_is_what_finite_bins_give():
    rng = np.random.default_rng(1)
    p = rng.dirichlet([0.5, 0.5, 0.5], size=3000)
    label = (p.cumsum(1) < rng.random(3000)[:, None]).sum(1)
    true = Predictions([str(i) for i in range(3000)], p, label, CLASSES)
    found = top_label(true)
    assert found.n.tolist() == [200] * 15
    least = floor(true)
    assert 0.005 < least < 0.03
    assert found.ece == pytest.approx(least, abs=0.012)
    assert of_class(true, "II").n.sum() == 3000


def test_purities_and_contaminants():
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.55, 0.2, 0.1, 0.05])
    label = np.array([0, 0, 1, 0, 1, 1, 0, 1])
    types = ["Ia", "Ia", "Ic", "Ia", "IIP", "IIP", "Ia", "IIP"]
    p = Predictions(list("abcdefgh"), np.c_[score, 1 - score], label, ("Ia", "CC"), type=types)
    assert purity_at(p, "Ia", 0.5) == 1
    assert purity_at(p, "Ia", 0.75) == pytest.approx(3 / 4)
    assert purity_at(p, "Ia", 0.9) == pytest.approx(4 / 7)
    found = sample_scores(p, "Ia")
    assert found == pytest.approx(
        {"efficiency": 3 / 4, "purity": 3 / 5, "purity_balanced": 0.75 / (0.75 + 0.5)}
    )
    rows = {row["type"]: row for row in contamination(p, "Ia")}
    assert rows["Ic"]["leak"] == 1
    assert rows["IIP"] == {
        "type": "IIP",
        "n": 3,
        "n_kept": 1,
        "leak": pytest.approx(1 / 3),
        "contamination": 0.2,
    }


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no score f2; accepted are accuracy"):
        scores(judged(5), "Ia", ["f2"])
    with pytest.raises(DataError, match="no class 'SLSN'; the classes are Ia"):
        scores(judged(5), "SLSN")
