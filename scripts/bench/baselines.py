"""The generators without a network on 350 simulated SNe Ia, against 3,000 that they never saw.

The same samples and scores as for the GAN in ``generative.py``, so the rows compare. The full run
takes three training sets, ``--quick`` one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from generative_samples import ALONE, N_FRESH, N_TRAIN, SIMULATION_SEED, Samples
from table import Row, main
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
KINDS = ("mean", "roughness", "colour", "dm15")


def rows(quick: bool) -> Iterable[Row]:
    """One row a model: nothing is required of a baseline."""
    quiet()
    known = Samples.draw(ALONE, SIMULATION_SEED)
    training = [(seed, known.train(N_TRAIN, seed)) for seed in ([1] if quick else [1, 2, 3])]
    for model in MODELS:
        scores, seconds = [], []
        for seed, batch in training:
            fitted = model().fit(batch)
            started = time.perf_counter()
            drawn = fitted.sample(N_FRESH, seed=seed)
            seconds.append(time.perf_counter() - started)
            scores.append(
                evaluate_generator(drawn, known.held_out, batch, known.fresh, n_resamples=20)
            )
        yield _row(model, scores, N_FRESH / float(np.mean(seconds)))


def _row(model: type[Baseline], scores: list[dict[str, Any]], speed: float) -> Row:
    def mean(key: str) -> float:
        return float(np.mean([s["summary"][key] for s in scores]))

    peak = [np.mean([s["peak"][band]["ks"] for s in scores]) for band in scores[0]["peak"]]
    copies = [s["memorisation"]["generated"] for s in scores]
    ratio, share = (np.mean([c[k] for c in copies]) for k in ("ratio", "copies"))
    kinds = " ".join(f"{mean('ks_' + kind):.3f}" for kind in KINDS)
    return Row(
        "generative",
        f"{model.__name__}, n = {N_TRAIN}, {len(scores)} seed(s): KS peak; "
        f"{', '.join(KINDS)}; nearest-neighbour ratio, copies; light curves a second",
        "reported",
        f"{' '.join(f'{v:.3f}' for v in peak)}; "
        f"{kinds}; {ratio:.2f}, {100 * share:.1f} %; {speed:.0f}",
        f"mean KS: fresh real {mean('ks_mean_fresh'):.3f}; training set "
        f"{mean('ks_mean_train'):.3f}",
    )


if __name__ == "__main__":
    main(rows)
