"""Figures of selected samples: residuals from the Hubble line, and what fraction is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.stats import kstwo

from sntorch.plotting.corner import label_of

LINES = ("-", "--", ":", "-.")
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def selection_figure(
    redshift: ArrayLike,
    residual: ArrayLike,
    error: ArrayLike,
    expected: ArrayLike,
    kept: ArrayLike,
    label: str = "expected of what is kept",
) -> Figure:
    """Standardised magnitudes of a sample against what the model expects of kept supernovae.

    Args:
        redshift: shape (N,).
        residual: Standardised magnitude minus that of the Hubble line, mag, shape (N,).
        error: Its standard deviation, shape (N,).
        expected: Its mean among kept supernovae (the Malmquist bias), mag, shape (N,).
        kept: Probability that such a supernova is kept, shape (N,).
        label: What ``expected`` is, for the legend.
    """
    z, values, sd, mean, share = (
        np.asarray(a, dtype=float) for a in (redshift, residual, error, expected, kept)
    )
    order = np.argsort(z)
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    top.axhline(0, color="0.4", lw=1.0, label="before selection")
    top.errorbar(z, values, sd, fmt="o", ms=3, lw=0.7, color="0.35", alpha=0.7)
    # Points: it depends on each supernova's own errors.
    top.plot(z, mean, "s", ms=3.5, color=COLORS[1], label=label, zorder=4)
    top.set(ylabel="standardised magnitude - line (mag)")
    top.invert_yaxis()
    top.legend(frameon=False, fontsize="small")
    below.plot(z[order], share[order], color=COLORS[0], lw=1.6)
    below.set(xlabel="redshift", ylabel="probability to be kept", ylim=(0, 1.02))
    return figure


def calibration_figure(
    ranks: Mapping[str, ArrayLike], levels: ArrayLike, expected_coverage: ArrayLike
) -> Figure:
    """Ranks of the truth by parameter, with what uniform ones may do, and TARP's coverage.

    Args:
        ranks: Share of draws below the truth of B surveys, shape (B,), by parameter.
        levels: Credibility levels, shape (L,).
        expected_coverage: Share of surveys with the truth in TARP's regions, shape (L,).
    """
    figure = Figure(figsize=(9.2, 4.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    grid = np.linspace(0, 1, 201)
    n = max(len(np.asarray(values)) for values in ranks.values())
    # The 95 % band of Kolmogorov's statistic.
    band = float(kstwo.ppf(0.95, n))
    for axes in (left, right):
        axes.fill_between(grid, -band, band, color="0.9", label="95 % band")
        axes.axhline(0, color="0.4", lw=1.0)
    for k, (name, values) in enumerate(ranks.items()):
        share = np.searchsorted(np.sort(np.asarray(values)), grid, side="right") / n
        turn, place = divmod(k, len(COLORS))
        style = {"color": COLORS[place], "ls": LINES[turn % len(LINES)]}
        left.plot(grid, share - grid, label=label_of(name), **style)
    left.set(xlabel="rank of the truth", ylabel="share of surveys - rank", title="SBC")
    # Below the panels: on the band it would hide what the lines do.
    handles, labels = left.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", frameon=False, fontsize="small", ncols=5
    )
    level = np.asarray(levels, dtype=float)
    right.plot(level, np.asarray(expected_coverage) - level, color=COLORS[0])
    right.set(xlabel="credibility", ylabel="expected coverage - credibility", title="TARP")
    return figure


def interval_figure(
    summaries: Mapping[str, Mapping[str, tuple[float, float]]],
    names: Sequence[str],
    labels: Sequence[str] | None = None,
    reference: float | None = None,
) -> Figure:
    """Means and standard deviations of parameters by several estimators, side by side.

    Args:
        summaries: Mean and standard deviation by estimator and parameter.
        names: Of the parameters to draw.
        labels: Of their axes; default: symbols and units of the parameters.
        reference: A value to mark in every panel.
    """
    figure = Figure(figsize=(2.1 * len(names) + 1.2, 0.42 * len(summaries) + 1.4))
    figure.set_layout_engine("constrained")
    panels = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
    labels = [label_of(name) for name in names] if labels is None else labels
    for axes, name, label in zip(panels, names, labels, strict=True):
        if reference is not None:
            axes.axvline(reference, color="0.6", lw=1.0, ls=":")
        for row, (estimator, table) in enumerate(summaries.items()):
            mean, sd = table[name]
            axes.errorbar(
                mean, row, xerr=sd, fmt="o", ms=4, color=COLORS[row % len(COLORS)], label=estimator
            )
        axes.set(xlabel=label)
        axes.locator_params(axis="x", nbins=3)
    panels[0].set_yticks(range(len(summaries)), list(summaries))
    panels[0].set_ylim(len(summaries) - 0.5, -0.5)
    return figure
