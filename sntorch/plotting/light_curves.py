"""Figures of light curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.data.magnitudes import POGSON

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette, which the colour-blind can tell apart, blue to red.
COLORS = ("#0072B2", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#8C8C8C")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
PANEL = (3.2, 2.3)


def light_curve_grid(
    light_curves: LightCurveBatch | Sequence[LightCurve],
    n: int = 9,
    bands: Sequence[str] | None = None,
    magnitudes: bool = False,
    columns: int = 3,
    title: str = "",
) -> Figure:
    """Example light curves side by side: error bars, upper limits, and zero as a line.

    Args:
        light_curves: The first ``n`` of them are drawn.
        n: Number of panels.
        bands: Bands to draw, in the order of the legend; default: all that occur.
        magnitudes: Instead of fluxes, magnitudes of detections (S/N > 3) and limits (3 sigma) of
            the others.
        columns: Panels in a row.
        title: Title of the figure.

    Returns:
        A matplotlib figure; time is in days from the reference time, observer frame.
    """
    from matplotlib.figure import Figure

    batch = isinstance(light_curves, LightCurveBatch)
    shown = light_curves[:n].to_light_curves() if batch else light_curves[:n]
    names = tuple(bands) if bands is not None else _bands(shown)
    rows = max(math.ceil(len(shown) / columns), 1)
    figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axes, light_curve in zip(panels, shown, strict=False):
        plot_light_curve(axes, light_curve, names, magnitudes)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    figure.supxlabel("days from peak (observed)")
    figure.supylabel("magnitude" if magnitudes else "flux (FLUXCAL, zero point 27.5)")
    handles = {h.get_label(): h for axes in panels for h in axes.get_legend_handles_labels()[0]}
    if handles:
        order = [name for name in names if name in handles]
        labels = [handles[name] for name in order]
        figure.legend(labels, order, loc="outside upper right", ncols=len(order), frameon=False)
    if title:
        figure.suptitle(title, x=0.01, ha="left")
    return figure


def plot_light_curve(
    axes: Axes, light_curve: LightCurve, bands: Sequence[str], magnitudes: bool = False
) -> None:
    """One object into ``axes``.

    Args:
        axes: Where to draw.
        light_curve: The object.
        bands: Bands to draw; the place in this list gives colour and marker.
        magnitudes: See ``light_curve_grid``.
    """
    for i, name in enumerate(bands):
        one = light_curve.keep(light_curve.band == name)
        if len(one):
            style = (COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)])
            (_draw_magnitudes if magnitudes else _draw_fluxes)(axes, one, name, style)
    if magnitudes:
        axes.yaxis.set_inverted(True)
    else:
        axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    redshift = f", z = {light_curve.redshift:.3f}" if np.isfinite(light_curve.redshift) else ""
    kind = f"{light_curve.type}  " if light_curve.type else ""
    axes.set_title(f"{kind}{light_curve.object_id}{redshift}", fontsize="small")


def _draw_fluxes(axes: Axes, one: LightCurve, name: str, style: tuple[str, str]) -> None:
    time = one.time - one.reference_time
    limit = np.asarray(one.upper_limit)
    _errorbar(axes, time[~limit], one.flux[~limit], one.flux_err[~limit], name, style)
    _limits(axes, time[limit], one.flux[limit], style)


def _draw_magnitudes(axes: Axes, one: LightCurve, name: str, style: tuple[str, str]) -> None:
    time = one.time - one.reference_time
    given = np.asarray(one.upper_limit)
    detected = (one.snr > 3) & ~given
    magnitude = one.zeropoint - 2.5 * np.log10(one.flux[detected])
    error = POGSON / one.snr[detected]
    _errorbar(axes, time[detected], magnitude, error, name, style)
    faint = np.where(given, one.flux, 3 * one.flux_err)[~detected]
    _limits(axes, time[~detected], one.zeropoint - 2.5 * np.log10(faint), style)


def _errorbar(
    axes: Axes,
    time: np.ndarray,
    value: np.ndarray,
    error: np.ndarray,
    name: str,
    style: tuple[str, str],
) -> None:
    color, marker = style
    axes.errorbar(
        time,
        value,
        error,
        label=name,
        linestyle="none",
        color=color,
        marker=marker,
        markersize=3.5,
        elinewidth=0.9,
    )


def _limits(axes: Axes, time: np.ndarray, value: np.ndarray, style: tuple[str, str]) -> None:
    """Arrows to the faint side, which is down in fluxes and on the inverted axis of magnitudes."""
    axes.plot(time, value, "v", color=style[0], fillstyle="none", markersize=4, alpha=0.6)


def _bands(light_curves: Sequence[LightCurve]) -> tuple[str, ...]:
    used = {name for lc in light_curves for name in np.unique(lc.band).tolist()}
    return tuple(sorted(used, key=_rank))


def _rank(name: str) -> tuple[int, str]:
    """Order of bands by the letter they end in, blue to red, then by name."""
    order = "ubgvrizyjhk"
    return (order.find(name[-1].lower()) % (len(order) + 1), name)
