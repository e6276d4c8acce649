"""Copies of training light curves, also shifted in brightness and time.

A generator can repeat a training object at another distance or another date; summary features
move with such shifts, the light curve's shape does not. For an object with detections (t_j, m_j,
band j) and a training object whose magnitudes and errors T, σ are interpolated linearly between
its detections of the same band,

    RMS² = min over Δt, Δm of  Σ_j [(m_j - Δm - T(t_j + Δt)) / σ(t_j + Δt)]² / (n - 1)

over the n detections that the training light curve brackets. The errors are the training object's,
so that a generator gains nothing by large ones. Pairs need n >= 5 and 70 % of the detections,
otherwise a curve would resemble anything it hardly overlaps with. The shares of copies follow from
the smallest RMS as in ``memorisation``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sntorch.data.batch import LightCurveBatch
from sntorch.features.summary import BandSeries, band_series
from sntorch.generative.evaluate.distances import Array
from sntorch.generative.evaluate.memorisation import compare_distances

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Half a step of the grid moves the steepest rise by less than 0.01 mag.
GRID_DAYS = 0.1
# In steps of the grid: five days either way, half a day at a time.
LARGEST_SHIFT = 50
SHIFT_STEP = 5
FEWEST = 5
LEAST_OVERLAP = 0.7
SMALLEST_ERROR = 0.01
CHUNK = 500


@dataclass(frozen=True)
class _Curves:
    """Training light curves on a grid of phases, the bands' grids one after another.

    Attributes:
        tables: 1, w, wT and wT² of the N curves with w = 1/σ², four arrays of shape (F·G, N); 0
            where a curve has no detections on both sides.
        start: Phase of a grid's first point, days.
        length: Points G of one band's grid.
        level: Magnitude that was subtracted, lest digits are lost.
    """

    tables: list[Array]
    start: float
    length: int
    level: float


def nearest_light_curve(sample: LightCurveBatch, train: LightCurveBatch) -> Array:
    """RMS in σ to the most similar training light curve, shape (B,).

    Infinity for an object that no training light curve overlaps with enough.

    Args:
        sample: Light curves.
        train: The training set, in the same bands.
    """
    series = band_series(sample)
    best = np.full(len(sample), np.inf)
    for known in _chunks(band_series(train)):
        curves = _tabulate(known)
        rms = [_smallest(curves, rows) for rows in _chunks(series)]
        best = np.minimum(best, np.concatenate(rms))
    return best


def raw_memorisation(ours: Array, theirs: Array) -> dict[str, float | bool | None]:
    """The scores of ``memorisation`` from distances of ``nearest_light_curve``.

    Args:
        ours: Of the sample's objects, shape (N,).
        theirs: Of held-out objects, shape (M,).

    Returns:
        ``ratio``, ``copies``, ``expected_copies``, ``most_copies``, ``c_t``, ``passed`` and
        ``compared``, the share of objects that overlap with a training light curve; None for the
        others where nothing does.
    """
    known, others = ours[np.isfinite(ours)], theirs[np.isfinite(theirs)]
    compared = len(known) / len(ours)
    if not (len(known) and len(others)):
        names = ("ratio", "copies", "expected_copies", "most_copies", "c_t", "passed")
        unknown = dict.fromkeys(names)
        return unknown | {"compared": compared}
    return {**compare_distances(known, others).as_dict(), "compared": compared}


def _chunks(series: list[BandSeries]) -> Iterator[list[BandSeries]]:
    """The objects a few hundred at a time: tables of all would not fit into memory."""
    for i in range(0, len(series[0].mag), CHUNK):
        chosen = slice(i, i + CHUNK)
        yield [BandSeries(s.phase[chosen], s.mag[chosen], s.err[chosen]) for s in series]


def _tabulate(series: list[BandSeries]) -> _Curves:
    phases = np.concatenate([s.phase[np.isfinite(s.phase)] for s in series])
    mags = np.concatenate([s.mag[np.isfinite(s.mag)] for s in series])
    level = float(mags.mean()) if mags.size else 0.0
    # Empty margins take the detections that a shift carries beyond all training curves.
    margin = (2 * LARGEST_SHIFT + 1) * GRID_DAYS
    start, end = phases.min(initial=0.0) - margin, phases.max(initial=0.0) + margin
    grid = np.arange(start, end + GRID_DAYS, GRID_DAYS)
    mag = np.concatenate([_interpolated(s.phase, s.mag - level, grid) for s in series])
    err = np.concatenate([_interpolated(s.phase, s.err, grid) for s in series])
    there = np.isfinite(mag)
    weight = np.where(there, 1 / np.maximum(err, SMALLEST_ERROR) ** 2, 0.0)
    mag = np.where(there, mag, 0.0)
    tables = [there.astype(float), weight, weight * mag, weight * mag**2]
    return _Curves(tables, float(start), len(grid), level)


def _interpolated(phase: Array, values: Array, grid: Array) -> Array:
    """Every row of ``values`` (N, L) on the grid, shape (G, N); NaN outside its detections."""
    out = np.full((len(grid), len(phase)), np.nan)
    for k, (when, row) in enumerate(zip(phase, values, strict=True)):
        seen = np.isfinite(when)
        if seen.sum() > 1:
            out[:, k] = np.interp(grid, when[seen], row[seen], left=np.nan, right=np.nan)
    return out


def _smallest(curves: _Curves, series: list[BandSeries]) -> Array:
    """Smallest RMS of some objects over training curves and shifts in time, shape (B,)."""
    ones, mags = _scatter(curves, series)
    squares = mags.power(2)
    there, w, wt, wtt = curves.tables
    enough = np.maximum(FEWEST, LEAST_OVERLAP * ones.sum(axis=1))[:, None]
    best = np.full(len(series[0].mag), np.inf)
    for shift in range(-LARGEST_SHIFT, LARGEST_SHIFT + 1, SHIFT_STEP):
        one, mag, square = (_shifted(matrix, shift) for matrix in (ones, mags, squares))
        count, total = one @ there, one @ w
        grey = mag @ w - one @ wt
        squared = square @ w - 2 * (mag @ wt) + one @ wtt - grey**2 / np.where(total, total, 1.0)
        rms = np.sqrt(np.maximum(squared, 0.0) / np.maximum(count - 1, 1))
        best = np.minimum(best, np.where(count >= enough, rms, np.inf).min(axis=1))
    return best


def _scatter(curves: _Curves, series: list[BandSeries]) -> tuple[csr_array, csr_array]:
    """Detections at their places on the grid: ones, and magnitudes; shapes (B, F·G)."""
    from scipy.sparse import csr_array

    rows, columns, values = [], [], []
    for f, s in enumerate(series):
        row, column = np.nonzero(np.isfinite(s.mag))
        place = np.rint((s.phase[row, column] - curves.start) / GRID_DAYS).astype(int)
        inside = np.clip(place, LARGEST_SHIFT, curves.length - 1 - LARGEST_SHIFT)
        rows.append(row)
        columns.append(inside + f * curves.length)
        values.append(s.mag[row, column] - curves.level)
    shape = (len(series[0].mag), len(series) * curves.length)
    where = np.concatenate(rows), np.concatenate(columns)
    mags = np.concatenate(values)
    return csr_array((np.ones_like(mags), where), shape), csr_array((mags, where), shape)


def _shifted(matrix: csr_array, shift: int) -> csr_array:
    from scipy.sparse import csr_array

    return csr_array((matrix.data, matrix.indices + shift, matrix.indptr), matrix.shape)
