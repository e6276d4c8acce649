"""The few scores that are cheap enough for every validation."""

from __future__ import annotations

import numpy as np

from sntorch.data.batch import LightCurveBatch
from sntorch.features.summary import summary_features
from sntorch.generative.evaluate.distances import ks_distance, wasserstein_distance
from sntorch.generative.evaluate.impossible import impossible


def quick_metrics(generated: LightCurveBatch, real: LightCurveBatch) -> dict[str, float]:
    """KS and Wasserstein distances of the peak magnitudes, mean KS of all features, impossible
    observations.

    Args:
        generated: Sampled light curves.
        real: Held-out light curves in the same bands.
    """
    ours, theirs = summary_features(generated), summary_features(real)
    metrics = {
        f"ks_peak_{band}": ks_distance(ours[f"peak_mag_{band}"], theirs[f"peak_mag_{band}"])
        for band in real.bands
    }
    metrics["ks_peak_mean"] = float(np.nanmean(list(metrics.values())))
    metrics["w1_peak_mean"] = float(
        np.nanmean(
            [
                wasserstein_distance(ours[f"peak_mag_{b}"], theirs[f"peak_mag_{b}"])
                for b in real.bands
            ]
        )
    )
    every = [ks_distance(ours[name], theirs[name]) for name in theirs]
    known = [value for value in every if np.isfinite(value)]
    metrics["ks_all_mean"] = float(np.mean(known)) if known else float("nan")
    return metrics | impossible(generated)
