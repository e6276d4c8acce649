"""Figures of chains: the population's parameters, alone and in pairs, and how chains mixed.

Rank plots: Vehtari et al. (2021, arXiv:1903.08008), section 3.2.

Letters in shapes: ``C`` chains, ``S`` draws of a chain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.plotting.corner import corner_grid, label_of
from sntorch.plotting.light_curves import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
RANK_BINS = 20
# Points of a line beyond which a figure shows no more.
MOST_POINTS = 2000
ROW = 1.6


def population_corner(
    draws: Mapping[str, Tensor],
    names: Sequence[str] | None = None,
    truths: Mapping[str, float] | None = None,
) -> Figure:
    """Posteriors of the population's numbers, alone and in pairs (68 % and 95 % contours).

    Args:
        draws: By parameter; numbers have shape (C, S), all else is passed over.
        names: Numbers to draw; default: all that vary.
        truths: Values to mark: true ones, or those of a published model.

    Raises:
        ConfigError: A name that is no number of the draws or was fixed, or nothing to draw.
    """
    numbers = _numbers(draws, names)
    fixed = [name for name, values in numbers.items() if not np.ptp(values) > 0]
    if names is not None and fixed:
        raise ConfigError(f"{', '.join(fixed)} did not vary: leave it out of the corner plot")
    flat = {name: values.ravel() for name, values in numbers.items() if name not in fixed}
    if not flat:
        raise ConfigError("no number of the population varies: there is no corner plot to draw")
    return corner_grid([flat], truths)


def trace(draws: Mapping[str, Tensor], names: Sequence[str] | None = None) -> Figure:
    """Chains one over the other, and how often each visited which ranks of all draws.

    Chains that mixed have about as many draws in every bin of ranks: lines near 1, 95 % of them in
    the grey band if their draws were independent.

    Args:
        draws: By parameter; numbers have shape (C, S).
        names: Numbers to draw; default: all.

    Raises:
        ConfigError: A name that is no number of the draws, or nothing to draw.
    """
    from matplotlib.figure import Figure

    numbers = _numbers(draws, names)
    if not numbers:
        raise ConfigError("these draws have no number of the population to draw")
    n = len(numbers)
    figure = Figure(figsize=(8.0, ROW * n + 0.9), layout="constrained")
    panels = figure.subplots(n, 2, squeeze=False, sharex="col", width_ratios=[2, 1])
    for (left, right), (name, values) in zip(panels, numbers.items(), strict=True):
        _draw_chains(left, values)
        _draw_ranks(right, values)
        left.set_ylabel(label_of(name), fontsize="small")
    panels[-1, 0].set_xlabel("draw")
    panels[-1, 1].set_xlabel("rank among all draws")
    panels[0, 1].set_title("share of each chain, relative to even", fontsize="small")
    chains = [f"chain {c}" for c in range(len(next(iter(numbers.values()))))]
    handles = panels[0, 0].lines[: len(chains)]
    legend = figure.legend(handles, chains, loc="outside upper left", ncols=8, frameon=False)
    for line in legend.get_lines():
        line.set_linewidth(2)
    return figure


def _numbers(draws: Mapping[str, Tensor], names: Sequence[str] | None) -> dict[str, Array]:
    known = [name for name, values in draws.items() if values.ndim == 2]
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise ConfigError(
            f"{', '.join(unknown)}: not a number of these draws; accepted are {', '.join(known)}"
        )
    chosen = known if names is None else names
    return {name: draws[name].detach().double().cpu().numpy() for name in chosen}


def _draw_chains(axes: Axes, values: Array) -> None:
    every = max(math.ceil(values.shape[1] / MOST_POINTS), 1)
    steps = np.arange(0, values.shape[1], every)
    for c, chain in enumerate(values):
        axes.plot(steps, chain[::every], color=COLORS[c % len(COLORS)], lw=0.6, alpha=0.75)
    axes.margins(x=0)
    axes.tick_params(labelsize="small")


def _draw_ranks(axes: Axes, values: Array) -> None:
    chains, length = values.shape
    # Ties are ranked at random: a number that never moved is not a staircase.
    order = np.lexsort((np.random.default_rng(0).permutation(values.size), values.ravel()))
    ranks = np.empty(values.size)
    ranks[order] = (np.arange(values.size) + 0.5) / values.size
    bins = max(min(RANK_BINS, length // 10), 2)
    edges = np.linspace(0, 1, bins + 1)
    expected = length / bins
    spread = 1.96 * math.sqrt((1 - 1 / bins) * (1 - 1 / chains) / expected)
    axes.axhspan(1 - spread, 1 + spread, color="0.9", lw=0, zorder=0)
    axes.axhline(1, color="0.5", lw=0.8, zorder=1)
    for c, row in enumerate(ranks.reshape(chains, length)):
        counts, _ = np.histogram(row, edges)
        axes.stairs(counts / expected, edges, color=COLORS[c % len(COLORS)], lw=1.1, baseline=None)
    low, high = axes.get_ylim()
    axes.set(xlim=(0, 1), ylim=(max(min(low, 0.4), 0), max(high, 1.6)))
    axes.tick_params(labelsize="small")
