"""Figures of what a trained network shows by itself: normalisation, data unlike simulations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from sntorch.plotting.selection import COLORS


def mean_ratio_figure(found: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> Figure:
    """ln of the mean ratio of every survey with its error, a panel a network.

    Args:
        found: The logarithm and its standard error of B surveys, shape (B,) each, by network.
    """
    figure, panels = _panels(len(found), 6.4, 2.6)
    for axes, (name, (value, error)) in zip(panels, found.items(), strict=True):
        ordered = np.argsort(np.asarray(value))
        place = np.arange(len(ordered))
        value, error = (np.asarray(one)[ordered] for one in (value, error))
        axes.axhline(0, color="0.4", lw=1.0)
        axes.errorbar(place, value, error, fmt="o", ms=2.5, lw=0.8, color=COLORS[0])
        axes.set(ylabel="ln of the mean ratio", title=name)
    panels[-1].set_xlabel("surveys in order of it")
    return figure


def misspecification_figure(found: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> Figure:
    """Distributions of p-values of surveys and of the same made wrong, a panel a network.

    Args:
        found: p-values of B surveys, and of the same made wrong, shape (B,) each, by network.
    """
    figure, panels = _panels(len(found), 6.4, 3.2)
    for axes, (name, (usual, wrong)) in zip(panels, found.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="0.6", lw=1.0, label="expected of simulations")
        axes.ecdf(np.asarray(usual), color=COLORS[0], label="surveys")
        axes.ecdf(np.asarray(wrong), color=COLORS[1], ls="--", label="the same made wrong")
        axes.set(ylabel="share of surveys", title=name, xlim=(-0.02, 1.02), ylim=(0, 1.02))
    panels[0].legend(frameon=False, fontsize="small", loc="lower right")
    panels[-1].set_xlabel("p-value among simulations")
    return figure


def _panels(n: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height * n), layout="constrained")
    return figure, list(figure.subplots(n, 1, sharex=True, squeeze=False)[:, 0])
