"""The figure of the augmentation experiment shows every arm at every number of objects."""

from __future__ import annotations

import pytest

from sntorch.plotting.augmentation import augmentation_gain


def test_every_arm_has_a_curve_of_one_colour():
    scores = {
        name: {10: (0.5 + i / 10, 0.4 + i / 10, 0.6 + i / 10), 100: (0.8, 0.7, 0.9)}
        for i, name in enumerate(("none", "jitter", "oracle"))
    }
    gains = {name: {10: (0.1, 0.0, 0.2)} for name in ("jitter", "oracle")}
    figure = augmentation_gain(scores, gains, "AP", "none")
    left, right = figure.axes
    assert [len(axes.containers) for axes in (left, right)] == [3, 2]
    colours = [axes.containers[i].lines[0].get_color() for axes, i in ((left, 1), (right, 0))]
    assert colours[0] == colours[1]
    none = left.containers[0].lines[0]
    assert none.get_ydata() == pytest.approx([0.5, 0.8])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(scores)
    assert right.get_ylabel() == "gain over none"
