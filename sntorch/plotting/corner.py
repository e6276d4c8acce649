"""Marginal distributions of draws, alone and in pairs (68 % and 95 % contours)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
LABELS = {
    "mu": r"$\mu$ (mag)",
    "ds": r"$\mu+\delta M$ (mag)",
    "delta_m": r"$\delta M$ (mag)",
    "theta": r"$\theta$",
    "av": r"$A_V$ (mag)",
    "rv": r"$R_V$",
    "tmax": r"$t_\mathrm{max}$ (d)",
    "peak_mjd": "peak (MJD)",
    "redshift": r"$z$",
    "mu_r": r"$\mu_R$",
    "sigma_r": r"$\sigma_R$",
    "tau_a": r"$\tau_A$ (mag)",
    "sigma0": r"$\sigma_0$ (mag)",
    "eta": r"$\eta$",
    "kappa": r"$\kappa$ (mag)",
    "om0": r"$\Omega_m$",
    "m0": r"$M_0$ (mag)",
    "alpha": r"$\alpha$",
    "beta": r"$\beta$",
    "sigma_int": r"$\sigma_\mathrm{int}$ (mag)",
    "x0": r"mean of $x_1$",
    "sigma_x": r"scatter of $x_1$",
    "c0": r"mean of $c$",
    "sigma_c": r"scatter of $c$",
}
# Parameters that a population may have in parts, ``tau_a_low`` and ``tau_a_high``.
PARTED = ("rv", "mu_r", "sigma_r", "tau_a", "sigma0", "delta_m", "eta", "kappa")
# Parameters that end at zero: their histograms begin there.
POSITIVE = ("av", "rv", "redshift", "mu_r", "sigma_r", "tau_a", "sigma0")
PAIR = ("#0072B2", "#D55E00")
DASHES = ("-", "--")
SHARES = (0.95, 0.68)
FILLS = (0.18, 0.42)
BINS = 40
SMOOTHING = 1.3


def corner_grid(
    samples: Sequence[Mapping[str, Array]],
    truth: Mapping[str, float] | None = None,
    names: Sequence[str] = (),
) -> Figure:
    """The panels of a corner plot, of one set of draws or of two to compare.

    Args:
        samples: One or two sets of draws by parameter, each of shape (n,); the parameters of the
            first are drawn, in its order.
        truth: True values to mark.
        names: What the sets are called, for a legend.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    parameters = list(samples[0])
    edges = {name: _edges(name, [s[name] for s in samples]) for name in parameters}
    n = len(parameters)
    figure = Figure(figsize=(1.9 * n + 0.6, 1.9 * n + 0.6), layout="constrained")
    panels = figure.subplots(n, n, squeeze=False, sharex="col")
    for row, below in enumerate(parameters):
        for column, name in enumerate(parameters):
            axes = panels[row, column]
            if column > row:
                axes.set_axis_off()
                continue
            for k, sample in enumerate(samples):
                if row == column:
                    _marginal(axes, sample[name], edges[name], k)
                else:
                    _contours(axes, (sample[name], sample[below]), (edges[name], edges[below]), k)
            _mark(axes, truth or {}, name, below if row != column else None)
            _label(axes, row, column, n, (name, below))
        _moments(panels[row, row], below, [sample[below] for sample in samples])
    shown = zip(names, PAIR, DASHES, strict=False)
    lines = [Line2D([], [], color=color, ls=dash, label=name) for name, color, dash in shown]
    if lines:
        figure.legend(handles=lines, loc="upper right", frameon=False)
    return figure


def label_of(name: str) -> str:
    """A parameter's symbol and unit; ``tau_a_low`` is that of ``tau_a`` with the part's name."""
    base = _base(name)
    part = name[len(base) :].strip("_")
    return LABELS.get(base, base) + (f" {part}" if part else "")


def _base(name: str) -> str:
    """``tau_a`` of ``tau_a_low``; a name that is not known is its own base."""
    return next((k for k in PARTED if name.startswith(f"{k}_")), name)


def _edges(name: str, samples: list[Array]) -> Array:
    """Edges of a histogram's bins that hold nearly all draws."""
    low = min(float(np.quantile(s, 0.001)) for s in samples)
    high = max(float(np.quantile(s, 0.999)) for s in samples)
    margin = 0.08 * (high - low)
    low = max(low - margin, 0.0) if _base(name) in POSITIVE else low - margin
    return np.linspace(low, high + margin, BINS + 1)


def _marginal(axes: Axes, values: Array, edges: Array, k: int) -> None:
    from scipy.ndimage import gaussian_filter1d

    density, _ = np.histogram(values, edges, density=True)
    smooth = gaussian_filter1d(density, SMOOTHING, mode="reflect")
    middle = (edges[1:] + edges[:-1]) / 2
    axes.plot(middle, smooth, color=PAIR[k], lw=1.3, ls=DASHES[k], label=f"fit {k}")
    axes.fill_between(middle, smooth, color=PAIR[k], alpha=0.15, lw=0)
    axes.set(yticks=[], xlim=(edges[0], edges[-1]))
    highest = max(1.05 * float(smooth.max()), axes.get_ylim()[1] if k else 0.0)
    axes.set_ylim(0, highest)


def _contours(axes: Axes, values: tuple[Array, Array], edges: tuple[Array, Array], k: int) -> None:
    from matplotlib.colors import to_rgba
    from scipy.ndimage import gaussian_filter

    counts, _, _ = np.histogram2d(*values, bins=edges)
    width = [_bandwidth(v, e) for v, e in zip(values, edges, strict=True)]
    smooth = gaussian_filter(counts, width, mode="reflect")
    levels = [_level(smooth, share) for share in SHARES]
    x, y = ((e[1:] + e[:-1]) / 2 for e in edges)
    if k == 0:
        fills = [to_rgba(PAIR[k], alpha) for alpha in FILLS]
        axes.contourf(x, y, smooth.T, [*levels, smooth.max() * 1.01], colors=fills)
    axes.contour(x, y, smooth.T, levels, colors=PAIR[k], linewidths=1.1, linestyles=DASHES[k])
    axes.set(xlim=(edges[0][0], edges[0][-1]), ylim=(edges[1][0], edges[1][-1]))


def _bandwidth(values: Array, edges: Array) -> float:
    """Scott's rule in two dimensions, in bins: fewer draws are smoothed more."""
    return float(values.std() * values.size ** (-1 / 6) / (edges[1] - edges[0]))


def _level(density: Array, share: float) -> float:
    """The density above which ``share`` of the sum lies."""
    ordered = np.sort(density, axis=None)[::-1]
    inside = np.cumsum(ordered) / ordered.sum()
    return float(ordered[np.searchsorted(inside, share)])


def _mark(axes: Axes, truth: Mapping[str, float], name: str, below: str | None) -> None:
    if name in truth:
        axes.axvline(truth[name], color="black", lw=0.9, ls=":")
    if below is not None and below in truth:
        axes.axhline(truth[below], color="black", lw=0.9, ls=":")


def _label(axes: Axes, row: int, column: int, n: int, names: tuple[str, str]) -> None:
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    name, below = names
    for axis in (axes.xaxis, axes.yaxis) if row != column else (axes.xaxis,):
        axis.set_major_locator(MaxNLocator(4))
        axis.set_major_formatter(ScalarFormatter(useOffset=False))
    axes.tick_params(labelsize=7)
    axes.tick_params(axis="x", rotation=45)
    if row == n - 1:
        axes.set_xlabel(label_of(name), fontsize="small")
    if column == 0 and row:
        axes.set_ylabel(label_of(below), fontsize="small")
    elif column != row:
        axes.tick_params(labelleft=False)


def _moments(axes: Axes, name: str, samples: list[Array]) -> None:
    digits = 2 if name in ("tmax", "peak_mjd") else 3
    lines = [f"{s.mean():.{digits}f} ± {s.std(ddof=1):.{digits}f}" for s in samples]
    for k, line in enumerate(lines):
        axes.text(
            0.5,
            1.04 + 0.12 * (len(lines) - 1 - k),
            line,
            transform=axes.transAxes,
            ha="center",
            fontsize=7.5,
            color=PAIR[k] if len(lines) > 1 else "black",
        )
