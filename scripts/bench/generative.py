"""Trained generators on 350 simulated SNe Ia, against 3,000 that they never saw.

Training stops after a fixed CPU time, and nothing is chosen by the held-out objects: what
is scored is the average of the weights at the end. The full run takes three seeds of five minutes;
``--quick`` one of 90 s. ``--model talk`` scores the GAN of the talk instead of the recurrent one,
``--model flow`` flow matching at epochs of training objects.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from table import Row, markdown

from sntorch.data.batch import LightCurveBatch
from sntorch.data.datamodule import LightCurveDataModule
from sntorch.generative.evaluate import evaluate_generator, summary_features
from sntorch.generative.evaluate.memorisation import memorisation
from sntorch.generative.flow_matching import FlowMatching

ROOT = Path(__file__).parents[2]
N_TRAIN, N_HELD_OUT, N_GENERATED, BATCH_SIZE = 350, 3000, 2000, 64
# Small recurrent networks are fastest on one thread, above all where other work goes on.
THREADS = 1
# The config of each model in conf/model.
MODELS = {"recurrent": "gan/recurrent", "talk": "gan/talk", "flow": "flow/matching"}
FULL = "python scripts/bench/generative.py"


def simulated(n: int, seed: int) -> LightCurveBatch:
    """SNe Ia of the preset des_ia."""
    with initialize_config_dir(str(ROOT / "conf" / "simulation"), version_base="1.3"):
        simulator = instantiate(compose("des_ia"))
    return simulator.simulate(n, seed).batch


class Stopwatch(L.Callback):
    """Ends training when its time is up.

    Args:
        seconds: CPU time, which on an idle machine is that on the clock: one thread works.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self.started = time.process_time()

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        """Look at the clock."""
        trainer.should_stop = time.process_time() - self.started > self.seconds


def built(name: str, seed: int) -> Any:
    """The untrained model of a named config."""
    group, _, config = MODELS[name].partition("/")
    with initialize_config_dir(str(ROOT / "conf" / "model" / group), version_base="1.3"):
        return instantiate(compose(config, overrides=[f"seed={seed}"]), _convert_="all")


def train(batch: LightCurveBatch, name: str, seconds: float, seed: int) -> tuple[Any, float]:
    """The model of a named config, and its iterations a second."""
    model = built(name, seed)
    data = LightCurveDataModule(batch, split=(1.0, 0.0, 0.0), batch_size=BATCH_SIZE, seed=seed)
    trainer = L.Trainer(
        max_epochs=100_000,
        callbacks=[Stopwatch(seconds)],
        accelerator="cpu",
        logger=False,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    started = time.process_time()
    trainer.fit(model, data)
    return model.eval(), int(model.iterations) / (time.process_time() - started)


def measure(
    name: str, n_train: int, seconds: float, seeds: Iterable[int]
) -> tuple[list[dict[str, Any]], float, float]:
    """Scores for every seed (training set and network), the mean iterations a second, and light
    curves drawn a CPU second.
    """
    held_out, fresh = simulated(N_HELD_OUT, 1000), simulated(N_GENERATED, 1001)
    scores, speeds, rates = [], [], []
    for seed in seeds:
        batch = simulated(n_train, seed)
        model, speed = train(batch, name, seconds, seed)
        started = time.process_time()
        drawn = model.sample(N_GENERATED, seed=seed)
        rates.append(N_GENERATED / (time.process_time() - started))
        scores.append(evaluate_generator(drawn, held_out, batch, fresh, thorough=False))
        scores[-1]["elsewhere"] = at_other_epochs(model, fresh, held_out, batch, seed)
        speeds.append(speed)
    return scores, float(np.mean(speeds)), float(np.mean(rates))


def at_other_epochs(
    model: Any,
    fresh: LightCurveBatch,
    held_out: LightCurveBatch,
    train: LightCurveBatch,
    seed: int,
) -> dict[str, Any] | None:
    """Memorisation at epochs and redshifts of real objects that were not trained on.

    An object at the epochs of a training object is near it whatever its photometry.
    """
    if not isinstance(model, FlowMatching):
        return None
    condition = {"redshift": fresh.redshift, "extrapolate": True}
    drawn = model.sample(len(fresh), cadence=fresh, condition=condition, seed=seed)
    features = (summary_features(batch) for batch in (drawn, train, held_out))
    return memorisation(*features).as_dict()


def study(name: str, n_train: int, seconds: float, seeds: list[int]) -> Iterable[Row]:
    """The target rows: the worst seed counts."""
    scores, speed, rate = measure(name, n_train, seconds, seeds)
    label = f"{MODELS[name]}, n = {n_train}, {seconds:.0f} s, {len(seeds)} seed(s)"
    for band in scores[0]["peak"]:
        ks = [s["peak"][band]["ks"] for s in scores]
        fresh, training = (
            np.mean([s["peak"][band][f"ks_{k}"] for s in scores]) for k in ("fresh", "train")
        )
        yield Row(
            "ground",
            f"{label}: KS peak magnitude {band}, worst seed (all)",
            "<= 0.10",
            f"{max(ks):.3f} ({', '.join(f'{v:.3f}' for v in ks)})",
            f"fresh real {fresh:.3f}; training set {training:.3f}",
            f"{np.mean(ks) / training:.2f}",
            "yes" if max(ks) <= 0.10 else "no",
        )
    copies = [s["memorisation"]["generated"] for s in scores]
    ratio, share = min(c["ratio"] for c in copies), max(c["copies"] for c in copies)
    floor = scores[0]["memorisation"]["fresh"]
    yield Row(
        "ground",
        f"{label}: nearest-neighbour ratio, copies (worst seed)",
        ">= 0.90, <= 2 %",
        f"{ratio:.2f}, {100 * share:.1f} %",
        f"fresh real {floor['ratio']:.2f}, {100 * floor['copies']:.1f} %; training set 0, 100 %",
        met="yes" if ratio >= 0.90 and share <= 0.02 else "no",
    )
    elsewhere = [s["elsewhere"] for s in scores if s["elsewhere"]]
    if elsewhere:
        ratio, share = (f([c[k] for c in elsewhere]) for f, k in ((min, "ratio"), (max, "copies")))
        yield Row(
            "ground",
            f"{label}: the same at the epochs and redshifts of fresh real objects",
            ">= 0.90, <= 2 %",
            f"{ratio:.2f}, {100 * share:.1f} %",
            met="yes" if ratio >= 0.90 and share <= 0.02 else "no",
        )
    wrong = sum(sum(s["impossible"].values()) for s in scores)
    what = f"{label}: unsorted, error <= 0, not finite"
    yield Row("ground", what, "0", f"{wrong:g}", met="yes" if wrong == 0 else "no")
    for kind in ("mean", "dm15", "colour", "roughness"):
        ours = np.mean([s["summary"][f"ks_{kind}"] for s in scores])
        reference = "-"
        if kind == "mean":
            fresh, training = (
                np.mean([s["summary"][f"ks_mean_{k}"] for s in scores]) for k in ("fresh", "train")
            )
            reference = f"fresh real {fresh:.3f}; training set {training:.3f}"
        yield Row("ground", f"{label}: mean KS, {kind}", "reported", f"{ours:.3f}", reference)
    yield Row("ground", f"{label}: iterations a second", "> 15, one thread", f"{speed:.1f}")
    yield Row("ground", f"{label}: light curves a CPU second", ">= 200", f"{rate:.0f}")


def rows(quick: bool) -> Iterable[Row]:
    """The target of the issue; quick: one seed for 90 seconds and the command for the rest."""
    torch.set_num_threads(THREADS)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    if not quick:
        yield from study("recurrent", N_TRAIN, 300, [1, 2, 3])
        return
    yield from study("recurrent", N_TRAIN, 90, [1])
    yield Row("ground", "gan/recurrent, three seeds of five minutes", "as above", FULL, met="run")
    yield Row(
        "ground",
        "gan/talk, the baseline",
        "reported",
        f"{FULL} --model talk --seeds 1",
        met="run",
    )
    yield Row("ground", "flow/matching", "reported", f"{FULL} --model flow", met="run")


def main() -> None:
    """Parse the options of all bench scripts and those of this study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the version that make bench runs")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--model", default="recurrent", choices=tuple(MODELS))
    parser.add_argument("--n", type=int, default=N_TRAIN, help="training objects")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    if options.quick:
        measured = list(rows(quick=True))
    else:
        measured = list(study(options.model, options.n, options.seconds, options.seeds))
    print(markdown(measured))
    if options.json:
        options.json.write_text(json.dumps([vars(row) for row in measured], indent=2) + "\n")


if __name__ == "__main__":
    main()
