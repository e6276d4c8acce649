"""Trained on generated objects and tested on real ones (TSTR), and the reverse (TRTS).

DES-mini stands for real: a generator of class and redshift learns from n labelled objects of its
training part, a classifier of SNe Ia against the rest, without redshifts, from the same n, from
generated ones, or from both. Nobody else's labels are used, and the 800 test objects of the given
split are scored. How near generated objects lie to those they were made from stands beside it,
with validation objects for comparison.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from classification_data import des_mini_data
from table import Row
from trained_arms import FOR_LONG, MODELS
from training_clock import built, train
from transfer_results import Answers, arm_rows, stored
from transfer_training import chosen, fitted, is_positive, probability

from sntorch.data.batch import LightCurveBatch, concatenate
from sntorch.features.summary import summary_features
from sntorch.generative.evaluate.memorisation import memorisation

PART = "classification"
NUMBERS = (100, 400, 1600)
REAL, MATCHED, MANY, BOTH = "real", "generated, as many", "generated, all", "real + generated"
ON_REAL, ON_GENERATED = "tested on real", "tested on generated"


@cache
def _parts() -> tuple[LightCurveBatch, LightCurveBatch, LightCurveBatch]:
    data = des_mini_data(0)
    return data.train_batch(), data.val_batch(), data.test_batch()


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """What answers depend on beside number and seed."""
    return {
        "model": options.model,
        "seconds": options.seconds,
        "steps": options.steps,
        "generated": options.generated,
    }


def real_objects(n: int, seed: int) -> LightCurveBatch:
    """The first n training objects in the order of a seed: larger samples hold smaller ones."""
    train_part = _parts()[0]
    order = np.random.default_rng(seed).permutation(len(train_part))
    return chosen(train_part, order[:n])


def generated_objects(
    options: argparse.Namespace, real: LightCurveBatch, seed: int
) -> LightCurveBatch:
    """Objects of a generator that knows these alone, classes as common as among them."""
    overrides = FOR_LONG.get(options.model, ())
    generator = built(MODELS[options.model], f"seed={seed}", *overrides)
    train(generator, real, options.seconds, seed, balance=True)
    drawn = generator.sample(options.generated, seed=seed)
    return drawn[(drawn.n_observations > 0).nonzero()[:, 0]]


def nearness(generated: LightCurveBatch, real: LightCurveBatch) -> dict[str, float | bool]:
    """Nearest-neighbour ratio and copies; validation objects are the held-out ones."""
    parts = (generated, real, _parts()[1])
    return memorisation(*(summary_features(part) for part in parts)).as_dict()


def arms(real: LightCurveBatch, generated: LightCurveBatch) -> dict[str, LightCurveBatch]:
    """What each arm learns from."""
    found = {REAL: real, MANY: generated, BOTH: concatenate([real, generated])}
    if len(real) < len(generated):
        found[MATCHED] = generated[torch.arange(len(real))]
    return found


def measure(options: argparse.Namespace, n: int, seed: int) -> dict[str, Answers]:
    """Answers about real and about generated objects, by ``ON_REAL`` and ``ON_GENERATED``."""
    real, test = real_objects(n, seed), _parts()[2]
    started = time.process_time()
    generated = generated_objects(options, real, seed)
    facts = {"generator_cpu_seconds": time.process_time() - started, **nearness(generated, real)}
    on_real, on_generated = {}, {}
    started = time.process_time()
    for name, batch in arms(real, generated).items():
        classifier = fitted(batch, options.steps, seed)
        on_real[name] = probability(classifier, test)
        if name == REAL:
            on_generated[name] = probability(classifier, generated)
    facts["classifiers_cpu_seconds"] = time.process_time() - started
    return {
        ON_REAL: Answers(is_positive(test), on_real, facts),
        ON_GENERATED: Answers(is_positive(generated), on_generated, facts),
    }


def run(options: argparse.Namespace, n: int, seed: int) -> None:
    """Measure one number and seed, unless that has been done."""
    places = {what: place(options.folder, n, seed, what) for what in (ON_REAL, ON_GENERATED)}
    if all(path.exists() for path in places.values()):
        return
    found = measure(options, n, seed)
    for what, path in places.items():
        stored(path, settings(options), lambda what=what: found[what])


def place(folder: Path, n: int, seed: int, what: str) -> Path:
    """Where answers are stored."""
    return folder / "tstr" / what.replace(" ", "_") / f"n{n:04d}_seed{seed}.npz"


def found_runs(options: argparse.Namespace, n: int, what: str) -> list[Answers]:
    """What there is, over seeds."""
    paths = [place(options.folder, n, seed, what) for seed in options.seeds]
    return [Answers.read(path) for path in paths if path.exists()]


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """The table of all that there is."""
    for n in options.numbers:
        real, generated = (found_runs(options, n, what) for what in (ON_REAL, ON_GENERATED))
        if not real or not generated:
            continue
        what = f"DES-mini, Ia against the rest, n = {n} real labels, {options.model}"
        names = [name for name in (REAL, MATCHED, MANY, BOTH) if name in real[0].arms]
        yield from arm_rows(PART, f"TSTR, {what}", real, names, REAL)
        yield from arm_rows(PART, f"TRTS, {what}", generated, [REAL], REAL)
        yield _nearness_row(what, real)


def _nearness_row(what: str, runs: Sequence[Answers]) -> Row:
    def spread(name: str) -> str:
        each = [run.facts[name] for run in runs]
        return f"{np.mean(each):.3f} ({min(each):.3f} to {max(each):.3f})"

    measured = "; ".join(spread(name) for name in ("ratio", "copies", "c_t"))
    label = f"{what}, {len(runs)} seed(s): nearest-neighbour ratio; copies; C_T of generated"
    return Row(PART, label, "reported", measured, "new objects: 1; 0.010; above -3")
