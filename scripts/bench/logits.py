"""From a ``LightCurveBatch`` to logits: every family of networks on DES-mini, batch 512.

Reads DES-mini below $SNTORCH_SHARED (../shared by default). Networks are those of
``conf/model/classifier``, untrained, which does not change the cost; inputs are put side by side
by night, on grids or into images on the way. The target is of wall time on the machine's two
cores; CPU seconds of one thread stand beside it, which other programs lengthen less.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable

import torch
from classification import PREDICT_BATCH, built
from classification_data import SHARED, des_mini_data
from table import Row, main

from sntorch.classification.module import ClassifierModule
from sntorch.data.batch import LightCurveBatch

TARGET, CORES = 5000, 2
# Those that the target is of, and the others.
TARGETED = ("supernnova", "rapid", "transformer", "causal_transformer")
OTHERS = ("supernnova_variational", "supernnova_bayesian", "parsnip", "parsnip_small", "scone")
# Images and the paper's encoder take seconds for a batch.
SLOW, FEW = ("parsnip", "parsnip_small", "scone"), 64


def rows(quick: bool) -> Iterable[Row]:
    """One row a network."""
    if not (SHARED / "data" / "des_mini").is_dir():
        command = "SNTORCH_SHARED=FOLDER python scripts/bench/logits.py"
        yield Row("classification", "logits, DES-mini", f">= {TARGET} / s", command, met="run")
        return
    data = des_mini_data(seed=0)
    data.setup()
    train, test = data.train_batch(), data.test_batch()
    for name in (*TARGETED, *OTHERS):
        # Images that are kept from one repeat to the next would cost nothing.
        module = built(name, *(["network.cached_maps=0"] if name == "scone" else []))
        module.fit_inputs(train)
        n = FEW if name in SLOW else PREDICT_BATCH
        yield row(name, module.eval(), test[:n].trim(), 2 if quick else 8)


def row(name: str, module: ClassifierModule, batch: LightCurveBatch, repeats: int) -> Row:
    """Rates of one network, with a thread on every core and with one."""
    threads = len(os.sched_getaffinity(0))
    wall = rate(module, batch, threads, time.perf_counter, repeats)
    alone = rate(module, batch, 1, time.process_time, repeats)
    targeted = name in TARGETED
    return Row(
        "classification",
        f"LightCurveBatch to logits, {name}, DES-mini, batch {len(batch)}",
        f">= {TARGET} / s on {CORES} cores" if targeted else "reported",
        f"{wall:.0f} / s on {threads}; one thread {alone:.0f} per CPU second",
        ratio=f"{wall / TARGET:.2f}" if targeted else "-",
        met=("yes" if wall >= TARGET else "no") if targeted else "-",
    )


def rate(
    module: ClassifierModule,
    batch: LightCurveBatch,
    threads: int,
    clock: Callable[[], float],
    repeats: int,
) -> float:
    """Objects a second, the best of some repeats."""
    torch.set_num_threads(threads)
    module.logits(batch)
    taken = []
    for _ in range(repeats):
        started = clock()
        module.logits(batch)
        taken.append(clock() - started)
    return len(batch) / min(taken)


if __name__ == "__main__":
    main(rows)
