"""How well the population plot agrees: medians and widths of the magnitudes against phase."""

from __future__ import annotations

from typing import Any

import numpy as np

from sntorch.data.batch import LightCurveBatch
from sntorch.features.summary import band_series
from sntorch.generative.evaluate.distances import Array

BIN_DAYS = 5.0
FEWEST_POINTS = 20


def fan_scores(sample: LightCurveBatch, real: LightCurveBatch) -> dict[str, Any]:
    """Differences of the bands of median and 16-84 % range, in bins of five days.

    A bin counts where both samples have 20 detections, so that quantiles mean something.

    Args:
        sample: Light curves.
        real: Real ones in the same bands.

    Returns:
        By band and as ``mean`` over all bins of all bands: ``median``, the mean |difference of the
        medians| in units of the real half width, and ``width``, the mean |ln ratio of widths|.
    """
    bins = {
        band: _differences(_fan(one.phase, one.mag), _fan(other.phase, other.mag))
        for band, one, other in zip(
            real.bands, band_series(sample), band_series(real), strict=True
        )
    }
    everything = np.concatenate(list(bins.values()))
    return {name: _mean(rows) for name, rows in ({"mean": everything} | bins).items()}


def _fan(phase: Array, mag: Array) -> dict[int, Array]:
    """Quantiles 16, 50 and 84 % of the magnitudes in every bin that has enough."""
    seen = np.isfinite(mag)
    place, values = np.round(phase[seen] / BIN_DAYS).astype(int), mag[seen]
    return {
        int(b): np.quantile(values[place == b], [0.16, 0.5, 0.84])
        for b, count in zip(*np.unique(place, return_counts=True), strict=True)
        if count >= FEWEST_POINTS
    }


def _differences(ours: dict[int, Array], real: dict[int, Array]) -> Array:
    """Difference of medians and of widths in the bins that both have, shape (n, 2)."""
    rows = []
    for b in sorted(ours.keys() & real.keys()):
        (low, middle, high), (real_low, real_middle, real_high) = ours[b], real[b]
        if high > low and real_high > real_low:
            sigma = (real_high - real_low) / 2
            rows.append(
                (
                    abs(middle - real_middle) / sigma,
                    abs(np.log((high - low) / (real_high - real_low))),
                )
            )
    return np.array(rows).reshape(-1, 2)


def _mean(rows: Array) -> dict[str, float]:
    median, width = rows.mean(0) if len(rows) else (np.nan, np.nan)
    return {"median": float(median), "width": float(width)}
