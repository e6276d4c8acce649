"""Numbers that summarise a light curve, computed on its observations (no fit in between).

Magnitudes are taken of detections only (signal-to-noise ratio of at least 3). What an object does
not have (a band, an epoch 15 days after peak) is NaN.

Letters in shapes: ``B`` objects, ``L`` steps, ``F`` bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sntorch.data.batch import LightCurveBatch
from sntorch.data.magnitudes import LN_PER_MAG, POGSON
from sntorch.data.rows import LightCurveRows

Array = NDArray[np.float64]
DETECTION_SNR = 3.0
CADENCE_FEATURES = ("n_obs", "first_phase", "last_phase", "gap_median", "gap_std", "synchronicity")


@dataclass
class BandSeries:
    """Detections of one band, packed to the left.

    Attributes:
        phase: Days since ``t_ref``, shape (B, L); NaN where padded.
        mag: Magnitudes, shape (B, L); NaN where padded.
        err: Magnitude errors, shape (B, L); NaN where padded.
    """

    phase: Array
    mag: Array
    err: Array

    @property
    def peak(self) -> NDArray[np.int64]:
        """Index of the brightest detection, shape (B,); 0 where there is none."""
        return np.argmin(np.where(np.isnan(self.mag), np.inf, self.mag), axis=1)

    def at_peak(self, values: Array) -> Array:
        """The brightest detection's entry of ``values`` (B, L), shape (B,)."""
        return np.take_along_axis(values, self.peak[:, None], 1)[:, 0]

    def interpolate(self, when: Array) -> Array:
        """Magnitude at ``when`` (B,) days, linear between detections; NaN outside them."""
        after = (self.phase < when[:, None]).sum(1)
        last = np.isfinite(self.phase).sum(1)
        inside = (after > 0) & (after < last)
        right = np.where(inside, after, 1)
        pick = lambda values, k: np.take_along_axis(values, k[:, None], 1)[:, 0]  # noqa: E731
        t0, t1 = pick(self.phase, right - 1), pick(self.phase, right)
        m0, m1 = pick(self.mag, right - 1), pick(self.mag, right)
        weight = (when - t0) / np.where(t1 > t0, t1 - t0, 1.0)
        return np.where(inside, m0 + weight * (m1 - m0), np.nan)


def band_series(batch: LightCurveBatch | LightCurveRows) -> list[BandSeries]:
    """The detections of every band, in the order of ``batch.bands``."""
    rows = batch.to_rows() if isinstance(batch, LightCurveBatch) else batch
    t_ref = rows.source.t_ref.cpu().double().numpy()
    zeropoint = rows.source.zeropoint
    return [
        _pack(
            rows.time[..., f].cpu().double().numpy() - t_ref[:, None],
            rows.flux[..., f].cpu().double().numpy(),
            rows.flux_err[..., f].cpu().double().numpy(),
            (rows.mask & ~rows.upper_limit)[..., f].cpu().numpy(),
            zeropoint,
        )
        for f in range(rows.mask.shape[-1])
    ]


def summary_features(batch: LightCurveBatch | LightCurveRows) -> dict[str, Array]:
    """All summary features of a batch: one array of shape (B,) each, by name.

    Names are ``<quantity>_<band>``, or ``<quantity>_<band>_<band>`` for pairs of neighbouring
    bands.
    """
    bands = (batch if isinstance(batch, LightCurveBatch) else batch.source).bands
    series = band_series(batch)
    features: dict[str, Array] = {}
    for band, one in zip(bands, series, strict=True):
        features |= {f"{name}_{band}": value for name, value in _band_features(one).items()}
    for (a, one), (b, other) in zip(
        zip(bands[:-1], series[:-1], strict=True),
        zip(bands[1:], series[1:], strict=True),
        strict=True,
    ):
        features[f"colour_{a}_{b}"] = one.at_peak(one.mag) - other.interpolate(
            one.at_peak(one.phase)
        )
        features[f"synchronicity_{a}_{b}"] = _synchronicity(one, other)
    return features


def quantity(name: str, bands: Sequence[str]) -> str:
    """The quantity of a feature's name, without its band or bands.

    Args:
        name: As ``summary_features`` names features.
        bands: The bands of the light curves.
    """
    tails = [f"_{a}_{b}" for a in bands for b in bands] + [f"_{b}" for b in bands]
    return next((name.removesuffix(tail) for tail in tails if name.endswith(tail)), name)


def peak_magnitudes(batch: LightCurveBatch | LightCurveRows) -> dict[str, Array]:
    """Magnitude of the brightest detection of each band, shape (B,); NaN where there is none."""
    bands = (batch if isinstance(batch, LightCurveBatch) else batch.source).bands
    return {band: s.at_peak(s.mag) for band, s in zip(bands, band_series(batch), strict=True)}


def _pack(time: Array, flux: Array, err: Array, mask: Any, zeropoint: float) -> BandSeries:
    good = mask & (flux >= DETECTION_SNR * err) & (flux > 0)
    # Two empty columns at least, so that neighbours can be indexed.
    order = np.argsort(~good, axis=1, kind="stable")
    width = max(int(good.sum(1).max(initial=0)), 0)

    def packed(values: Array) -> Array:
        left = np.take_along_axis(np.where(good, values, np.nan), order, 1)[:, :width]
        return np.pad(left, ((0, 0), (0, 2)), constant_values=np.nan)

    safe = np.where(good, flux, 1.0)
    return BandSeries(
        phase=packed(time),
        mag=packed(zeropoint - 2.5 * np.log10(safe)),
        err=packed(POGSON * err / safe),
    )


def _band_features(s: BandSeries) -> dict[str, Array]:
    peak_phase, peak_mag = s.at_peak(s.phase), s.at_peak(s.mag)
    gaps = np.diff(s.phase, axis=1)
    count = np.isfinite(s.mag).sum(1).astype(float)
    level = np.log(s.err)
    slope, offset = _line(s.mag, level)
    return {
        "peak_mag": peak_mag,
        "peak_phase": peak_phase,
        "dm15": s.interpolate(peak_phase + 15.0) - peak_mag,
        "rise": s.interpolate(peak_phase - 8.0) - peak_mag,
        "n_obs": count,
        "first_phase": s.phase[:, 0],
        "last_phase": np.nanmax(np.where(count[:, None] > 0, s.phase, 0.0), axis=1)
        + 0 * s.phase[:, 0],
        "gap_median": _quietly(np.nanmedian, gaps),
        "gap_std": _quietly(np.nanstd, gaps),
        "log_err": _quietly(np.nanmean, level),
        "err_slope": slope,
        "err_offset": offset,
        "roughness": _roughness(s),
        "lag1": _lag1(s),
    }


def _quietly(reduce: Any, values: Array) -> Array:
    """Reduce rows, NaN for rows without entries, without numpy's warning about them."""
    full = np.isfinite(values).any(1)
    out = np.full(len(values), np.nan)
    if full.any():
        out[full] = reduce(values[full], axis=1)
    return out


def _line(x: Array, y: Array) -> tuple[Array, Array]:
    """Slope of y against x in each row, and mean y beyond the slope of a sky-limited survey."""
    mean_x, mean_y = _quietly(np.nanmean, x), _quietly(np.nanmean, y)
    dx, dy = x - mean_x[:, None], y - mean_y[:, None]
    spread = np.nansum(dx * dx, 1)
    known = (spread > 1e-4) & (np.isfinite(x).sum(1) > 2)
    slope = np.where(known, np.nansum(dx * dy, 1) / np.where(known, spread, 1.0), np.nan)
    return slope, mean_y - LN_PER_MAG * (mean_x - 22.0)


def _residuals(s: BandSeries) -> Array:
    """Distance of each inner detection from the line between its neighbours, in errors."""
    t0, t1, t2 = s.phase[:, :-2], s.phase[:, 1:-1], s.phase[:, 2:]
    span = t2 - t0
    weight = (t1 - t0) / np.where(span > 0, span, np.nan)
    off = s.mag[:, 1:-1] - weight * s.mag[:, 2:] - (1 - weight) * s.mag[:, :-2]
    variance = (
        s.err[:, 1:-1] ** 2 + (weight * s.err[:, 2:]) ** 2 + ((1 - weight) * s.err[:, :-2]) ** 2
    )
    return off / np.sqrt(variance)


def _roughness(s: BandSeries) -> Array:
    return _quietly(np.nanmedian, np.abs(_residuals(s)))


def _lag1(s: BandSeries) -> Array:
    """Correlation of neighbouring residuals, each limited to ten standard deviations."""
    r = np.clip(_residuals(s), -10, 10)
    power = _quietly(np.nanmean, r * r)
    return _quietly(np.nanmean, r[:, 1:] * r[:, :-1]) / np.where(power > 0, power, np.nan)


def _synchronicity(one: BandSeries, other: BandSeries) -> Array:
    """Median distance in days between the k-th detections of two bands."""
    width = min(one.phase.shape[1], other.phase.shape[1])
    return _quietly(np.nanmedian, np.abs(one.phase[:, :width] - other.phase[:, :width]))
