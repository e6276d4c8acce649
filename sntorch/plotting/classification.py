"""Figures of classifiers: confusion, calibration, ROC and purity, scores against anything, and the
probabilities of single light curves as they come in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from sntorch.data.light_curve import LightCurve
from sntorch.plotting.light_curves import COLORS, MARKERS, plot_light_curve

# Place on the axis -> value, lower and upper end of its interval.
Curve = Mapping[float, tuple[float, float, float]]
PANEL = 3.4
# Ranges of more than this factor get a logarithmic axis.
WIDE = 30.0
# Between two counts, in widths of the panel.
LEAST_APART = 0.1


def confusion_figure(matrix: ArrayLike, classes: Sequence[str], title: str = "") -> Figure:
    """Shares of each true class (rows sum to one), with the numbers of objects.

    Args:
        matrix: Objects of each class by most probable class, shape (C, C).
        classes: Names of the C classes.
        title: Title of the figure.
    """
    counts = np.asarray(matrix)
    share = counts / counts.sum(1, keepdims=True).clip(1)
    n = len(classes)
    size = max(3.6, 0.62 * n + 1.6)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(n, n):
        if counts[i, j]:
            text = f"{share[i, j]:.2f}\n{counts[i, j]}" if n <= 8 else f"{share[i, j]:.2f}"
            color = "white" if share[i, j] > 0.55 else "black"
            axes.text(j, i, text, ha="center", va="center", color=color, fontsize=8)
    tilt = {"rotation": 45, "ha": "right"} if n > 3 else {}
    axes.set_xticks(range(n), classes, **tilt)
    axes.set_yticks(range(n), classes)
    axes.set_xlabel("most probable class")
    axes.set_ylabel("true class")
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.85)
    if title:
        axes.set_title(title, fontsize=10)
    return figure


def reliability_figure(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]], errors: Mapping[str, float]
) -> Figure:
    """Observed frequency against probability, with binomial error bars.

    Args:
        curves: Mean probability, frequency and its standard error by bin, for each name.
        errors: Expected calibration error of each name.
    """
    figure = Figure(figsize=(4.6, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, zorder=0)
    for i, (name, (confidence, frequency, error)) in enumerate(curves.items()):
        axes.errorbar(
            confidence,
            frequency,
            error,
            color=COLORS[i % len(COLORS)],
            marker=MARKERS[i % len(MARKERS)],
            markersize=4,
            linewidth=1,
            capsize=2,
            label=f"{name} (ECE {errors[name]:.3f})",
        )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xlabel("probability")
    axes.set_ylabel("frequency (bars: binomial errors)")
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def roc_figure(curves: Mapping[str, Mapping[str, ArrayLike]], positive: str) -> Figure:
    """ROC curves, and purity against efficiency.

    Args:
        curves: For each name ``false_positive_rate``, ``true_positive_rate``, ``efficiency`` and
            ``purity``, shape (K,) each.
        positive: The class that they are of.
    """
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for i, (name, curve) in enumerate(curves.items()):
        style = {"color": COLORS[i % len(COLORS)], "linewidth": 1.3}
        left.plot(curve["false_positive_rate"], curve["true_positive_rate"], label=name, **style)
        # The first point of the curve holds every object, the last one none.
        right.plot(curve["efficiency"], curve["purity"], **style)
    left.plot([0, 1], [0, 1], color="0.6", linewidth=1, zorder=0)
    left.set_xlabel(f"share of the others called {positive}")
    left.set_ylabel(f"share of {positive} called {positive}")
    right.set_xlabel(f"efficiency of {positive}")
    right.set_ylabel(f"purity of {positive}")
    for axes in (left, right):
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    left.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def score_figure(
    curves: Mapping[str, Mapping[str, Curve]],
    label: str,
    counts: Mapping[float, float] | None = None,
) -> Figure:
    """Scores against something, a panel for each score and a colour for each model.

    Args:
        curves: By score, then by model.
        label: What is on the axis, with its unit.
        counts: Mean number of observations (or of objects) at each place, written above.
    """
    n = len(curves)
    figure = Figure(figsize=(PANEL * n + 0.4, PANEL + 0.3), layout="constrained")
    panels = figure.subplots(1, n, squeeze=False, sharex=True)[0]
    for axes, (score, models) in zip(panels, curves.items(), strict=True):
        for i, (name, curve) in enumerate(models.items()):
            _draw(axes, curve, name, i)
        axes.set_ylabel(score)
        if counts:
            _write(axes, counts)
    figure.supxlabel(label, fontsize=10)
    names = {name for models in curves.values() for name in models}
    if len(names) > 1:
        handles = panels[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside upper center", ncols=len(names), frameon=False)
    return figure


def probability_figure(
    light_curves: Sequence[LightCurve],
    histories: Sequence[tuple[ArrayLike, ArrayLike]],
    classes: Sequence[str],
    bands: Sequence[str],
    titles: Sequence[str] = (),
    spreads: Sequence[ArrayLike] | None = None,
) -> Figure:
    """Light curves above, the probability of each class below, as observations come in.

    Args:
        light_curves: The objects.
        histories: For each object, dates (K,), MJD, and probabilities (K, C) from what was known
            at each.
        classes: Names of the C classes.
        bands: Bands to draw.
        titles: One for each object.
        spreads: Standard deviations of the probabilities, (K, C) each, drawn as bands.
    """
    n = len(light_curves)
    figure = Figure(figsize=(PANEL * n + 1.2, 4.6), layout="constrained")
    panels = figure.subplots(2, n, squeeze=False, sharex="col", height_ratios=(1.3, 1))
    for k, (one, (dates, p)) in enumerate(zip(light_curves, histories, strict=True)):
        top, bottom = panels[:, k]
        plot_light_curve(top, one, bands)
        start = one.reference_time
        spread = None if spreads is None else np.asarray(spreads[k])
        _history(bottom, np.asarray(dates) - start, np.asarray(p), spread, classes)
        top.set_title(titles[k] if titles else one.object_id, fontsize=9)
    panels[0, 0].set_ylabel("flux (FLUXCAL)")
    panels[1, 0].set_ylabel("probability")
    figure.supxlabel("days from the reference time (observed)", fontsize=10)
    for row in panels:
        handles = row[0].get_legend_handles_labels()
        beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
        row[-1].legend(*handles, frameon=False, fontsize=8, **beside)
    return figure


def _history(
    axes: Axes, days: np.ndarray, p: np.ndarray, spread: np.ndarray | None, classes: Sequence[str]
) -> None:
    for c, name in enumerate(classes):
        color = COLORS[c % len(COLORS)]
        axes.plot(days, p[:, c], color=color, marker=".", linewidth=1.2, label=name)
        if spread is not None:
            low, high = p[:, c] - spread[:, c], p[:, c] + spread[:, c]
            axes.fill_between(days, low.clip(0), high.clip(None, 1), color=color, alpha=0.2)
    axes.set_ylim(-0.03, 1.03)


def _draw(axes: Axes, curve: Curve, name: str, i: int) -> None:
    place = np.array(sorted(curve))
    value, low, high = np.array([curve[x] for x in place.tolist()]).T
    color, marker = COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]
    axes.plot(place, value, color=color, marker=marker, markersize=4, linewidth=1.2, label=name)
    axes.fill_between(place, low, high, color=color, alpha=0.18, linewidth=0)
    if place[0] > 0 and place[-1] > WIDE * place[0]:
        axes.set_xscale("log")


def _write(axes: Axes, counts: Mapping[float, float]) -> None:
    """Counts above the panel, those left out that would stand on the one before."""
    apart = LEAST_APART * (max(counts) - min(counts))
    last = -np.inf
    for place in sorted(counts):
        if place - last < apart:
            continue
        last = place
        axes.annotate(
            f"{counts[place]:.3g}",
            (place, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=6.5,
            color="0.4",
        )
