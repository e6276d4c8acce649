"""The scores of a classifier as one dictionary, and as files."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from judged import judged

from sntorch.classification.early import WHOLE, Epoch
from sntorch.classification.evaluate.metrics import scores
from sntorch.classification.evaluate.report import evaluate_classifier, tables
from sntorch.cli.classifier_report import (
    classifier_figures,
    classifier_summary,
    write_classifier_report,
)
from sntorch.errors import DataError


def epochs(skill: float) -> dict:
    z = np.linspace(0.1, 0.9, 200)
    known = {
        "redshift": z,
        "snr": 10 / z,
        "n_observations": np.full(200, 12),
        "type": ["Ia", "IIP"] * 100,
    }
    at = {
        WHOLE: 1.0,
        Epoch("trigger", 0.0): 0.3,
        Epoch("trigger", 10.0): 0.6,
        Epoch("peak", 0.0): 0.7,
    }
    return {epoch: judged(200, skill=skill * share, **known) for epoch, share in at.items()}


@pytest.fixture(scope="module")
def given() -> tuple:
    ours, trees = epochs(3.0), {"trees": epochs(1.5)}
    foreign = {"random": judged(100, seed=4, skill=0.0)}
    return ours, trees, evaluate_classifier(ours, "Ia", trees, foreign, n_resamples=10)


def test_scores_stand_beside_their_floors(given):
    ours, trees, metrics = given
    for name, value in scores(ours[WHOLE], "Ia").items():
        score = metrics["scores"][name]
        assert score["value"] == pytest.approx(value)
        assert score["low"] <= score["high"]
    assert metrics["scores"]["roc_auc"]["majority"] == 0.5
    other = metrics["others"]["trees"]
    gap = other["differences"]["accuracy"]
    assert gap["value"] == pytest.approx(
        metrics["scores"]["accuracy"]["value"] - scores(trees["trees"][WHOLE], "Ia")["accuracy"]
    )
    assert gap["low"] > 0
    assert other["mcnemar"]["p_value"] < 0.01
    assert 0 < metrics["calibration"]["floor"] < 0.2
    assert metrics["foreign"]["random"] > 0.7
    json.dumps(metrics, allow_nan=False)


def test_epochs_and_bins_are_rows(given):
    metrics = given[2]
    assert [(row["reference"], row["days"]) for row in metrics["epochs"]] == [
        ("trigger", 0),
        ("trigger", 10),
        ("peak", 0),
    ]
    assert metrics["epochs"][0]["n_observations"] == 12
    assert {"redshift", "snr"} <= set(metrics["against"])
    assert sum(row["n"] for row in metrics["against"]["redshift"]) == 200
    assert [row["class"] for row in metrics["per_class"]] == ["Ia", "II", "Ibc"]
    made = tables(metrics)
    assert all(row.keys() == rows[0].keys() for rows in made.values() for row in rows)
    assert (
        made["scores"][0]["minus_trees"]
        == metrics["others"]["trees"]["differences"]["accuracy"]["value"]
    )


def test_the_report_is_written(given, tmp_path):
    ours, trees, metrics = given
    figures = classifier_figures(metrics, ours, trees)
    # Drawing takes half a second each; the command's own test draws them all.
    drawn = {name: figures[name] for name in ("roc", "since_peak")}
    write_classifier_report(tmp_path, metrics, drawn, "made up <1>")
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    expected = {
        "confusion",
        "reliability",
        "roc",
        "since_trigger",
        "since_peak",
        "against_redshift",
        "against_snr",
    }
    assert expected <= {*figures}
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} == {*drawn}
    with (tmp_path / "tables" / "epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[1]["accuracy"]) == metrics["epochs"][1]["accuracy"]
    page = (tmp_path / "report.html").read_text()
    assert "made up &lt;1&gt;" in page
    assert page.count("<img") == len(drawn)
    assert "redshift: none" in page


def test_the_summary_is_a_table(given):
    lines = classifier_summary(given[2]).splitlines()
    assert lines[0].split()[:2] == ["score", "classifier"]
    assert lines[1].startswith("accuracy")
    assert "200 objects" in lines[-1]


def test_what_is_missing_is_said():
    p = judged(20)
    with pytest.raises(DataError, match="whole light curves are missing"):
        evaluate_classifier({Epoch("peak", 0.0): p})
    with pytest.raises(DataError, match="no class 'SLSN'"):
        evaluate_classifier({WHOLE: p}, "SLSN")
    unknown = type(p)(p.object_id, p.probabilities, np.full(20, -1), p.classes)
    with pytest.raises(DataError, match="nothing to score on"):
        evaluate_classifier({WHOLE: unknown})
