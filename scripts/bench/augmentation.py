"""What a classifier gains from generated SNe Ia when it has only a few real ones.

SNe Ia are the rare class and core-collapse supernovae the common one; all samples come from one
simulation of one seed, for a survey's weather is drawn once a seed. Every arm of a repetition is
stored as soon as it is done, so the same command goes on where it was stopped, and later arms are
added to the repetitions that there are. Nothing is tuned on the test objects.

The templates of core-collapse supernovae need sncosmo, which fetches them, or the folder
$SNTORCH_SHARED/data/sncosmo (../shared by default).

A generator of your own is one line in ``ARMS``. One that was trained elsewhere is
``--checkpoint NAME=PATH`` with ``{n}`` and ``{repetition}`` in the path;
``--training-sets FOLDER`` writes the objects to train it on.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from table import Row, markdown

from sntorch.atomic import atomic_write
from sntorch.data.batch import LightCurveBatch
from sntorch.generative import GenerativeModel, Generator
from sntorch.generative.baselines import (
    Baseline,
    Bootstrap,
    GaussianProcessResampling,
    Jitter,
    ParametricPopulation,
)
from sntorch.generative.evaluate.augmentation import (
    Arm,
    Benchmark,
    Generated,
    Nothing,
    Oracle,
    Trial,
)
from sntorch.generative.evaluate.paired import Estimate, difference, gap_closed, mean
from sntorch.plotting.augmentation import augmentation_gain

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SNTORCH_SHARED", ROOT.parent / "shared"))
SIMULATION, RARE, SEED = "des_mixed", "Ia", 2000
NUMBERS, REPETITIONS = (10, 30, 100, 350), 10
FULL = {"n_simulated": 12_000, "n_common": 1000}
QUICK = {"n_simulated": 3000, "n_common": 400}
SCORES = {"ap": "AP at 3 % SNe Ia", "auc": "AUC"}
COMMAND = "python scripts/bench/augmentation.py"

Results = dict[int, list[dict[str, dict[str, float]]]]


def baseline(kind: type[Baseline]) -> Callable[[Trial], GenerativeModel]:
    """Fits a baseline to the rare objects of a trial."""
    return lambda trial: kind().fit(trial.rare.batch)


def checkpoint(path: str) -> Callable[[Trial], GenerativeModel]:
    """Opens what was trained on the rare objects of a trial."""

    def opened(trial: Trial) -> GenerativeModel:
        place = path.format(n=len(trial.rare), repetition=trial.repetition)
        return Generator.from_pretrained(place).model

    return opened


ARMS: tuple[Arm, ...] = (
    Nothing(),
    Generated("bootstrap", baseline(Bootstrap)),
    Generated("jitter", baseline(Jitter)),
    Generated("gaussian_process", baseline(GaussianProcessResampling)),
    Generated("parametric", baseline(ParametricPopulation)),
    Oracle(),
)


def simulated(n: int) -> LightCurveBatch:
    """All objects of the experiment."""
    if (SHARED / "data" / "sncosmo").is_dir():
        os.environ.setdefault("SNCOSMO_DATA_DIR", str(SHARED / "data" / "sncosmo"))
    with initialize_config_dir(str(ROOT / "conf" / "simulation"), version_base="1.3"):
        simulator = instantiate(compose(SIMULATION))
    return simulator.simulate(n, SEED).batch


class Store:
    """Scores of repetitions, a file each.

    Args:
        folder: Where they lie.
        settings: What scores depend on beside the trial; a file with others is not used.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder, self.settings = folder, settings

    def load(self, n: int, repetition: int) -> dict[str, dict[str, float]]:
        """Scores by arm, empty where there are none yet."""
        path = self._path(n, repetition)
        if not path.exists():
            return {}
        content = json.loads(path.read_text())
        if content["settings"] != self.settings:
            raise SystemExit(f"{path}: other settings, {content['settings']}; name a new folder")
        return content["arms"]

    def save(self, n: int, repetition: int, arms: dict[str, dict[str, float]]) -> None:
        """Write the scores of a repetition."""
        content = {"settings": self.settings, "n": n, "repetition": repetition, "arms": arms}
        with atomic_write(self._path(n, repetition)) as draft:
            draft.write_text(json.dumps(content, indent=2) + "\n")

    def _path(self, n: int, repetition: int) -> Path:
        return self.folder / f"n{n:04d}_r{repetition:03d}.json"


def measure(
    arms: Sequence[Arm], numbers: Iterable[int], repetitions: int, sizes: dict[str, int], out: Path
) -> Results:
    """Scores of every arm and repetition, by number of rare objects."""
    store = Store(out, {"simulation": SIMULATION, "rare": RARE, "seed": SEED, **sizes})
    found = {n: [store.load(n, r) for r in range(repetitions)] for n in numbers}
    names = {arm.name for arm in arms}
    if all(names <= set(scores) for each in found.values() for scores in each):
        return found
    benchmark = Benchmark.of(simulated(sizes["n_simulated"]), RARE, sizes["n_common"])
    for n, each in found.items():
        for repetition, scores in enumerate(each):
            trial = benchmark.trial(n, repetition, SEED)
            for arm in arms:
                if arm.name not in scores:
                    started = time.process_time()
                    scores[arm.name] = benchmark.score(arm, trial)
                    scores[arm.name]["cpu_seconds"] = time.process_time() - started
                    store.save(n, repetition, scores)
    return found


def write_training_sets(
    numbers: Iterable[int], repetitions: int, sizes: dict[str, int], out: Path
) -> None:
    """The rare objects of every trial, for generators that are trained elsewhere."""
    benchmark = Benchmark.of(simulated(sizes["n_simulated"]), RARE, sizes["n_common"])
    for n in numbers:
        for repetition in range(repetitions):
            batch = benchmark.trial(n, repetition, SEED).rare.batch
            batch.to_light_curves().write(out / f"n{n:04d}_r{repetition:03d}.parquet")


def column(found: Results, n: int, arm: str, score: str) -> list[float]:
    """A score of an arm in every repetition."""
    return [scores[arm][score] for scores in found[n]]


def rows(found: Results, arms: Sequence[Arm]) -> Iterable[Row]:
    """A row for each arm and number of rare objects."""
    for n, repetitions in found.items():
        for arm in arms:
            own, none, jitter, oracle = (
                column(found, n, name, "ap") for name in (arm.name, "none", "jitter", "oracle")
            )
            parts = []
            if arm.name != "none":
                parts.append(f"against none {difference(own, none)}")
            if arm.name not in ("none", "jitter"):
                parts.append(f"against jitter {difference(own, jitter)}")
            closed = arm.name not in ("none", "oracle")
            yield Row(
                "generative",
                f"augmentation, n = {n}, {len(repetitions)} repetitions, {arm.name}: "
                f"{SCORES['ap']}; AUC; gap closed",
                "reported",
                f"{mean(own)}; {mean(column(found, n, arm.name, 'auc'))}; "
                f"{gap_closed(own, none, oracle) if closed else '-'}",
                "; ".join(parts) or "-",
            )


def draw(found: Results, arms: Sequence[Arm], path: Path) -> None:
    """Average precision of all arms against the number of rare objects."""

    def curve(name: str, of: Callable[[int], Estimate]) -> dict[int, tuple[float, float, float]]:
        return {n: (e.value, e.low, e.high) for n in found for e in [of(n)]}

    scores = {
        arm.name: curve(arm.name, lambda n, a=arm.name: mean(column(found, n, a, "ap")))
        for arm in arms
    }
    gains = {
        name: curve(
            name,
            lambda n, a=name: difference(
                column(found, n, a, "ap"), column(found, n, "none", "ap")
            ),
        )
        for name in scores
        if name != "none"
    }
    with atomic_write(path) as draft:
        figure = augmentation_gain(scores, gains, SCORES["ap"], "none")
        figure.savefig(draft, dpi=150)


def chosen_arms(checkpoints: Sequence[str]) -> tuple[Arm, ...]:
    """The standing arms and those named on the command line."""
    named = (text.partition("=") for text in checkpoints)
    return (*ARMS[:-1], *(Generated(name, checkpoint(path)) for name, _, path in named), ARMS[-1])


def quick(arms: Sequence[Arm]) -> list[Row]:
    """Three repetitions of a small experiment, and the command for the whole."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(arms, [30], 3, QUICK, Path(folder))
    whole = f"augmentation, n = {', '.join(map(str, NUMBERS))}, {REPETITIONS} repetitions"
    return [*rows(found, arms), Row("generative", whole, "reported", COMMAND, met="run")]


def main() -> None:
    """Parse the options of all bench scripts and those of this study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the version that make bench runs")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--n", type=int, nargs="+", default=NUMBERS, help="real SNe Ia")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--folder", type=Path, default=Path("outputs/augmentation"))
    parser.add_argument("--checkpoint", nargs="*", default=[], metavar="NAME=PATH")
    parser.add_argument("--training-sets", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.training_sets:
        write_training_sets(options.n, options.repetitions, FULL, options.training_sets)
        return
    arms = chosen_arms(options.checkpoint)
    if options.quick:
        measured = quick(arms)
    else:
        found = measure(arms, options.n, options.repetitions, FULL, options.folder)
        measured = list(rows(found, arms))
        draw(found, arms, options.folder / "augmentation.png")
    print(markdown(measured))
    if options.json:
        options.json.write_text(json.dumps([vars(row) for row in measured], indent=2) + "\n")


if __name__ == "__main__":
    main()
