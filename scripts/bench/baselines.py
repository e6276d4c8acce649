"""The generators without a network, held to what ``generative.py`` holds trained ones to.

The same samples, training sets and scores; nothing is required of a baseline. ``--quick`` takes
one training set, the full run three.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from generative import FEW, GAN, Scores, Target, score_row
from generative_samples import ALONE, MIXED, N_FRESH, N_TRAIN, SIMULATION_SEED, Samples
from table import Row, markdown
from training_clock import quiet

from sntorch.generative.baselines import (
    Baseline,
    Bootstrap,
    GaussianProcessResampling,
    Jitter,
    ParametricPopulation,
)
from sntorch.generative.evaluate import evaluate_generator

MODELS = (Bootstrap, Jitter, GaussianProcessResampling, ParametricPopulation)
RATIO_AND_COPIES = FEW[2:4]


def measure(model: type[Baseline], known: Samples, n: int, seed: int) -> Scores:
    """Scores of a baseline that was fitted to the training set of a seed."""
    batch = known.train(n, seed)
    started = time.process_time()
    fitted = model().fit(batch)
    drawn = fitted.sample(N_FRESH, seed=seed)
    rate = N_FRESH / (time.process_time() - started)
    scores = evaluate_generator(
        drawn, known.held_out, batch, known.fresh, n_resamples=20, thorough=False
    )
    return scores | {"light_curves_a_second": rate}


def targets(n: int) -> tuple[Target, ...]:
    """What is scored; nothing is asked."""
    chosen = FEW if n < N_TRAIN else (*GAN, *RATIO_AND_COPIES)
    return tuple(Target(target.what, target.read) for target in chosen)


def rows(known: Samples, n: int, seeds: Sequence[int], survey: str) -> Iterable[Row]:
    """One row a model and score."""
    for model in MODELS:
        label = f"{model.__name__}, n = {n}{survey}"
        every = [measure(model, known, n, seed) for seed in seeds]
        for target in targets(n):
            yield score_row(label, target, every)
        rate = sum(scores["light_curves_a_second"] for scores in every) / len(every)
        what = f"{label}: light curves a second, fit included (CPU)"
        yield Row("generative", what, "reported", f"{rate:.0f}")


def main() -> None:
    """Parse the options of all bench scripts and those of this study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the version that make bench runs")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--n", type=int, default=N_TRAIN, help="training objects")
    parser.add_argument("--simulation", default=ALONE, choices=(ALONE, MIXED))
    parser.add_argument("--simulation-seed", type=int, default=SIMULATION_SEED)
    options = parser.parse_args()
    quiet()
    known = Samples.draw(options.simulation, options.simulation_seed)
    other = options.simulation_seed != SIMULATION_SEED
    survey = f", survey {options.simulation_seed}" if other else ""
    measured = list(rows(known, options.n, [1] if options.quick else [1, 2, 3], survey))
    print(markdown(measured))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in measured], indent=2) + "\n")


if __name__ == "__main__":
    main()
