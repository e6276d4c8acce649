"""Figures of posteriors: light curves with their fit, the Hubble diagram, corner plots.

What is drawn comes from any object with the attributes of ``FitPosterior``, such as
``sntorch.bayesn.Posterior``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import FLUXCAL_ZEROPOINT, LightCurve
from sntorch.errors import ConfigError, DataError
from sntorch.physics.bandpasses import get_bandpass
from sntorch.plotting.corner import FILLS, PAIR, SHARES, corner_grid
from sntorch.plotting.light_curves import COLORS, MARKERS, PANEL, plot_light_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

Array = NDArray[np.float64]
GRID = 120
MARGIN = 3.0


class FitPosterior(Protocol):
    """What the figures need of a posterior."""

    batch: LightCurveBatch
    draws: dict[str, Tensor]

    def __getitem__(self, index: int | str) -> FitPosterior:
        """One object."""
        ...

    @property
    def peak_mjd(self) -> Tensor:
        """Time of maximum of each draw, MJD, shape (B, C, S)."""
        ...

    def light_curves(
        self, phase: Any, bands: Sequence[str], n: int | None = None, frame: str = "rest"
    ) -> Tensor:
        """Model fluxes of n draws, shape (B, n, F, T)."""
        ...

    def magnitudes(
        self, phase: Any, bands: Sequence[str], n: int | None = None, frame: str = "rest"
    ) -> Tensor:
        """Model magnitudes of n draws, shape (B, n, F, T)."""
        ...


def light_curve_fit(
    posterior: FitPosterior,
    index: int | str,
    magnitudes: bool = False,
    n: int = 200,
    columns: int = 4,
) -> Figure:
    """Observations of one object with the fit's median and its central 68 % and 95 %.

    Args:
        posterior: The fit.
        index: Place or name of the object.
        magnitudes: Instead of fluxes, magnitudes of detections (S/N > 3) and limits (3 sigma).
        n: Draws to take, at most; they are picked evenly over the chains.
        columns: Bands in a row.

    Returns:
        A panel for each band, below each the residuals from the median in units of the
        observation's error. Time is in days since the batch's reference time, observer frame.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    one = posterior[index]
    light_curve = one.batch.to_light_curves()[0].with_zeropoint(FLUXCAL_ZEROPOINT)
    names = sorted(set(light_curve.band.tolist()), key=_middle)
    chains, length = one.draws["ds"].shape[1:]
    n = min(n, chains * length)
    columns = max(min(columns, len(names)), 1)
    rows = math.ceil(len(names) / columns)
    size = (PANEL[0] * max(columns, 2), (PANEL[1] + 0.9) * rows + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(
        2 * rows, columns, squeeze=False, sharex=True, height_ratios=[3, 1] * rows
    )
    worst = 2.6
    for i, name in enumerate(names):
        row, column = divmod(i, columns)
        axes, below = panels[2 * row : 2 * row + 2, column]
        style = (COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)])
        band = light_curve.keep(light_curve.band == name)
        _draw_model(axes, one, light_curve, name, style[0], magnitudes, n)
        plot_light_curve(axes, band, names, magnitudes)
        axes.set_title(name, fontsize="small", color=style[0])
        worst = max(worst, _draw_residuals(below, one, band, name, style, n))
        below.tick_params(labelbottom=i + columns >= len(names))
    for below in panels[1::2].flat:
        below.set_ylim(-1.15 * worst, 1.15 * worst)
        below.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    for unused in range(len(names), rows * columns):
        row, column = divmod(unused, columns)
        for axes in panels[2 * row : 2 * row + 2, column]:
            axes.set_axis_off()
    for row in range(rows):
        panels[2 * row, 0].set_ylabel("magnitude" if magnitudes else "FLUXCAL")
        panels[2 * row + 1, 0].set_ylabel(r"residual ($\sigma$)", fontsize="small")
    figure.supxlabel(f"days since MJD {light_curve.peak_mjd:.2f} (observed)", fontsize="medium")
    figure.suptitle(_title(one, light_curve), fontsize="medium")
    return figure


def hubble_diagram(
    summary: DataFrame,
    redshift: ArrayLike | None = None,
    muhat: ArrayLike | None = None,
    title: str = "",
) -> Figure:
    """Distance modulus against redshift, and residuals with their RMS and its bootstrap error.

    Args:
        summary: ``posterior.summary()``; rows without ``mu_mean`` (not fitted) are left out, rows
            with a ``flag`` are drawn open.
        redshift: Of each row, for the Hubble diagram; default: the heliocentric one.
        muhat: Expected distance modulus of each row, mag; default: the fit's prior mean.
        title: Title of the figure.

    Raises:
        DataError: No fitted object.
    """
    from matplotlib.figure import Figure

    z, expected = _given(summary, redshift, "redshift_helio"), _given(summary, muhat, "muhat")
    mu, error = (summary[name].to_numpy(dtype=float) for name in ("mu_mean", "mu_sd"))
    keep = np.isfinite(mu) & np.isfinite(z) & np.isfinite(expected)
    if not keep.any():
        raise DataError("no fitted supernova with a redshift: there is no Hubble diagram to draw")
    flagged = summary["flag"].fillna("").astype(str).to_numpy()[keep] != ""
    z, mu, error, expected = (values[keep] for values in (z, mu, error, expected))
    residual = mu - expected
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
    order = np.argsort(z)
    top.plot(z[order], expected[order], color="0.4", lw=1.0, zorder=1, label="expected")
    for axes, values in ((top, mu), (below, residual)):
        _points(axes, z, values, error, flagged)
    rms, rms_error = rms_and_error(residual)
    below.axhline(0, color="0.4", lw=1.0, zorder=1)
    below.axhspan(-rms, rms, color="0.9", zorder=0)
    open_ones = f", {flagged.sum()} flagged" if flagged.any() else ""
    note = f"RMS {rms:.3f} ± {rms_error:.3f} mag, mean {residual.mean():+.3f} ± "
    note += f"{residual.std() / math.sqrt(len(residual)):.3f} (N = {len(residual)}{open_ones})"
    below.set_title(note, fontsize="small", loc="left")
    below.set(xlabel="redshift", ylabel=r"$\mu-\hat\mu(z)$ (mag)")
    top.set(ylabel=r"$\mu$ (mag)", title=title)
    top.legend(loc="lower right", frameon=False, fontsize="small")
    return figure


def rms_and_error(residual: ArrayLike, n: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Root mean square, and its standard deviation over n bootstrap samples."""
    square = np.asarray(residual, dtype=float) ** 2
    rng = np.random.default_rng(seed)
    means = [square[rng.integers(0, square.size, square.size)].mean() for _ in range(n)]
    return float(np.sqrt(square.mean())), float(np.sqrt(means).std())


def corner(
    posterior: FitPosterior,
    index: int | str,
    parameters: Sequence[str] = ("ds", "theta", "av", "tmax"),
    other: FitPosterior | None = None,
    names: Sequence[str] = ("", ""),
    truth: Mapping[str, float] | None = None,
) -> Figure:
    """Marginal posteriors of one object, alone and in pairs (68 % and 95 % contours).

    Args:
        posterior: The fit.
        index: Place or name of the object.
        parameters: Names of draws, or ``peak_mjd``.
        other: A second fit that has the object, to compare.
        names: What to call both in the legend.
        truth: True values to mark.

    Raises:
        ConfigError: An unknown or a fixed parameter.
    """
    object_id = posterior[index].batch.object_id[0]
    fits = [posterior[index]] + ([other[object_id]] if other is not None else [])
    samples = [{name: _draws(fit, name) for name in parameters} for fit in fits]
    figure = corner_grid(samples, truth)
    figure.suptitle(object_id, fontsize="medium", x=0.98, ha="right")
    handles = [axes for axes in figure.axes[0].lines if not str(axes.get_label()).startswith("_")]
    if any(names):
        shown = list(zip(handles, names, strict=False))
        figure.legend(*zip(*shown, strict=True), loc="upper right", bbox_to_anchor=(0.98, 0.95))
    return figure


def _middle(band: str) -> float:
    """Middle of a band, Å."""
    return float(sum(get_bandpass(band).edges)) / 2


def _draw_model(
    axes: Axes,
    one: FitPosterior,
    light_curve: LightCurve,
    band: str,
    color: str,
    magnitudes: bool,
    n: int,
) -> None:
    days = light_curve.time - light_curve.peak_mjd
    grid = np.linspace(days.min() - MARGIN, days.max() + MARGIN, GRID)
    model = one.magnitudes if magnitudes else one.light_curves
    curves = model(grid, [band], n, "observer")[0, :, 0].double().cpu().numpy()
    for share, alpha in zip(SHARES, FILLS, strict=True):
        low, high = np.quantile(curves, [(1 - share) / 2, (1 + share) / 2], axis=0)
        axes.fill_between(grid, low, high, color=color, alpha=alpha, lw=0)
    axes.plot(grid, np.median(curves, axis=0), color=color, lw=1.2)


def _draw_residuals(
    axes: Axes, one: FitPosterior, band: LightCurve, name: str, style: tuple[str, str], n: int
) -> float:
    """Residuals in units of the error; returns the largest, without its sign."""
    days = band.time - band.peak_mjd
    model = one.light_curves(days, [name], n, "observer")[0, :, 0].double().cpu().numpy()
    residual = (band.flux - np.median(model, axis=0)) / band.flux_err
    for width in (2, 1):
        axes.axhspan(-width, width, color="0.93" if width == 2 else "0.85", lw=0, zorder=0)
    axes.axhline(0, color="0.5", lw=0.8, zorder=1)
    axes.plot(days, residual, linestyle="none", color=style[0], marker=style[1], markersize=3.5)
    return float(np.nanmax(np.abs(residual), initial=0))


def _title(one: FitPosterior, light_curve: LightCurve) -> str:
    words = [light_curve.object_id, f"$z$ = {light_curve.redshift:.4f}"]
    for name, symbol in (("mu", r"$\mu$"), ("theta", r"$\theta$"), ("av", "$A_V$")):
        draws = one.draws[name].double()
        words.append(f"{symbol} = {float(draws.mean()):.2f} ± {float(draws.std()):.2f}")
    return ",  ".join(words)


def _given(summary: DataFrame, values: ArrayLike | None, column: str) -> Array:
    array = np.asarray(summary[column] if values is None else values, dtype=float)
    if array.shape != (len(summary),):
        raise ConfigError(
            f"{column}: {array.shape} values for {len(summary)} rows of the summary; one each"
        )
    return array


def _points(axes: Axes, z: Array, values: Array, error: Array, flagged: NDArray[Any]) -> None:
    for chosen, fill in ((~flagged, PAIR[0]), (flagged, "white")):
        if chosen.any():
            axes.errorbar(
                z[chosen],
                values[chosen],
                error[chosen],
                linestyle="none",
                marker="o",
                markersize=4,
                color=PAIR[0],
                markerfacecolor=fill,
                elinewidth=0.8,
                alpha=0.8,
                zorder=2,
            )


def _draws(fit: FitPosterior, name: str) -> Array:
    if name != "peak_mjd" and (name not in fit.draws or name == "epsilon"):
        accepted = ", ".join(k for k in (*fit.draws, "peak_mjd") if k != "epsilon")
        raise ConfigError(f"no parameter {name!r} in this posterior; accepted are {accepted}")
    draws = fit.peak_mjd if name == "peak_mjd" else fit.draws[name]
    values = draws.double().flatten().cpu().numpy()
    if not np.ptp(values) > 0:
        raise ConfigError(f"{name} was fixed at {values[0]:.3g}: leave it out of the corner plot")
    return values
