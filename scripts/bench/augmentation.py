"""What a classifier gains from generated objects of a class of which it has only a few real ones.

``--target simulated``: SNe Ia among core-collapse SNe; ``plasticc``: Ibc, 91bg and Iax of
PLAsTiCC's training set, each among its other supernovae; ``osc``: real SNe of rare types, see
``augmentation_folds.py``. Every arm of a repetition is stored as soon as it is done, so the same
command goes on where it was stopped, and later arms are added to the repetitions that there are.
Nothing is tuned on the test objects.

A generator of your own is one line in ``augmentation_arms.py``; ``--train flow`` trains one on the
spot, see ``trained_arms.py``. One that was trained elsewhere is ``--checkpoint NAME=PATH`` with
``{n}`` and ``{repetition}`` in the path; ``--training-sets FOLDER`` writes the objects to train it
on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from augmentation_arms import BASELINES, arms_with, checkpoint_arm
from augmentation_folds import osc_lines
from augmentation_results import Results, Store, bench_rows, draw, lines, markdown_table
from augmentation_targets import (
    FULL,
    OSC_RARE,
    PLASTICC_RARE,
    QUICK,
    SEED,
    Target,
    plasticc_target,
    simulated_target,
)
from sklearn.metrics import roc_auc_score
from table import Row, markdown
from trained_arms import NAMES, SECONDS, trained_arm

from sntorch.generative.evaluate.augmentation import Arm

REPETITIONS, FOLD_REPETITIONS = 10, 3
RARE = {"simulated": ("Ia",), "plasticc": tuple(PLASTICC_RARE), "osc": OSC_RARE}
COMMAND = "python scripts/bench/augmentation.py"


def measure(
    target: Target, arms: Sequence[Arm], numbers: Iterable[int], repetitions: int, out: Path
) -> Results:
    """Probabilities and scores of every arm and repetition, by number of rare objects."""
    store = Store(out, target.settings)
    found = {n: [store.load(n, r) for r in range(repetitions)] for n in numbers}
    names = {arm.name for arm in arms}
    if all(names <= set(scores) for each in found.values() for scores in each):
        return found
    benchmark = target.benchmark()
    for n, each in found.items():
        for repetition, scores in enumerate(each):
            trial = benchmark.trial(n, repetition, SEED)
            for arm in arms:
                if arm.name not in scores:
                    started = time.process_time()
                    found_by = benchmark.probabilities(arm, trial)
                    scores[arm.name] = {
                        "probability": [float(f"{p:.6g}") for p in found_by],
                        "test": [len(benchmark.test_common), len(benchmark.test_rare)],
                        "auc": float(roc_auc_score(benchmark.truth, found_by)),
                        "cpu_seconds": time.process_time() - started,
                    }
                    store.save(n, repetition, scores)
    return found


def write_training_sets(
    target: Target, numbers: Iterable[int], repetitions: int, out: Path
) -> None:
    """The rare objects of every trial, for generators that are trained elsewhere."""
    benchmark = target.benchmark()
    for n in numbers:
        for repetition in range(repetitions):
            batch = benchmark.trial(n, repetition, SEED).rare.batch
            batch.to_light_curves().write(out / f"n{n:04d}_r{repetition:03d}.parquet")


def study(
    target: Target, arms: Sequence[Arm], numbers: Iterable[int], repetitions: int, folder: Path
) -> list[dict[str, str]]:
    """Measure, draw the figure, and give the lines of the table."""
    place = folder / "probabilities" / target.name.replace(" ", "_")
    found, names = measure(target, arms, numbers, repetitions, place), [arm.name for arm in arms]
    draw(found, names, target.rare, place / "augmentation.png")
    return list(lines(found, names, target.name))


def quick() -> list[Row]:
    """Three repetitions of a small experiment, and the commands for the whole."""
    target, arms = simulated_target(QUICK), arms_with([])
    with tempfile.TemporaryDirectory() as folder:
        found = measure(target, arms, [30], 3, Path(folder))
    cells = lines(found, [arm.name for arm in arms], target.name)
    whole = f"augmentation, {REPETITIONS} repetitions, all targets"
    command = f"{COMMAND} --target simulated, plasticc, osc"
    return [*bench_rows(cells, 3), Row("generative", whole, "reported", command, met="run")]


def targets(options: argparse.Namespace) -> list[Target]:
    """The samples that are asked for."""
    if options.target == "simulated":
        return [simulated_target(FULL)]
    return [plasticc_target(rare) for rare in options.rare]


def parsed() -> argparse.Namespace:
    """The options of all bench scripts and those of this study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the version that make bench runs")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--target", default="simulated", choices=("simulated", "plasticc", "osc"))
    parser.add_argument("--rare", nargs="+", help="rare classes of plasticc or osc; default: all")
    parser.add_argument("--n", type=int, nargs="+", help="real objects of the rare class")
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--folder", type=Path, default=Path("outputs/augmentation"))
    parser.add_argument("--checkpoint", nargs="*", default=[], metavar="NAME=PATH")
    parser.add_argument("--train", nargs="*", default=[], choices=NAMES, help="trained arms")
    parser.add_argument(
        "--seconds",
        type=float,
        nargs=2,
        default=SECONDS,
        help="CPU time of their training, on common objects and in each trial",
    )
    parser.add_argument("--training-sets", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    known = RARE[options.target]
    options.rare = options.rare or list(known)
    if not set(options.rare) <= set(known):
        parser.error(f"--rare {' '.join(options.rare)}: {options.target} has {', '.join(known)}")
    if options.target == "osc" and (options.n or options.checkpoint or options.training_sets):
        parser.error("--n, --checkpoint, --training-sets: osc leaves out each object in turn")
    return options


def main() -> None:
    """Do what the options say."""
    options = parsed()
    torch.set_num_threads(1)
    repetitions = options.repetitions or (
        FOLD_REPETITIONS if options.target == "osc" else REPETITIONS
    )
    if options.training_sets:
        for target in targets(options):
            numbers = options.n or target.numbers
            write_training_sets(target, numbers, repetitions, options.training_sets)
        return
    if options.quick:
        measured = quick()
        print(markdown(measured))
    else:
        cells = measured_lines(options, repetitions)
        print(markdown_table(cells))
        measured = list(bench_rows(cells, repetitions))
    if options.json:
        options.json.write_text(json.dumps([vars(row) for row in measured], indent=2) + "\n")


def measured_lines(options: argparse.Namespace, repetitions: int) -> list[dict[str, str]]:
    """The lines of the table of a target."""
    if options.target == "osc":
        arms = {rare: (*BASELINES, *trained_arms(options, rare)) for rare in options.rare}
        return osc_lines(arms, repetitions, options.folder)
    found: list[dict[str, str]] = []
    for target in targets(options):
        named = [checkpoint_arm(text) for text in options.checkpoint]
        named += trained_arms(options, target.rare)
        numbers = options.n or target.numbers
        found += study(target, arms_with(named), numbers, repetitions, options.folder)
    return found


def trained_arms(options: argparse.Namespace, rare: str) -> list[Arm]:
    """The arms of ``--train`` for a rare class."""
    settings = rare, options.folder / "pretrained", options.seconds, options.target == "osc"
    return [trained_arm(name, *settings) for name in options.train]


if __name__ == "__main__":
    main()
