"""Trained on simulated supernovae, tested on real ones, before and after fine-tuning.

The real sample is divided into five parts by object and type, otherwise for every seed. For each
part, everything is learned from the other four: the epochs of the simulation, the labels of
fine-tuning, of classifiers from scratch and of boosted trees, and the scales of inputs. Answers
about the five parts are put together, so each real object is scored once a seed, by classifiers
that never saw it. Nothing is tuned on the scores: steps and learning rates were set beforehand.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from table import Row
from transfer_results import Answers, arm_rows, stored
from transfer_sample import PHASES, REDSHIFTS, real_sample, simulated_like
from transfer_training import Array, chosen, fine_tuned, fitted, is_positive, probability

from sntorch.classification.feature_classifier import FeatureClassifier
from sntorch.data.batch import LightCurveBatch
from sntorch.data.splits import fold_split

PART = "classification"
N_FOLDS = 5
BEFORE, AFTER, SCRATCH, TREES = "simulated", "simulated, then real", "real", "boosted trees, real"
# Types with so many real objects are told apart when contamination is reported.
FEWEST = 5


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """What answers depend on beside the seed."""
    return {
        "simulated": options.simulated,
        "steps": options.steps,
        "fine_tuning_steps": options.fine_tuning_steps,
        "phases": list(PHASES),
        "redshifts": REDSHIFTS,
    }


def measure(options: argparse.Namespace, seed: int, fold: int) -> Answers:
    """Answers about the real objects of one part."""
    observed, real, _ = real_sample()
    train, _, test = fold_split(real.label.numpy(), fold, N_FOLDS, 0.0, seed)
    ours, theirs = chosen(real, train), chosen(real, test)
    clocks: dict[str, float] = {}
    started = time.process_time()
    simulated = simulated_like([observed[i] for i in train], options.simulated, 10 * seed + fold)
    clocks["simulation"] = time.process_time() - started
    found = networks(options, simulated, ours, theirs, seed, clocks)
    trees = FeatureClassifier("none", options.trees, seed).fit(ours)
    found[TREES] = trees.predict_proba(theirs)[:, list(trees.classes).index("Ia")]
    share = float(is_positive(simulated).mean())
    facts = {"test": test.tolist(), "cpu_seconds": clocks, "simulated_share_ia": share}
    return Answers(is_positive(theirs), found, facts)


def networks(
    options: argparse.Namespace,
    simulated: LightCurveBatch,
    ours: LightCurveBatch,
    theirs: LightCurveBatch,
    seed: int,
    clocks: dict[str, float],
) -> dict[str, Array]:
    """Probabilities by arm of the networks; ``clocks`` gets the CPU seconds."""
    found: dict[str, Array] = {}
    with tempfile.TemporaryDirectory() as folder:
        makers = {
            BEFORE: lambda: fitted(simulated, options.steps, seed),
            AFTER: lambda: fine_tuned(Path(folder) / "a", ours, options.fine_tuning_steps, seed),
            SCRATCH: lambda: fitted(ours, options.steps, seed),
        }
        for name, make in makers.items():
            started = time.process_time()
            model = make()
            clocks[name] = time.process_time() - started
            found[name] = probability(model, theirs)
            if name == BEFORE:
                model.save_pretrained(Path(folder) / "a")
    return found


def run(options: argparse.Namespace, seed: int) -> None:
    """Measure all parts of one seed that have not been measured."""
    for fold in range(N_FOLDS):
        stored(
            place(options.folder, seed, fold),
            settings(options),
            lambda fold=fold: measure(options, seed, fold),
        )


def place(folder: Path, seed: int, fold: int) -> Path:
    """Where answers are stored."""
    return folder / "sim_to_real" / f"seed{seed}_fold{fold}.npz"


def whole(folder: Path, seed: int) -> Answers | None:
    """All real objects of one seed in their own order, or None where parts are missing."""
    paths = [place(folder, seed, fold) for fold in range(N_FOLDS)]
    if not all(path.exists() for path in paths):
        return None
    parts = [Answers.read(path) for path in paths]
    order = np.concatenate([part.facts["test"] for part in parts]).argsort()
    arms = {name: np.concatenate([p.arms[name] for p in parts])[order] for name in parts[0].arms}
    facts = {"parts": [part.facts for part in parts]}
    return Answers(np.concatenate([p.truth for p in parts])[order], arms, facts)


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """The table of all that there is."""
    runs = [found for seed in options.seeds if (found := whole(options.folder, seed))]
    if not runs:
        return
    n, n_ia = len(runs[0].truth), int(runs[0].truth.sum())
    what = (
        f"simulated to real, Open Supernova Catalog, {n} SNe ({n_ia} Ia), spec-z used, "
        f"{N_FOLDS} folds"
    )
    yield from arm_rows(PART, what, runs, (BEFORE, AFTER, SCRATCH, TREES), BEFORE)
    yield _contamination(what, runs)


def _contamination(what: str, runs: list[Answers]) -> Row:
    """Shares of real objects taken for SNe Ia, by type, before and after fine-tuning."""
    types = np.array(real_sample()[2])
    counts = Counter(types.tolist())
    shares = [
        f"{name} ({counts[name]}) {_taken(runs, types == name, BEFORE):.2f} to "
        f"{_taken(runs, types == name, AFTER):.2f}"
        for name, _ in counts.most_common()
        if counts[name] >= FEWEST
    ]
    label = f"{what}, {len(runs)} seed(s): share taken for Ia (p > 0.5), before to after"
    return Row(PART, label, "reported", "; ".join(shares))


def _taken(runs: list[Answers], of_type: NDArray[np.bool_], arm: str) -> float:
    return float(np.mean([(run.arms[arm][of_type] > 0.5).mean() for run in runs]))
