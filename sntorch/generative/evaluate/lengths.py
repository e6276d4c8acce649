"""Does a sample have as many observations, and errors as large, as the real one?"""

from __future__ import annotations

from typing import Any

import numpy as np

from sntorch.data.batch import LightCurveBatch
from sntorch.data.magnitudes import LN_PER_MAG
from sntorch.features.summary import BandSeries, band_series
from sntorch.generative.evaluate.distances import Array, ks_distance

FEWEST_IN_BIN = 10


def length_scores(sample: LightCurveBatch, real: LightCurveBatch) -> dict[str, Any]:
    """Chi-squared of the histograms of the number of observations N_b, by band and as ``mean``.

    Args:
        sample: Light curves.
        real: Real ones in the same bands.

    Returns:
        ``chi2`` for each degree of freedom (1 expected for two real samples) and its ``p_value``;
        the mean has no p-value, for the bands of an object are not independent.
    """
    ours, theirs = (_counts(batch) for batch in (sample, real))
    scores: dict[str, Any] = {
        band: chi_squared(ours[:, f], theirs[:, f]) for f, band in enumerate(real.bands)
    }
    known = [s["chi2"] for s in scores.values() if np.isfinite(s["chi2"])]
    return {"mean": {"chi2": float(np.mean(known)) if known else float("nan")}} | scores


def error_scores(sample: LightCurveBatch, real: LightCurveBatch) -> dict[str, float]:
    """KS distance of ln σ - 0.4 ln 10 (m - 22) over all detections, by band and as ``mean``.

    The line is the error of a survey limited by the sky; what is left of it is the depth.
    """
    scores = {
        band: ks_distance(_depth(one), _depth(other))
        for band, one, other in zip(
            real.bands, band_series(sample), band_series(real), strict=True
        )
    }
    known = [value for value in scores.values() if np.isfinite(value)]
    return {"mean": float(np.mean(known)) if known else float("nan")} | scores


def chi_squared(x: Array, y: Array) -> dict[str, float]:
    """Compare two samples of whole numbers (Press et al. 2007, Numerical Recipes, 14.3.3).

    Neighbouring numbers share a bin until it holds ten entries of both samples together. One bin
    for all leaves nothing to compare: NaN.
    """
    from scipy.stats import chi2

    edges = _edges(np.concatenate([x, y]))
    a, b = (np.histogram(values, edges)[0].astype(float) for values in (x, y))
    freedom = len(a) - 1
    if freedom < 1:
        return {"chi2": float("nan"), "p_value": float("nan")}
    ratio = np.sqrt(b.sum() / a.sum())
    total = float(((ratio * a - b / ratio) ** 2 / (a + b)).sum())
    return {"chi2": total / freedom, "p_value": float(chi2.sf(total, freedom))}


def _edges(values: Array) -> Array:
    """Ends of bins with ten entries each; what is left at the end joins the last bin."""
    edges, held = [-np.inf], 0
    for value, count in zip(*np.unique(values, return_counts=True), strict=True):
        held += count
        if held >= FEWEST_IN_BIN:
            edges.append(value + 0.5)
            held = 0
    return np.array([*edges[: max(len(edges) - 1, 1)], np.inf])


def _counts(batch: LightCurveBatch) -> Array:
    """Measured observations of every object and band, shape (B, F)."""
    measured = batch.mask & ~batch.upper_limit
    return np.stack(
        [(measured & (batch.band == f)).sum(1).cpu().numpy() for f in range(len(batch.bands))],
        axis=1,
    )


def _depth(s: BandSeries) -> Array:
    return (np.log(s.err) - LN_PER_MAG * (s.mag - 22.0)).ravel()
