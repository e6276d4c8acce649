"""Trained generators on few objects from files, in folds: each against those not learned from.

``--data foundation``: the 180 real SNe Ia of Foundation DR1. ``--data demo``: the 50 simulated
SNe Ic that come with the published demo of the recurrent GAN; for these it is also said how much
of the data that demo's generator can write at all, by its own scaling: it maps each kind of column
to [-1, 1], then the training step maps that to [-3, 1], while a tanh writes [-1, 1].

The floors are what real objects reach: another fold of the same size (a real sample as small as
the held-out one), and the objects learned from. With so few held-out objects no score comes close
to zero. Folds are stored as they are done.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from generative import ALWAYS, FLOW, MODELS, Scores, Target, ks
from table import Row, markdown
from training_clock import built, quiet, train

from sntorch.atomic import atomic_write
from sntorch.callbacks.figures import generator_figures
from sntorch.data.batch import LightCurveBatch
from sntorch.data.io import read
from sntorch.data.magnitudes import POGSON
from sntorch.data.transforms import PhaseRange
from sntorch.generative.evaluate import evaluate_generator

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SNTORCH_SHARED", ROOT.parent / "shared"))
BANDS = ("ps1::g", "ps1::r", "ps1::i", "ps1::z")
N_FOLDS, N_GENERATED, SECONDS = 5, 2000, 120.0
FULL = "python scripts/bench/generative_real.py"
KINDS = ("roughness", "colour", "dm15")
REPORTED = (
    *(Target(target.what, target.read) for target in (*FLOW, *ALWAYS)),
    *(Target(f"KS {kind}", ks(kind)) for kind in KINDS),
)
LN10 = math.log(10)


def foundation() -> LightCurveBatch:
    """The 180 light curves in griz, from 20 days before peak to 80 after."""
    batch = read(SHARED / "data" / "foundation_dr1").to_batch(bands=BANDS)
    return PhaseRange(-20, 80)(batch).trim()


def demo() -> LightCurveBatch:
    """The 50 light curves of the published demo."""
    return read(SHARED / "data" / "sngan_demo" / "SNe_Ic_50.csv", strict=False).to_batch()


DATA: dict[str, Callable[[], LightCurveBatch]] = {"foundation": foundation, "demo": demo}


def folds(n: int, seed: int = 0) -> list[torch.Tensor]:
    """Indices of the folds."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return list(order.chunk(N_FOLDS))


def one_fold(batch: LightCurveBatch, k: int, model: str, seconds: float, folder: Path) -> Scores:
    """Scores against fold ``k``, from a network that learned from the others."""
    path = folder / f"fold_{k}.json"
    if path.exists():
        return json.loads(path.read_text())
    parts = folds(len(batch))
    held_out, other = batch[parts[k]], batch[parts[(k + 1) % N_FOLDS]]
    training = batch[torch.cat([part for i, part in enumerate(parts) if i != k])]
    network = built(MODELS[model], f"seed={k}")
    train(network, training, seconds, seed=k)
    drawn = network.sample(N_GENERATED, seed=k)
    for name, figure in generator_figures(drawn, held_out).items():
        figure.savefig(folder / f"fold_{k}_{name}.png", dpi=110)
    scores = evaluate_generator(drawn, held_out, training, other, n_resamples=20, thorough=False)
    with atomic_write(path) as draft:
        draft.write_text(json.dumps(scores) + "\n")
    return scores


def study(
    data: str, model: str, chosen: Sequence[int], seconds: float, folder: Path
) -> Iterable[Row]:
    """One row a score: mean over folds, generated beside another fold and the training folds."""
    batch = DATA[data]()
    own = folder / f"{data}_{model}_{seconds:.0f}s"
    own.mkdir(parents=True, exist_ok=True)
    every = [one_fold(batch, k, model, seconds, own) for k in chosen]
    label = f"{data}, {MODELS[model]}, {seconds:.0f} s, {len(every)} of {N_FOLDS} folds"
    for band in batch.bands:
        target = Target(
            f"KS peak magnitude {band}",
            lambda s, who, b=band: s["peak"][b]["ks" if who == "generated" else f"ks_{who}"],
        )
        yield _row(label, target, every)
    for target in REPORTED:
        yield _row(label, target, every)


def _row(label: str, target: Target, every: Sequence[Scores]) -> Row:
    means = {
        who: np.array([target.read(scores, who) for scores in every])
        for who in ("generated", "fresh", "train")
    }
    ours = means["generated"]
    error = f" ± {ours.std(ddof=1) / len(ours) ** 0.5:.3f}" if len(ours) > 1 else ""
    return Row(
        "generative",
        f"{label}: {target.what}",
        "reported",
        f"{ours.mean():.3f}{error}",
        f"real fold {means['fresh'].mean():.3f}; training folds {means['train'].mean():.3f}",
    )


def out_of_reach(batch: LightCurveBatch) -> Iterable[Row]:
    """Share of each kind of number that the published demo's generator cannot write."""
    mask = batch.mask
    flux, error = batch.flux[mask], batch.flux_err[mask]
    columns = {
        "times": (batch.time - batch.t_ref[:, None])[mask],
        "magnitudes": batch.zeropoint - POGSON * flux.log10(),
        "errors": POGSON / LN10 * error / flux,
    }
    for name, values in columns.items():
        once = 2 * (values - values.min()) / (values.max() - values.min()) - 1
        twice = 2 * (once - 0.5)
        outside = float((twice.abs() > 1).double().mean())
        yield Row(
            "generative",
            f"demo: {name} outside what the published demo's generator can write",
            "reported",
            f"{100 * outside:.0f} %",
            "none here: encodings are scaled once, and nothing ends in tanh",
        )


def rows(data: str, model: str, quick: bool, seconds: float, folder: Path) -> Iterable[Row]:
    """The study, or one short fold and the command that runs all."""
    if not (SHARED / "data").is_dir():
        yield Row("generative", "generators on real data", "reported", f"{FULL} (needs data)")
        return
    if data == "demo":
        yield from out_of_reach(demo())
    if quick:
        yield from study(data, model, [0], 20.0, folder)
        yield Row("generative", "generators on real data, 5 folds", "reported", FULL, met="run")
    else:
        yield from study(data, model, range(N_FOLDS), seconds, folder)


def main() -> None:
    """Parse the options of all bench scripts and those of this study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short fold")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--data", default="foundation", choices=tuple(DATA))
    parser.add_argument("--model", default="recurrent", choices=tuple(MODELS))
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--folder", type=Path, default=Path("outputs/generative_real"))
    options = parser.parse_args()
    quiet()
    measured = list(
        rows(options.data, options.model, options.quick, options.seconds, options.folder)
    )
    print(markdown(measured))
    if options.json:
        options.json.write_text(json.dumps([vars(row) for row in measured], indent=2) + "\n")


if __name__ == "__main__":
    main()
