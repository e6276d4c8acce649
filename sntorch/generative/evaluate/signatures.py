"""Truncated signatures of light curves: what a path does, in iterated integrals.

The signature of a path X in R^d has levels S_k = ∫…∫ dX ⊗ … ⊗ dX over ordered times. A straight
line with increment v has S_k = v^{⊗k} / k!, and Chen's identity S(X * Y) = S(X) ⊗ S(Y) joins
pieces (Chevyrev & Kormilitzin 2016, arXiv:1603.03788). The path of one band runs through (phase,
magnitude) of its detections, both scaled by the training set, and begins at the origin, so that
the signature also knows when a light curve starts and how bright it is. Levels up to 3 are kept,
each divided by its typical size in the training set: otherwise the third would outweigh the rest.
"""

from __future__ import annotations

import numpy as np

from sntorch.data.batch import LightCurveBatch
from sntorch.features.summary import BandSeries, band_series
from sntorch.generative.evaluate.distances import Array

LEVELS = 3


def signature(path: Array) -> list[Array]:
    """Levels 1 to 3 of the signatures of piecewise linear paths.

    Args:
        path: Points, shape (B, L, d).

    Returns:
        Shapes (B, d), (B, d²) and (B, d³).
    """
    n, _, d = path.shape
    one, two, three = np.zeros((n, d)), np.zeros((n, d, d)), np.zeros((n, d, d, d))
    for step in np.moveaxis(np.diff(path, axis=1), 1, 0):
        square = step[:, :, None] * step[:, None, :]
        three += (
            two[..., None] * step[:, None, None, :]
            + one[:, :, None, None] * square[:, None] / 2
            + square[..., None] * step[:, None, None, :] / 6
        )
        two += one[:, :, None] * step[:, None, :] + square / 2
        one += step
    return [one, two.reshape(n, -1), three.reshape(n, -1)]


class LightCurveSignatures:
    """Signatures of all bands of a light curve as one vector, on the scale of a training set.

    Args:
        reference: The training set.
    """

    def __init__(self, reference: LightCurveBatch) -> None:
        series = band_series(reference)
        self.days = _moments([s.phase for s in series])
        self.mags = _moments([s.mag for s in series])
        levels = [signature(self._path(s)) for s in series]
        self.sizes = [
            np.sqrt(np.mean([(band[k] ** 2).sum(1) for band in levels])) or 1.0
            for k in range(LEVELS)
        ]

    def __call__(self, batch: LightCurveBatch) -> Array:
        """One row an object, shape (B, D): level 0 to 3 of each band.

        A band without detections has no path: all its levels are zero, level 0 too.
        """
        parts = []
        for s in band_series(batch):
            seen = np.isfinite(s.mag).any(1).astype(float)[:, None]
            levels = zip(signature(self._path(s)), self.sizes, strict=True)
            parts += [seen, *(level / size for level, size in levels)]
        return np.concatenate(parts, axis=1)

    def _path(self, s: BandSeries) -> Array:
        columns = [
            (values - centre) / scale
            for values, (centre, scale) in ((s.phase, self.days), (s.mag, self.mags))
        ]
        points = np.stack(columns, axis=-1)
        points = np.concatenate([np.zeros_like(points[:, :1]), points], axis=1)
        # A path stays at its last point, which adds nothing to the integrals.
        last = np.maximum.accumulate(
            np.where(np.isfinite(points[..., 0]), np.arange(points.shape[1]), 0), axis=1
        )
        return np.take_along_axis(points, last[..., None], axis=1)


def _moments(values: list[Array]) -> tuple[float, float]:
    flat = np.concatenate([v[np.isfinite(v)] for v in values])
    return (float(flat.mean()), float(flat.std()) or 1.0) if flat.size else (0.0, 1.0)
