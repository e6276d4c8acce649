"""What a classifier gains from generated objects, against the number of real ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from sntorch.plotting.light_curves import COLORS, MARKERS

# Number of real objects -> value, lower and upper end of its interval.
Curve = Mapping[int, tuple[float, float, float]]
# Between neighbouring arms at one number of objects, in ln n.
SPREAD = 0.03


def augmentation_gain(
    scores: Mapping[str, Curve], gains: Mapping[str, Curve], score: str, reference: str
) -> Figure:
    """Scores of all arms, and their paired gains over one of them.

    Args:
        scores: Mean score by arm and number of rare objects.
        gains: The mean difference to the reference arm, likewise.
        score: What the score is called.
        reference: Name of the reference arm.
    """
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw(left, scores)
    left.set_ylabel(score)
    _draw(right, gains, {name: i for i, name in enumerate(scores)})
    right.axhline(0, color="0.4", linewidth=1, zorder=0)
    right.set_ylabel(f"gain over {reference}")
    figure.supxlabel(
        "real objects of the rare class (bars: 95 % intervals over repetitions)", fontsize=10
    )
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center", frameon=False)
    return figure


def _draw(axes: Axes, curves: Mapping[str, Curve], place: Mapping[str, int] | None = None) -> None:
    place = place or {name: i for i, name in enumerate(curves)}
    numbers = sorted({n for curve in curves.values() for n in curve})
    for name, curve in curves.items():
        i = place[name]
        found = sorted(curve)
        value, low, high = np.array([curve[n] for n in found]).T
        axes.errorbar(
            np.array(found) * np.exp(SPREAD * (i - (len(place) - 1) / 2)),
            value,
            yerr=np.clip([value - low, high - value], 0, None),
            marker=MARKERS[i % len(MARKERS)],
            color=COLORS[i % len(COLORS)],
            markersize=5,
            linewidth=1,
            capsize=2,
            label=name,
        )
    axes.set_xscale("log")
    axes.set_xticks(numbers, [str(n) for n in numbers])
    axes.xaxis.set_minor_locator(NullLocator())
