"""Observations that no light curve may have."""

from __future__ import annotations

from sntorch.data.batch import LightCurveBatch
from sntorch.data.rows import LightCurveRows


def impossible(batch: LightCurveBatch | LightCurveRows) -> dict[str, float]:
    """Shares of observations that no light curve may have: unsorted times, errors <= 0, NaN or
    infinity.

    Times are compared within each band, in the order in which they stand.
    """
    counts = impossible_counts(batch)
    n_pairs, n_observations = counts.pop("pairs"), counts.pop("observations")
    of = {"unsorted": n_pairs}
    return {name: n / max(of.get(name, n_observations), 1) for name, n in counts.items()}


def impossible_counts(batch: LightCurveBatch | LightCurveRows) -> dict[str, int]:
    """Numbers of impossible observations, see ``impossible``; ``observations`` and ``pairs`` of
    neighbouring ones in a band say of how many.
    """
    rows = batch.to_rows() if isinstance(batch, LightCurveBatch) else batch
    mask = rows.mask
    pairs = mask[:, 1:] & mask[:, :-1]
    finite = rows.time.isfinite() & rows.flux.isfinite() & rows.flux_err.isfinite()
    return {
        "unsorted": int((pairs & (rows.time.diff(dim=1) < 0)).sum()),
        "nonpositive_errors": int((mask & (rows.flux_err <= 0)).sum()),
        "not_finite": int((mask & ~finite).sum()),
        "observations": int(mask.sum()),
        "pairs": int(pairs.sum()),
    }
