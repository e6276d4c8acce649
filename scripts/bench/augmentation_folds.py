"""The augmentation experiment on real SNe of rare types, each left out once.

Ten or fewer objects of a type leave none for a test sample, so classifiers are scored on what was
left out of their training (``sntorch.generative.evaluate.augmentation_folds``). Common objects
are left out too, so an arm that learns from them begins anew in each fold. Results describe
these objects; with so few, intervals over objects are as wide as they are, and a type of which
leaving one out leaves fewer objects than any generator takes is named and not run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from augmentation_results import Store, signed
from augmentation_targets import (
    FEWEST_DETECTIONS,
    OSC_PHASES,
    SEED,
    open_supernova_catalog,
)

from sntorch.data.batch import LightCurveBatch
from sntorch.generative.baselines.training_set import FEWEST
from sntorch.generative.evaluate.augmentation import Arm, observed
from sntorch.generative.evaluate.augmentation_folds import LeaveOut
from sntorch.generative.evaluate.precision import Precisions

COLUMNS = ("target", "n", "arm", "AP", "against none", "against jitter")


def osc_lines(
    arms: Mapping[str, Sequence[Arm]], repetitions: int, folder: Path
) -> list[dict[str, str]]:
    """The cells of ``COLUMNS`` for each type of ``OSC_RARE`` that has arms, and each of these."""
    batch = open_supernova_catalog()
    found: list[dict[str, str]] = []
    for rare, own in arms.items():
        is_rare = _is(batch, rare)
        if is_rare.sum() <= FEWEST:
            found.append(_not_run(rare, int(is_rare.sum())))
            continue
        bands = _bands(batch[np.flatnonzero(is_rare)])
        chosen = batch if bands == batch.bands else open_supernova_catalog(bands)
        sample, is_rare = observed(chosen), _is(chosen, rare)
        parts = (sample.take(np.flatnonzero(part)) for part in (is_rare, ~is_rare))
        experiment = LeaveOut(*parts)
        scores = _scores(rare, experiment, own, repetitions, folder / f"osc_{rare}")
        found += _lines(rare, experiment, scores)
    return found


def _is(batch: LightCurveBatch, rare: str) -> np.ndarray:
    return (batch.label == batch.classes.index(rare)).numpy()


def _bands(rare: LightCurveBatch) -> tuple[str, ...]:
    """Those that some rare object still has when any one of them is left out."""
    seen = [((rare.band == k) & rare.mask).any(1).sum() for k in range(len(rare.bands))]
    return tuple(band for band, n in zip(rare.bands, seen, strict=True) if n > 1)


def _scores(
    rare: str, experiment: LeaveOut, arms: Sequence[Arm], repetitions: int, folder: Path
) -> dict[str, np.ndarray]:
    """Probabilities (R, N) by arm."""
    n = len(experiment.rare)
    settings = {
        "sample": "osc_2010_2014",
        "rare": rare,
        "seed": SEED,
        "bands": list(experiment.rare.batch.bands),
        "phases": list(OSC_PHASES),
        "detections": FEWEST_DETECTIONS,
    }
    store, known = Store(folder, settings), []
    for repetition in range(repetitions):
        known.append(store.load(n, repetition))
        for arm in arms:
            if arm.name not in known[-1]:
                scores = experiment.probabilities(arm, repetition, SEED)
                known[-1][arm.name] = scores.tolist()
                store.save(n, repetition, known[-1])
    return {arm.name: np.array([each[arm.name] for each in known]) for arm in arms}


def _lines(rare: str, experiment: LeaveOut, scores: dict[str, np.ndarray]) -> list[dict[str, str]]:
    number, found = f"{len(experiment.rare)} of {len(experiment.truth)}", []
    precisions = Precisions.of(experiment.truth, scores)
    for arm in scores:
        against = [
            "" if arm in out else signed(precisions.gain(arm, other))
            for other, out in (("none", ("none",)), ("jitter", ("none", "jitter")))
        ]
        cells = (f"osc {rare}", number, arm, str(precisions.mean(arm)), *against)
        found.append(dict(zip(COLUMNS, cells, strict=True)))
    return found


def _not_run(rare: str, n: int) -> dict[str, str]:
    why = f"not run: leaving one out leaves {n - 1}, and generators take {FEWEST} or more"
    return dict(zip(COLUMNS, (f"osc {rare}", str(n), why, "", "", ""), strict=True))
