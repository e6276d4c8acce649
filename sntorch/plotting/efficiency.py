"""Figures of what a selection keeps: cut by cut, and over two quantities of a supernova."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from sntorch.errors import ConfigError
from sntorch.plotting.corner import label_of
from sntorch.plotting.selection import COLORS
from sntorch.statistics.shares import BinnedShares

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
# Letters in a line of a cut's name, and lines.
WIDTH, LINES = 30, 3
# Injections below which a bin says next to nothing.
LEAST = 10
LEVELS = (0.1, 0.5, 0.9)
# Colours of differences end here, standard errors.
LIMIT = 4.0


def cut_flow_figure(flow: Mapping[str, int]) -> Figure:
    """How many objects are left after each cut, as bars with numbers and shares.

    Args:
        flow: What was left by the cut's name, in order, everything first: ``CutFlow.to_dict``.
    """
    counts = list(flow.values())
    total = max(counts[0], 1)
    figure = Figure(figsize=(7.2, 0.55 * len(counts) + 1.1), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(range(len(counts)), counts, color=["0.6", *[COLORS[0]] * (len(counts) - 1)])
    texts = [f"{count:,}  {count / total:.1%}" for count in counts]
    axes.bar_label(bars, texts, padding=4, fontsize="small")
    axes.set_yticks(range(len(counts)), [_wrapped(name) for name in flow], fontsize="small")
    axes.invert_yaxis()
    # Room for the text of the longest bar.
    axes.set(xlabel="objects left", xlim=(0, 1.3 * total))
    axes.locator_params(axis="x", nbins=5)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def efficiency_map_figure(
    counted: BinnedShares,
    names: tuple[str, str],
    learnt: ArrayLike | None = None,
    titles: tuple[str, str] = ("counted", "learnt"),
    least: int = LEAST,
) -> Figure:
    """What share is kept over two quantities; beside it what a model says, and the difference.

    Args:
        counted: Injections in bins; a function alone is its values at points, one in each bin,
            with ``least=1``.
        names: Of the two quantities; known parameters are written by their symbols.
        learnt: Shares by a model in the same bins, shape (X, Y).
        titles: Of what was counted and what was learnt.
        least: Bins of fewer injections are left grey.

    Raises:
        ConfigError: No bin has so many injections.
    """
    filled = counted.n >= least
    if not filled.any():
        raise ConfigError(f"efficiency map: no bin holds {least} injections")
    share = np.where(filled, counted.share, np.nan)
    count = 1 if learnt is None else 3
    figure = Figure(figsize=(1.2 + 4.2 * count, 4.2), layout="constrained")
    panels = figure.subplots(1, count, squeeze=False, sharex=True, sharey=True)[0]
    _shares(panels[0], counted, share, titles[0])
    if learnt is not None:
        model = np.where(filled, np.asarray(learnt, dtype=float), np.nan)
        _shares(panels[1], counted, model, titles[1])
        _difference(panels[2], counted, (model - share) / counted.error, titles)
    for axes in panels:
        axes.set(facecolor="0.88", xlabel=label_of(names[0]))
    panels[0].set(ylabel=label_of(names[1]))
    return figure


def _shares(axes: Axes, bins: BinnedShares, share: Array, title: str) -> None:
    image = axes.pcolormesh(bins.x_edges, bins.y_edges, share.T, vmin=0, vmax=1, rasterized=True)
    axes.figure.colorbar(image, ax=axes, pad=0.02, label="share kept")
    axes.set_title(title, fontsize="medium")
    x, y = ((edges[1:] + edges[:-1]) / 2 for edges in (bins.x_edges, bins.y_edges))
    known = share[np.isfinite(share)]
    levels = [level for level in LEVELS if known.min() < level < known.max()]
    if levels and min(share.shape) > 1:
        lines = axes.contour(x, y, np.ma.masked_invalid(share.T), levels, colors="white")
        axes.clabel(lines, fontsize="small")


def _difference(axes: Axes, bins: BinnedShares, pull: Array, titles: tuple[str, str]) -> None:
    image = axes.pcolormesh(
        bins.x_edges, bins.y_edges, pull.T, cmap="RdBu_r", vmin=-LIMIT, vmax=LIMIT, rasterized=True
    )
    axes.figure.colorbar(image, ax=axes, pad=0.02, extend="both", label="standard errors")
    counted, learnt = titles
    rms = np.sqrt(np.nanmean(pull**2))
    axes.set_title(f"{learnt} - {counted}: rms {rms:.2f}", fontsize="medium")


def _wrapped(name: str) -> str:
    """A cut's name in a few lines, words of one piece and long ones broken."""
    return "\n".join(wrap(name.replace("_", " "), WIDTH, max_lines=LINES, placeholder=" …"))
