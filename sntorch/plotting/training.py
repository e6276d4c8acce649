"""Figures of a trained SED model: its surfaces, its mean light curves and its residuals.

Draws are those of the training, with one sign and one scale of θ
(``sntorch.bayesn.postprocessing.aligned``).

Letters in shapes: ``C`` chains, ``S`` draws of a chain, ``n`` draws that are taken, ``K_l``,
``K_t`` knots, ``N`` = (K_l - 2) K_t residuals, wavelength fastest, ``F`` bands, ``T`` phases,
``L`` wavelengths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.physics.sed import SEDModel
from sntorch.physics.splines import spline_matrix
from sntorch.plotting.corner import FILLS, SHARES
from sntorch.plotting.light_curves import COLORS, PANEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
GRID = (90, 76)
MOST_DRAWS = 400
CURVE_PHASES = 76
THETAS = {-1.0: "#0072B2", 0.0: "black", 1.0: "#D55E00"}
DIVERGING, SEQUENTIAL = "RdBu_r", "viridis"
Z_LIMIT = 3.0


def surfaces(
    draws: Mapping[str, Tensor], sed: SEDModel, reference: SEDModel | None = None
) -> Figure:
    """W0 and W1 over wavelength and phase: mean, standard deviation and, where a reference is
    given, the difference from it and that in standard deviations.

    Args:
        draws: ``w0``, ``w1``, shape (C, S, K_l, K_t).
        sed: Any model with the knots of the draws; dots are the knots.
        reference: A model to compare with, of any knots; what it does not reach is left white. The
            titles give rms and largest value of the difference over the drawn grid.

    Raises:
        ConfigError: Draws without surfaces: the SED was held fixed.
    """
    from matplotlib.figure import Figure

    n = 2 if reference is None else 4
    figure = Figure(figsize=(3.6 * n, 6.0), layout="constrained")
    panels = figure.subplots(2, n, squeeze=False, sharex=True, sharey=True)
    wave, phase = _grid(sed)
    for row, name in zip(panels, ("w0", "w1"), strict=True):
        values = _evaluate(sed, _thinned(draws, name), wave, phase)
        mean, sd = values.mean(0), values.std(0, ddof=1)
        _heat(row[0], wave, phase, mean, f"{name.upper()}: mean (mag)", DIVERGING)
        _heat(row[1], wave, phase, sd, "standard deviation (mag)", SEQUENTIAL)
        if reference is not None:
            other = _evaluate(reference, getattr(reference, name)[None], wave, phase)[0]
            difference = np.where(_reached(reference, wave, phase), mean - other, np.nan)
            _heat(row[2], wave, phase, difference, "difference (mag)", DIVERGING)
            z = difference / np.where(sd > 0, sd, np.nan)
            _heat(row[3], wave, phase, z, _quantified(z), DIVERGING, Z_LIMIT)
        for axes in row:
            _draw_knots(axes, sed)
    for axes in panels[-1]:
        axes.set_xlabel("rest wavelength (Å)")
    for axes in panels[:, 0]:
        axes.set_ylabel("phase (d)")
    return figure


def mean_light_curves(
    draws: Mapping[str, Tensor],
    sed: SEDModel,
    bands: Sequence[str],
    reference: SEDModel | None = None,
    n: int = 200,
) -> Figure:
    """Rest-frame light curves without dust: of θ = 0, of its posterior's width, and of other θ.

    Args:
        draws: ``w0``, ``w1``, shape (C, S, K_l, K_t).
        sed: Any model with the knots of the draws.
        bands: Bands that lie inside the model's wavelengths at redshift 0.
        reference: A model to compare with, drawn dashed in the bands that it covers.
        n: Draws to take, at most.

    Returns:
        For each band the absolute magnitude at θ = 0, with the central 68 % and 95 % of the
        posterior of W0; below it the same minus the posterior mean; and the means of θ = -1, 0, 1.

    Raises:
        ConfigError: A band that the model does not cover, or draws without surfaces.
    """
    from matplotlib.figure import Figure

    _check_bands(sed, bands)
    w0, w1 = (_thinned(draws, name, n) for name in ("w0", "w1"))
    phase = np.linspace(*sed.phase_range, CURVE_PHASES)
    size = (PANEL[0] * max(len(bands), 2), 2.6 * PANEL[1] + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(
        3, len(bands), squeeze=False, sharex=True, sharey="row", height_ratios=[2, 1, 2]
    )
    zero = _curves(sed, phase, bands, w0)
    others = {
        theta: _curves(sed, phase, bands, (w0 + theta * w1).mean(0)[None])[0] for theta in THETAS
    }
    for i, band in enumerate(bands):
        color = COLORS[i % len(COLORS)]
        middle = zero[:, i].mean(0)
        _draw_band(panels[0, i], phase, zero[:, i], color)
        _draw_band(panels[1, i], phase, zero[:, i] - middle, color)
        for theta, shade in THETAS.items():
            label = rf"$\theta$ = {theta:.0f}"
            panels[2, i].plot(phase, others[theta][i], color=shade, lw=1.2, label=label)
        if reference is not None and bool(reference.covers(band, 0.0)):
            _draw_reference(panels[:, i], phase, band, reference, middle)
        panels[0, i].set_title(band, fontsize="small", color=color)
        panels[2, i].set_xlabel("phase (d)")
    for axes in panels[:, 0]:
        axes.yaxis.set_inverted(True)
    panels[0, 0].set_ylabel(r"magnitude at $\theta$ = 0")
    panels[1, 0].set_ylabel("minus mean", fontsize="small")
    panels[2, 0].set_ylabel("magnitude")
    panels[2, 0].legend(frameon=False, fontsize="small")
    if panels[0, 0].get_legend_handles_labels()[0]:
        panels[0, 0].legend(frameon=False, fontsize="small")
    return figure


def residual_covariance(draws: Mapping[str, Tensor], sed: SEDModel) -> Figure:
    """Size of the residuals ε over wavelength and phase, and how they are correlated.

    Args:
        draws: ``sigma_epsilon`` (C, S, N) and ``l_omega`` (C, S, N, N).
        sed: Any model with the knots of the draws.

    Returns:
        Left the posterior mean of σ_ε with its standard deviation at each knot, right the
        posterior mean of the correlations; within a phase the wavelength increases.

    Raises:
        ConfigError: Draws without residuals: the SED was held fixed.
    """
    from matplotlib.figure import Figure

    inner = sed.wave_knots[1:-1].cpu().numpy()
    days = sed.time_knots.cpu().numpy()
    sigma = _thinned(draws, "sigma_epsilon").unflatten(-1, (len(days), len(inner)))
    factor = _thinned(draws, "l_omega")
    correlation = (factor @ factor.mT).mean(0).cpu().numpy()
    height = max(6.0, 0.17 * len(correlation) + 1.5)
    figure = Figure(figsize=(2.1 * height, height), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
    _draw_sizes(left, sigma.cpu().numpy(), inner, days)
    _draw_correlation(right, correlation, inner, days)
    return figure


def _thinned(draws: Mapping[str, Tensor], name: str, n: int = MOST_DRAWS) -> Tensor:
    """Draws picked evenly over the chains, shape (n, ...)."""
    if name not in draws:
        raise ConfigError(f"no draws of {name}: the SED was held fixed, there is nothing to draw")
    flat = draws[name].detach().double().flatten(0, 1)
    if len(flat) > n:
        flat = flat[torch.linspace(0, len(flat) - 1, n).round().long()]
    return flat


def _grid(sed: SEDModel) -> tuple[Array, Array]:
    """Wavelengths (L,), Å, and phases (T,), days, from knot to knot."""
    return np.linspace(*sed.wave_range, GRID[0]), np.linspace(*sed.phase_range, GRID[1])


def _evaluate(sed: SEDModel, at_knots: Tensor, wave: Array, phase: Array) -> Array:
    """Surfaces (n, K_l, K_t) of the model's knots at wavelengths and phases, shape (n, L, T)."""
    if at_knots.shape[-2:] != sed.w0.shape:
        raise ConfigError(
            f"draws of surfaces have {tuple(at_knots.shape[-2:])} knots, "
            f"the model has {tuple(sed.w0.shape)}"
        )
    at_wave = spline_matrix(sed.wave_knots, torch.from_numpy(wave).to(sed.w0), sed.wave_second)
    at_phase = spline_matrix(sed.time_knots, torch.from_numpy(phase).to(sed.w0), sed.time_second)
    return (at_wave @ at_knots.to(sed.w0) @ at_phase.T).cpu().numpy()


def _reached(sed: SEDModel, wave: Array, phase: Array) -> NDArray[np.bool_]:
    """Whether knots lie on both sides, shape (L, T)."""
    (blue, red), (first, last) = sed.wave_range, sed.phase_range
    return ((wave >= blue) & (wave <= red))[:, None] & (phase >= first) & (phase <= last)


def _heat(
    axes: Axes,
    wave: Array,
    phase: Array,
    values: Array,
    title: str,
    colors: str,
    limit: float | None = None,
) -> None:
    # The corners of a surface, which no data reach, would take all colours.
    known = np.abs(values[np.isfinite(values)])
    top = limit or (float(np.quantile(known, 0.98)) if known.size else 1.0)
    low = -top if colors == DIVERGING else 0.0
    image = axes.pcolormesh(
        wave, phase, values.T, cmap=colors, vmin=low, vmax=top, shading="gouraud", rasterized=True
    )
    axes.figure.colorbar(image, ax=axes, extend="both" if low else "max", pad=0.02)
    axes.set_title(title, fontsize="small")


def _quantified(z: Array) -> str:
    known = z[np.isfinite(z)]
    if not known.size:
        return "difference (sd)"
    rms = np.sqrt(np.mean(known**2))
    return f"difference (sd): rms {rms:.2f}, largest {np.abs(known).max():.1f}"


def _draw_knots(axes: Axes, sed: SEDModel) -> None:
    wave, days = (k.cpu().numpy() for k in (sed.wave_knots, sed.time_knots))
    x, y = (grid.ravel() for grid in np.meshgrid(wave, days))
    axes.plot(x, y, "o", color="black", markersize=2.2, clip_on=False)


def _check_bands(sed: SEDModel, bands: Sequence[str]) -> None:
    outside = [band for band in bands if not bool(sed.covers(band, 0.0))]
    if outside or not bands:
        blue, red = sed.wave_range
        raise ConfigError(
            f"bands {', '.join(outside) or 'none'}: at redshift 0 a band inside the model's "
            f"{blue:.0f}-{red:.0f} Å is accepted"
        )


def _curves(sed: SEDModel, phase: Array, bands: Sequence[str], warp: Tensor) -> Array:
    """Absolute magnitudes of warps (n, K_l, K_t), shape (n, F, T)."""
    with torch.no_grad():
        curves = sed.magnitude(phase, bands, epsilon=warp.to(sed.w0) - sed.w0)
    return curves.cpu().numpy()


def _draw_band(axes: Axes, phase: Array, curves: Array, color: str) -> None:
    """Mean and central shares of curves (n, T)."""
    for share, alpha in zip(SHARES, FILLS, strict=True):
        low, high = np.quantile(curves, [(1 - share) / 2, (1 + share) / 2], axis=0)
        axes.fill_between(phase, low, high, color=color, alpha=alpha, lw=0)
    axes.plot(phase, curves.mean(0), color=color, lw=1.2)


def _draw_reference(
    column: Any, phase: Array, band: str, reference: SEDModel, middle: Array
) -> None:
    """The reference's curves into the three panels of a band, where its knots reach."""
    first, last = reference.phase_range
    inside = (phase >= first) & (phase <= last)
    style = {"lw": 1.0, "ls": "--"}
    for theta, color in THETAS.items():
        curve = reference.magnitude(phase[inside], [band], theta=theta)[0].cpu().numpy()
        column[2].plot(phase[inside], curve, color=color, **style)
        if theta == 0:
            column[0].plot(phase[inside], curve, color="black", label="reference", **style)
            column[1].plot(phase[inside], curve - middle[inside], color="black", **style)


def _draw_sizes(axes: Axes, sigma: Array, wave: Array, days: Array) -> None:
    """Heat map of draws (n, K_t, K_l - 2), each cell with its numbers."""
    mean, sd = sigma.mean(0), sigma.std(0, ddof=1)
    image = axes.imshow(mean, cmap=SEQUENTIAL, origin="lower", aspect="auto", vmin=0.0)
    axes.figure.colorbar(image, ax=axes, pad=0.02)
    for (row, column), value in np.ndenumerate(mean):
        axes.text(
            column,
            row,
            f"{value:.3f}\n±{sd[row, column]:.3f}",
            ha="center",
            va="center",
            fontsize=9 if len(wave) <= 4 else 8,
            color="black" if value > 0.6 * mean.max() else "white",
        )
    axes.set_xticks(range(len(wave)), [f"{w:.0f}" for w in wave])
    axes.set_yticks(range(len(days)), [f"{d:g}" for d in days])
    axes.set(xlabel="wavelength of the knot (Å)", ylabel="phase of the knot (d)")
    axes.set_title(r"$\sigma_\epsilon$ (mag)", fontsize="medium")


def _draw_correlation(axes: Axes, correlation: Array, wave: Array, days: Array) -> None:
    """Heat map of (N, N); the phase's days stand beside the wavelengths of its knots."""
    n, block = len(correlation), len(wave)
    image = axes.imshow(correlation, cmap=DIVERGING, vmin=-1, vmax=1)
    axes.figure.colorbar(image, ax=axes, pad=0.02)
    for edge in np.arange(block, n, block) - 0.5:
        axes.axhline(edge, color="black", lw=0.6)
        axes.axvline(edge, color="black", lw=0.6)
    labels = [f"{w:.0f}" for _ in days for w in wave]
    axes.set_xticks(range(n), labels, rotation=90, fontsize=7)
    axes.set_yticks(range(n), labels, fontsize=7)
    middles = np.arange(len(days)) * block + (block - 1) / 2
    names = [f"{d:g} d" for d in days]
    top, side = axes.secondary_xaxis("top"), axes.secondary_yaxis(-0.07)
    top.set_xticks(middles, names, fontsize="small")
    side.set_yticks(middles, names, fontsize="small")
    for axis in (top, side):
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    axes.set_xlabel("wavelength of the knot (Å)")
    axes.set_title(r"correlation of $\epsilon$", fontsize="medium")
