"""Figures of what a selection keeps: cut by cut, and over two quantities of a supernova."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
# Bins of a histogram, and the share of simulated magnitudes beyond them on each side.
BINS, TAIL = 24, 0.002
# Injections below which a bin says next to nothing.
LEAST = 10
LEVELS = (0.25, 0.5, 0.75)
# Counts are smoothed for contours, bins; maps of fewer bins on a side have none.
SMOOTHING, FINE = 1.0, 8
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
    texts = [f"{count:,}  {100 * count / total:.3g}%" for count in counts]
    axes.bar_label(bars, texts, padding=4, fontsize="small")
    axes.set_yticks(range(len(counts)), [_wrapped(name) for name in flow], fontsize="small")
    axes.invert_yaxis()
    # Room for the text of the longest bar.
    axes.set(xlabel="objects left", xlim=(0, 1.3 * total))
    axes.locator_params(axis="x", nbins=5)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def kept_figure(
    magnitude: ArrayLike, kept: ArrayLike, observed: ArrayLike, redshift: ArrayLike
) -> Figure:
    """The share that is kept by magnitude and by redshift, above what was observed.

    Args:
        magnitude: Measured ones of S simulated supernovae like each observed one, before
            selection, shape (S, N).
        kept: Their probabilities to be kept, shape (S, N).
        observed: Measured magnitudes, shape (N,).
        redshift: Of the observed supernovae, shape (N,).
    """
    m, p, seen, z = (np.asarray(a, dtype=float) for a in (magnitude, kept, observed, redshift))
    figure = Figure(figsize=(9.2, 5.2), layout="constrained")
    panels = figure.subplots(2, 2, sharex="col", height_ratios=[1, 1])
    low, high = np.quantile(m, (TAIL, 1 - TAIL))
    edges = np.linspace(min(low, seen.min()), max(high, seen.max()), BINS + 1)
    counts, total = (np.histogram(m, edges, weights=w)[0] for w in (None, p))
    share = np.where(counts >= LEAST, total / np.maximum(counts, 1), np.nan)
    middle = (edges[1:] + edges[:-1]) / 2
    panels[0, 0].plot(middle, share, "o-", ms=3, color=COLORS[0])
    panels[0, 1].plot(z, p.mean(0), "o", ms=3, color=COLORS[0], alpha=0.7)
    for axes in panels[0]:
        axes.set(ylim=(-0.03, 1.03))
    panels[0, 0].set(ylabel="probability to be kept")
    # Given its redshift each supernova is there once, before selection as after it.
    weight = p / np.maximum(p.sum(0), np.finfo(float).tiny)
    below = panels[1, 0]
    below.hist(seen, edges, color="0.8", label="observed")
    expected = np.histogram(m, edges, weights=weight)[0]
    below.stairs(expected, edges, color=COLORS[1], lw=1.6, label="expected of what is kept")
    below.stairs(counts / len(m), edges, color=COLORS[0], ls=":", lw=1.6, label="before selection")
    below.legend(frameon=False, fontsize="small", loc="upper left")
    below.set(xlabel="measured peak magnitude (mag)", ylabel="supernovae in a bin")
    panels[1, 1].hist(z, BINS, color="0.8")
    panels[1, 1].set(xlabel=label_of("redshift"))
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
    # Labels of colour bars keep clear of the next panel.
    figure.set_layout_engine("constrained", w_pad=0.12)
    few = "" if filled.all() else f" (grey: fewer than {least})"
    _share(panels[0], counted, share, titles[0] + few)
    _contours(panels[0], counted, np.where(filled, _smooth(counted), np.nan))
    if learnt is not None:
        model = np.where(filled, np.asarray(learnt, dtype=float), np.nan)
        _share(panels[1], counted, model, titles[1])
        _contours(panels[1], counted, model)
        _difference(panels[2], counted, share, model, titles)
    for axes in panels:
        axes.set(facecolor="0.88", xlabel=label_of(names[0]))
    panels[0].set(ylabel=label_of(names[1]))
    return figure


def _share(axes: Axes, bins: BinnedShares, share: Array, title: str) -> None:
    image = axes.pcolormesh(bins.x_edges, bins.y_edges, share.T, vmin=0, vmax=1, rasterized=True)
    axes.figure.colorbar(image, ax=axes, pad=0.02, label="share kept")
    axes.set_title(title, fontsize="medium")


def _smooth(bins: BinnedShares) -> Array:
    """Shares with the counts of the bins around, shape (X, Y)."""
    from scipy.ndimage import gaussian_filter

    kept, n = (gaussian_filter(counts, SMOOTHING) for counts in (bins.kept, bins.n))
    return kept / np.where(n > 0, n, np.nan)


def _contours(axes: Axes, bins: BinnedShares, share: Array) -> None:
    known = share[np.isfinite(share)]
    levels = [level for level in LEVELS if known.min() < level < known.max()]
    if not levels or min(share.shape) < FINE:
        return
    x, y = ((edges[1:] + edges[:-1]) / 2 for edges in (bins.x_edges, bins.y_edges))
    lines = axes.contour(x, y, np.ma.masked_invalid(share.T), levels, colors="white")
    axes.clabel(lines, fontsize="small")


def _difference(
    axes: Axes, bins: BinnedShares, share: Array, model: Array, titles: tuple[str, str]
) -> None:
    # Errors are those that the model expects: of counts of zero there are none to speak of.
    expected = replace(bins, kept=model * bins.n)
    pull = (model - share) / expected.error
    image = axes.pcolormesh(
        bins.x_edges, bins.y_edges, pull.T, cmap="RdBu_r", vmin=-LIMIT, vmax=LIMIT, rasterized=True
    )
    axes.figure.colorbar(image, ax=axes, pad=0.02, extend="both", label="standard errors")
    # Where all or none are expected there is nothing to differ.
    partly = pull[(expected.kept > 1) & (bins.n - expected.kept > 1)]
    rms = f": rms {np.sqrt(np.mean(partly**2)):.2f} at the edge" if partly.size else ""
    axes.set_title(f"{titles[1]} - {titles[0]}{rms}", fontsize="medium")


def _wrapped(name: str) -> str:
    """A cut's name in a few lines; a config's key as words, a cut itself as Python writes it."""
    words = name.replace("_", " ") if name.isidentifier() else name
    return "\n".join(wrap(words, WIDTH, max_lines=LINES, placeholder=" …"))
