"""How fast trained generators draw light curves, and whether any of them is impossible.

Every model of conf/model is trained for a few seconds on simulated SNe Ia (its weights, not its
quality, matter here) and drawn from in parts, so that memory does not grow with the number:
unsorted times, errors that are not positive and what is not finite are counted in the order in
which the network wrote them. Throughput is light curves, not only rows: per CPU second on one
thread, or by the clock on as many as ``--threads`` says, which needs an idle machine. The full run
draws a million of each GAN, and of the flow what ``--seconds`` allow.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from generative import MODELS
from generative_samples import ALONE, N_TRAIN, SIMULATION_SEED, simulated
from table import Row, markdown
from training_clock import built, quiet, train

from sntorch.generative.abilities import GENERATED
from sntorch.generative.evaluate import impossible_counts
from sntorch.generative.gan_module import LightCurveGAN

TRAIN_SECONDS = 10.0
N_DRAWN, N_QUICK = 1_000_000, 10_000
# Light curves drawn at once; two hundred thousand numbers each of times, fluxes and errors.
PART = 5_000
SECONDS, SECONDS_QUICK = 900.0, 10.0
# Light curves a second on two cores: the least, and where we want to be. One thread is held to the
# same, although it is asked of two.
TARGETS = {"gan": (10_000, 50_000), "flow": (200, 1_000)}
WRONG = ("unsorted", "nonpositive_errors", "not_finite")
# The GAN of the talk writes times as they come.
FREE_TIMES = "talk"
FULL = "python scripts/bench/sampling.py"


@dataclass
class Drawn:
    """What many draws amounted to.

    Attributes:
        n: Light curves.
        seconds: CPU seconds that they took; those of the clock where threads share the work.
        counts: Of ``impossible_counts``, added up.
    """

    n: int
    seconds: float
    counts: Counter[str]

    @property
    def rate(self) -> float:
        """Light curves a second."""
        return self.n / self.seconds


def draw(model: Any, n: int, seconds: float) -> Drawn:
    """Draw ``n`` light curves, or as many as the time allows: at least one part."""
    # A GAN makes its own epochs, which it could get wrong.
    asked: dict[str, Any] = {"cadence": GENERATED} if isinstance(model, LightCurveGAN) else {}
    model.sample(PART, seed=0, **asked)
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    drawn = Drawn(0, 0.0, Counter())
    while drawn.n < n and (not drawn.n or drawn.seconds < seconds):
        size = min(PART, n - drawn.n)
        started = clock()
        rows = model.sample_rows(size, seed=1 + drawn.n // PART, **asked)
        rows.to_batch()
        drawn.seconds += clock() - started
        drawn.counts.update(impossible_counts(rows))
        drawn.n += size
    return drawn


def study(name: str, n: int, seconds: float, threads: int = 1) -> Iterable[Row]:
    """Throughput and impossible light curves of one model, trained briefly."""
    model = built(MODELS[name], "seed=0")
    train(model, simulated(ALONE, N_TRAIN, SIMULATION_SEED), TRAIN_SECONDS, 0)
    torch.set_num_threads(threads)
    drawn = draw(model, n, seconds)
    torch.set_num_threads(1)
    how = "a CPU second, one thread" if threads == 1 else f"a second, {threads} threads"
    least, goal = TARGETS[MODELS[name].split("/")[0]]
    yield Row(
        "generative",
        f"{MODELS[name]}: light curves {how}",
        f">= {least:,}; goal {goal:,}",
        f"{drawn.rate:,.0f}",
        ratio=f"{drawn.rate / least:.2f}",
        met="yes" if drawn.rate >= least else "no",
    )
    required = [k for k in WRONG if not (name == FREE_TIMES and k == "unsorted")]
    yield Row(
        "generative",
        f"{MODELS[name]}: unsorted times, errors <= 0, not finite among {drawn.n:,} light curves "
        f"({drawn.counts['observations']:,} observations)",
        "0, 0, 0" if len(required) == len(WRONG) else "reported, 0, 0",
        ", ".join(f"{drawn.counts[kind]:,}" for kind in WRONG),
        met="no" if any(drawn.counts[kind] for kind in required) else "yes",
    )


def main() -> None:
    """Parse the options of all bench scripts and those of this study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the version that make bench runs")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=tuple(MODELS))
    parser.add_argument("--n", type=int, default=N_DRAWN, help="light curves of each model")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="CPU time for each model")
    parser.add_argument("--threads", type=int, default=1, help="that draw side by side")
    options = parser.parse_args()
    quiet()
    limits = (N_QUICK, SECONDS_QUICK) if options.quick else (options.n, options.seconds)
    measured = [row for name in options.models for row in study(name, *limits, options.threads)]
    if options.quick:
        measured.append(Row("generative", "a million of each GAN", "as above", FULL, met="run"))
    print(markdown(measured))
    if options.json:
        options.json.write_text(json.dumps([vars(row) for row in measured], indent=2) + "\n")


if __name__ == "__main__":
    main()
