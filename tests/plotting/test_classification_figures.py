"""Figures of classifiers hold what they were given."""

from __future__ import annotations

import numpy as np
import pytest

from sntorch.data.light_curve import LightCurve
from sntorch.plotting.classification import (
    confusion_figure,
    probability_figure,
    reliability_figure,
    roc_figure,
    score_figure,
)


def test_confusion_has_shares_of_rows_and_numbers():
    figure = confusion_figure([[8, 2], [0, 5]], ["Ia", "CC"], "title")
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.8, 0.2], [0, 1]])
    assert [t.get_text() for t in axes.texts] == ["0.80\n8", "0.20\n2", "1.00\n5"]
    assert axes.get_ylabel() == "true class"
    empty = confusion_figure(np.zeros((9, 9), dtype=int), [str(i) for i in range(9)])
    assert not empty.axes[0].texts


def test_reliability_has_error_bars_and_the_diagonal():
    figure = reliability_figure({"all": ([0.2, 0.8], [0.3, 0.7], [0.05, 0.05])}, {"all": 0.1})
    axes = figure.axes[0]
    bars = axes.containers[0]
    assert bars.lines[0].get_ydata().tolist() == [0.3, 0.7]
    assert bars.get_label() == "all (ECE 0.100)"
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [1, 1]]


def test_both_curves_of_every_model():
    curve = {
        "false_positive_rate": [0, 0.5, 1],
        "true_positive_rate": [0, 0.9, 1],
        "efficiency": [1, 0.5, 0],
        "purity": [0.5, 0.8, 1],
    }
    left, right = roc_figure({"a": curve, "b": curve}, "Ia").axes
    assert len(left.lines) == 3
    assert right.lines[1].get_ydata().tolist() == [0.5, 0.8, 1]
    assert right.get_ylabel() == "purity of Ia"


def test_scores_with_intervals_and_counts():
    curve = {5.0: (0.8, 0.7, 0.9), 0.0: (0.5, 0.4, 0.6)}
    figure = score_figure(
        {"accuracy": {"x": curve, "y": curve}, "purity": {"x": curve}}, "days", {0.0: 2.5}
    )
    first, second = figure.axes
    assert first.lines[0].get_xydata().tolist() == [[0, 0.5], [5, 0.8]]
    assert len(first.lines) == 2
    assert len(second.collections) == 1
    assert [t.get_text() for t in first.texts] == ["2.5"]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["x", "y"]
    assert not score_figure({"accuracy": {"x": curve}}, "days").legends


def test_probabilities_follow_the_light_curve():
    time = np.arange(57000.0, 57030, 5)
    one = LightCurve.from_arrays(
        "sn", time, 10 + time * 0, time * 0 + 1, ["desg"] * 6, peak_mjd=57010.0
    )
    p = np.linspace(0.5, 1, 6)
    figure = probability_figure(
        [one],
        [(time, np.c_[p, 1 - p])],
        ["Ia", "CC"],
        ["desg"],
        ["a title"],
        [np.full((6, 2), 0.1)],
    )
    top, bottom = figure.axes
    assert bottom.lines[0].get_xdata().tolist() == (time - 57010).tolist()
    assert bottom.lines[1].get_ydata() == pytest.approx(1 - p)
    assert len(bottom.collections) == 2
    assert top.get_title() == "a title"
    assert bottom.get_ylabel() == "probability"
