"""Generated light curves beside real ones.

Every function takes two batches in the same bands and returns a ``Figure``. Magnitudes are those
of detections (signal-to-noise ratio of at least 3), phases are days since ``t_ref`` in the
observer frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sntorch.data.batch import LightCurveBatch
from sntorch.data.magnitudes import POGSON

Array = NDArray[np.float64]
DETECTION_SNR = 3.0
REAL = "0.35"
# What the sample compared with is called: it may be simulated, so not "real".
HELD_OUT = "held out"
PALETTE = ("#2a9d5c", "#d1495b", "#b8860b", "#6a4c93", "#1f77b4", "#e07a1f", "#17a2a2", "#8c564b")
LETTER_COLOURS = {
    "u": "#2c5fa8",
    "g": "#2a9d5c",
    "r": "#d1495b",
    "i": "#b8860b",
    "z": "#7d3c98",
    "y": "#222222",
}


def peak_histograms(
    real: LightCurveBatch, generated: LightCurveBatch, notes: Mapping[str, str] | None = None
) -> Figure:
    """Distribution of the brightest magnitude in each band, real (filled) against generated
    (line).

    Args:
        real: Real light curves.
        generated: Generated light curves.
        notes: A line of text for each band's panel, such as its KS distance.
    """
    figure, axes = _panels(real.bands, "brightest magnitude (mag)", "share of objects")
    for ax, band, ours, theirs in zip(
        axes, real.bands, _series(generated), _series(real), strict=False
    ):
        peaks = [_brightest(s) for s in (theirs, ours)]
        everything = np.concatenate(peaks)
        if not everything.size:
            continue
        edges = np.linspace(*np.quantile(everything, [0.002, 0.998]).tolist(), num=26)
        shares = [np.full(p.size, 1 / max(p.size, 1)) for p in peaks]
        ax.hist(peaks[0], edges, weights=shares[0], color="0.8", label=f"{HELD_OUT} ({len(real)})")
        ax.hist(
            peaks[1],
            edges,
            weights=shares[1],
            histtype="step",
            lw=1.6,
            color=band_colour(band, real.bands),
            label=f"generated ({len(generated)})",
        )
        ax.invert_xaxis()
        _legend(ax, loc="upper right")
        # Room for the note and the legend above the bars.
        ax.set_ylim(top=1.25 * ax.get_ylim()[1])
        if notes and band in notes:
            ax.text(0.03, 0.97, notes[band], transform=ax.transAxes, va="top", fontsize=8)
    return figure


def population_fan(
    real: LightCurveBatch, generated: LightCurveBatch, width: float = 5.0
) -> Figure:
    """Median and central 68 % of the magnitudes against phase, in bins of ``width`` days."""
    figure, axes = _panels(
        real.bands, "days since reference time", "median and central 68 % (mag)"
    )
    for ax, band, ours, theirs in zip(
        axes, real.bands, _series(generated), _series(real), strict=False
    ):
        _fan(ax, theirs, width, "0.55", HELD_OUT, "--")
        _fan(ax, ours, width, band_colour(band, real.bands), "generated", "-")
        ax.invert_yaxis()
        _legend(ax, loc="lower left")
    return figure


def error_against_magnitude(
    real: LightCurveBatch, generated: LightCurveBatch, limit: int = 3000
) -> Figure:
    """Magnitude errors against magnitudes, up to ``limit`` observations of each sample.

    Lines are the medians of both samples, so that they can be compared where the points overlap.
    """
    figure, axes = _panels(real.bands, "magnitude", "error (mag)")
    for ax, band, ours, theirs in zip(
        axes, real.bands, _series(generated), _series(real), strict=False
    ):
        colour = band_colour(band, real.bands)
        for s, shade, line, dash, label in (
            (theirs, REAL, "black", "--", HELD_OUT),
            (ours, colour, colour, "-", "generated"),
        ):
            pick = np.random.default_rng(0).permutation(s["mag"].size)[:limit]
            ax.scatter(s["mag"][pick], s["err"][pick], s=2, lw=0, alpha=0.3, color=shade)
            middle, level = _running_median(s["mag"], s["err"])
            if not len(middle):
                continue
            ax.plot(middle, level, linestyle=dash, color=line, lw=1.5, label=label)
        errors = np.concatenate([ours["err"], theirs["err"]])
        if errors.size:
            ax.set(yscale="log", ylim=(errors.min() / 1.3, errors.max() * 1.3))
        ax.invert_xaxis()
        _legend(ax)
    return figure


def example_grid(
    real: LightCurveBatch,
    generated: LightCurveBatch,
    rows: int = 4,
    columns: int = 3,
    seed: int = 0,
) -> Figure:
    """Random real light curves (left half) beside random generated ones (right half)."""
    figure = Figure(figsize=(3.1 * 2 * columns, 2.2 * rows), layout="constrained")
    axes = np.atleast_2d(np.asarray(figure.subplots(rows, 2 * columns, sharex=True)))
    rng = np.random.default_rng(seed)
    for half, (batch, name) in enumerate(((real, HELD_OUT), (generated, "generated"))):
        picks = rng.permutation(len(batch))[: rows * columns]
        series = _series(batch)
        for ax, k in zip(axes[:, half * columns : (half + 1) * columns].flat, picks, strict=False):
            _one_object(ax, series, int(k), batch.bands)
            ax.set_title(
                f"{name}: {batch.object_id[int(k)]}",
                fontsize=8,
                color=REAL if not half else "#1f4e9c",
            )
    _legend(axes[0, 0])
    figure.supxlabel("days since reference time", fontsize=9)
    figure.supylabel("magnitude", fontsize=9)
    return figure


def band_colour(band: str, bands: tuple[str, ...]) -> str:
    """Colour of a band: by its last letter for the usual filters, else by its place."""
    letter = band[-1].lower()
    clash = sum(b[-1].lower() == letter for b in bands) > 1
    if letter in LETTER_COLOURS and not clash:
        return LETTER_COLOURS[letter]
    return PALETTE[bands.index(band) % len(PALETTE)]


def _series(batch: LightCurveBatch) -> list[dict[str, Any]]:
    """Detections of each band as flat arrays: object, phase, magnitude, error."""
    batch = batch.to("cpu")
    flux, err = (t.double().numpy() for t in (batch.flux, batch.flux_err))
    good = batch.mask.numpy() & (flux >= DETECTION_SNR * err) & (flux > 0)
    band, phase = batch.band.numpy(), batch.phase.double().numpy()
    out = []
    for f in range(len(batch.bands)):
        rows, columns = np.nonzero(good & (band == f))
        value, error = flux[rows, columns], err[rows, columns]
        out.append(
            {
                "object": rows,
                "phase": phase[rows, columns],
                "mag": batch.zeropoint - 2.5 * np.log10(value),
                "err": POGSON * error / value,
            }
        )
    return out


def _brightest(series: dict[str, Any]) -> Array:
    """Smallest magnitude of every object that has one."""
    if not series["mag"].size:
        return np.zeros(0)
    best = np.full(series["object"].max() + 1, np.inf)
    np.minimum.at(best, series["object"], series["mag"])
    return best[np.isfinite(best)]


def _legend(ax: Axes, **options: Any) -> None:
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize=7, **options)


def _running_median(x: Array, y: Array, width: float = 0.5) -> tuple[Array, Array]:
    """Medians of ``y`` in bins of ``x`` with at least 8 points, and the bins' middles."""
    place = np.round(x / width).astype(int)
    bins = [b for b in np.unique(place) if (place == b).sum() >= 8]
    return np.array(bins) * width, np.array([np.median(y[place == b]) for b in bins])


def _fan(ax: Axes, s: dict[str, Any], width: float, colour: str, label: str, style: str) -> None:
    place = np.round(s["phase"] / width).astype(int)
    bins = [b for b in np.unique(place) if (place == b).sum() >= 8]
    if not bins:
        return
    low, middle, high = np.array(
        [np.quantile(s["mag"][place == b], [0.16, 0.5, 0.84]) for b in bins]
    ).T
    days = np.array(bins) * width
    ax.fill_between(days, low, high, color=colour, alpha=0.25, lw=0)
    ax.plot(days, middle, style, color=colour, lw=1.5, label=label)


def _one_object(ax: Axes, series: list[dict[str, Any]], k: int, bands: tuple[str, ...]) -> None:
    for band, s in zip(bands, series, strict=True):
        mine = s["object"] == k
        ax.errorbar(
            s["phase"][mine],
            s["mag"][mine],
            s["err"][mine],
            fmt="o-",
            ms=2.5,
            lw=0.5,
            elinewidth=0.8,
            color=band_colour(band, bands),
            label=band,
        )
    ax.invert_yaxis()
    ax.tick_params(labelsize=7)


def _panels(bands: tuple[str, ...], x: str, y: str) -> tuple[Figure, list[Axes]]:
    columns = min(len(bands), 4)
    rows = -(-len(bands) // columns)
    figure = Figure(figsize=(3.3 * columns, 2.9 * rows), layout="constrained")
    axes = list(np.asarray(figure.subplots(rows, columns, squeeze=False)).flat)
    for ax, band in zip(axes, bands, strict=False):
        ax.set_title(band, fontsize=9)
        ax.tick_params(labelsize=8)
    for ax in axes[len(bands) :]:
        ax.set_visible(False)
    figure.supxlabel(x, fontsize=9)
    figure.supylabel(y, fontsize=9)
    return figure, axes[: len(bands)]
