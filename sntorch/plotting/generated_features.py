"""Summary features of generated light curves beside those of real ones.

Features come as arrays by name, NaN where an object does not have one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sntorch.plotting.corner import PAIR, corner_grid

Array = NDArray[np.float64]
Features = Mapping[str, Array]
FEWEST_DRAWN = 30
# Held-out objects may be simulated: "real" would say too much.
NAMES = ("held out", "generated")


def feature_histograms(real: Features, generated: Features, label: str) -> Figure:
    """Distribution of every feature, real (filled) against generated (line).

    Args:
        real: Features to draw, a panel each; its names are the titles.
        generated: The same features of the other sample.
        label: What they are, with unit.
    """
    columns = min(len(real), 4)
    rows = -(-len(real) // columns)
    figure = Figure(figsize=(3.3 * columns, 2.9 * rows), layout="constrained")
    panels = list(np.asarray(figure.subplots(rows, columns, squeeze=False)).flat)
    for axes, name in zip(panels, real, strict=False):
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=8)
        _histogram(axes, *(v[np.isfinite(v)] for v in (real[name], generated[name])))
    for axes in panels[len(real) :]:
        axes.set_visible(False)
    figure.supxlabel(label, fontsize=9)
    figure.supylabel("share of objects", fontsize=9)
    return figure


def feature_corner(real: Features, generated: Features) -> Figure | None:
    """Features alone and in pairs (68 % and 95 % contours), of objects that have them all.

    Args:
        real: Features by the name to draw them with.
        generated: The same features of the other sample.

    Returns:
        None where a sample has fewer than 30 such objects, or a feature does not vary.
    """
    samples = [_complete(features) for features in (real, generated)]
    if any(len(v) < FEWEST_DRAWN or not np.ptp(v) > 0 for s in samples for v in s.values()):
        return None
    figure = corner_grid(samples)
    lines = figure.axes[0].lines[:2]
    figure.legend(lines, NAMES, loc="upper right", bbox_to_anchor=(0.98, 0.95))
    return figure


def embedding_scatter(real: Array, generated: Array) -> Figure:
    """Both samples in the plane of an embedding, all together and each alone.

    Args:
        real: Coordinates, shape (N, 2).
        generated: Coordinates, shape (M, 2).
    """
    figure = Figure(figsize=(10.5, 3.7), layout="constrained")
    panels: Sequence[Any] = figure.subplots(1, 3, sharex=True, sharey=True)
    for axes, shown in zip(panels, ((0, 1), (0,), (1,)), strict=True):
        for k in shown:
            points = (real, generated)[k]
            axes.scatter(*points.T, s=6, lw=0, alpha=0.55, color=PAIR[k], label=NAMES[k])
        axes.set(xticks=[], yticks=[])
        axes.legend(frameon=False, fontsize=8, loc="upper right", markerscale=2)
    figure.supxlabel("t-SNE of the whitened features (axes have no unit)", fontsize=9)
    return figure


def _histogram(axes: Axes, real: Array, generated: Array) -> None:
    everything = np.concatenate([real, generated])
    if not everything.size:
        return
    low, high = np.quantile(everything, [0.005, 0.995])
    if not high > low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, 26)
    weights = [np.full(v.size, 1 / max(v.size, 1)) for v in (real, generated)]
    shown = [f"{name} ({v.size})" for name, v in zip(NAMES, (real, generated), strict=True)]
    axes.hist(real, edges, weights=weights[0], color="0.8", label=shown[0])
    axes.hist(
        generated,
        edges,
        weights=weights[1],
        histtype="step",
        lw=1.5,
        color=PAIR[1],
        label=shown[1],
    )
    axes.set_ylim(top=1.3 * axes.get_ylim()[1])
    axes.legend(frameon=False, fontsize=7, loc="upper right")


def _complete(features: Features) -> dict[str, Array]:
    whole = np.all([np.isfinite(v) for v in features.values()], axis=0)
    return {name: v[whole] for name, v in features.items()}
