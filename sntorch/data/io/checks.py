"""Observations as a file has them, and what makes a light curve unusable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sntorch.data import filters
from sntorch.data.light_curve import LightCurve

MJD_RANGE = (10_000.0, 100_000.0)
RELATIVE_LIMIT = 10_000.0


@dataclass
class Columns:
    """Observations as a file has them, of one object or of many after one another.

    Attributes:
        time, flux, flux_err: shape (N,).
        filter: Index into ``filters``, shape (N,).
        filters: The file's own names of the filters.
        upper_limit: shape (N,), or None where the file has no limits.
        unit_stated: False where nothing says that ``flux`` holds fluxes and not magnitudes.
    """

    time: NDArray[np.float64]
    flux: NDArray[np.float64]
    flux_err: NDArray[np.float64]
    filter: NDArray[np.int64]
    filters: list[str]
    upper_limit: NDArray[np.bool_] | None = None
    unit_stated: bool = True

    @classmethod
    def named(cls, time: Any, flux: Any, flux_err: Any, filter: Any, **others: Any) -> Columns:
        """Columns with the filter of each observation given by its name."""
        names, index = np.unique(np.asarray(filter, dtype=str), return_inverse=True)
        return cls(time, flux, flux_err, index.reshape(-1), [str(n) for n in names], **others)

    def part(self, rows: slice | NDArray[np.bool_]) -> Columns:
        """The chosen rows."""
        return Columns(
            self.time[rows],
            self.flux[rows],
            self.flux_err[rows],
            self.filter[rows],
            self.filters,
            None if self.upper_limit is None else self.upper_limit[rows],
            self.unit_stated,
        )


def bad_rows(lc: LightCurve) -> NDArray[np.bool_]:
    """True where an observation is not finite, without a positive error or a filter; (T,)."""
    with np.errstate(invalid="ignore"):
        good = np.isfinite(lc.time + lc.flux) & (lc.flux_err > 0) & (lc.flux_err < np.inf)
    return ~good | (lc.band_index < 0)


def problem(lc: LightCurve, columns: Columns, survey: str = "", repeats: bool = True) -> str:
    """Why a light curve cannot be used, in words; empty when it can.

    Args:
        lc: The light curve.
        columns: What it was made from.
        survey: For the message about an unknown filter.
        repeats: Whether to look for repeated rows; not where they have been left out.
    """
    if not len(lc):
        return "no observations; at least one is needed"
    bad = bad_rows(lc)
    if bad.any():
        return _bad_row(lc, int(bad.argmax()), columns, survey)
    repeated = _repeated(lc) if repeats else ""
    return _bad_times(lc) or repeated or ("" if columns.unit_stated else _magnitudes(lc))


def _bad_row(lc: LightCurve, row: int, columns: Columns, survey: str) -> str:
    at = f"row {row + 1}"
    if lc.band_index[row] < 0:
        return f"{at}: {filters.unknown(columns.filters[columns.filter[row]], survey)}"
    at += f" ({lc.bands[lc.band_index[row]]})"
    for column in ("time", "flux", "flux_err"):
        value = getattr(lc, column)[row]
        if not np.isfinite(value):
            return f"{at}: {column} is {value}; a finite number is needed"
    return f"{at}: flux_err is {lc.flux_err[row]:g}; a positive error is needed"


def _bad_times(lc: LightCurve) -> str:
    """Times are MJD, or, where the peak is near zero, days relative to it."""
    low, high = float(lc.time.min()), float(lc.time.max())
    if low > 2_300_000:
        return f"times from {low:g} look like JD; MJD = JD - 2400000.5 is needed"
    if abs(lc.peak_mjd) < 1000:
        if max(-low, high) > RELATIVE_LIMIT:
            return (
                f"times from {low:g} to {high:g} with a peak at {lc.peak_mjd:g}; give both as MJD"
            )
        return ""
    if low < MJD_RANGE[0] or high > MJD_RANGE[1]:
        return (
            f"times from {low:g} to {high:g} are no MJD; accepted are {MJD_RANGE[0]:g} to "
            f"{MJD_RANGE[1]:g}, or days relative to a peak_mjd of 0"
        )
    return ""


def repeated_rows(lc: LightCurve) -> NDArray[np.bool_]:
    """True where a row repeats an earlier one in all columns, shape (T,).

    Two exposures at one (rounded) time in one band are not an error.
    """
    repeated = np.zeros(len(lc), dtype=bool)
    if (lc.time[1:] > lc.time[:-1]).all():
        return repeated
    order = np.lexsort((lc.flux_err, lc.flux, lc.band_index, lc.time))
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in (lc.time, lc.band_index, lc.flux, lc.flux_err):
        same &= column[order[1:]] == column[order[:-1]]
    repeated[order[1:]] = same
    return repeated


def _repeated(lc: LightCurve) -> str:
    repeated = repeated_rows(lc)
    if not repeated.any():
        return ""
    row = int(repeated.argmax())
    return (
        f"row {row + 1} ({lc.band[row]}, MJD {lc.time[row]:.5f}) repeats an earlier row; "
        "each observation is accepted once"
    )


def _magnitudes(lc: LightCurve) -> str:
    """Magnitudes given as fluxes: always between 10 and 30 at a high S/N, never faint."""
    if len(lc) < 5:
        return ""
    inside = (lc.flux > 10) & (lc.flux < 30) & (lc.flux_err < 0.5) & (lc.flux > 20 * lc.flux_err)
    if not inside.all():
        return ""
    low, high = lc.flux.min(), lc.flux.max()
    return f"fluxes from {low:g} to {high:g} look like magnitudes; this column takes fluxes"
