"""Figures of features show what they were given, and cope with what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from sntorch.plotting.generated_features import (
    embedding_scatter,
    feature_corner,
    feature_histograms,
)


def features(n, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    values = {"g": rng.normal(shift, 1, n), "r": rng.normal(shift, 1, n)}
    values["g"][::4] = np.nan
    return values


def test_histograms_add_up_and_count_the_objects_that_have_the_feature():
    figure = feature_histograms(features(400, 0), features(80, 1), "colour (mag)")
    axes = figure.axes[0]
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert sum(bar.get_height() for bar in bars) == pytest.approx(1, abs=0.03)
    assert [t.get_text() for t in axes.get_legend().get_texts()] == [
        "held out (300)",
        "generated (60)",
    ]
    assert axes.get_title() == "g"


def test_histograms_of_nothing_and_of_one_value():
    nothing = {"g": np.full(5, np.nan), "r": np.ones(5)}
    figure = feature_histograms(nothing, nothing, "")
    assert not figure.axes[0].patches
    assert figure.axes[1].patches


def test_corner_takes_complete_objects_and_names_both_samples():
    figure = feature_corner(features(400, 0), features(400, 1, shift=3.0))
    assert figure is not None
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["held out", "generated"]
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert [round(float(text.split(" ")[0])) for text in shown] == [0, 3]


@pytest.mark.parametrize("few", [features(20, 1), {"g": np.ones(100), "r": np.ones(100)}])
def test_no_corner_of_too_little(few):
    assert feature_corner(features(400, 0), few) is None


def test_embedding_shows_both_samples_together_and_alone(tmp_path):
    points = np.random.default_rng(0).normal(size=(30, 2))
    figure = embedding_scatter(points, points[:10])
    counts = [[len(c.get_offsets()) for c in axes.collections] for axes in figure.axes]
    assert counts == [[30, 10], [30], [10]]
    figure.savefig(tmp_path / "figure.png", dpi=40)
