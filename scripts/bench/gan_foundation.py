"""Five folds of the 180 real Foundation SNe: the GAN against each held-out fold, beside two
floors.

The floors are what real objects reach: another fold of the same size (a real sample as small as
the held-out one), and the training folds themselves. ``--figures FOLDER`` also writes the figures
of the first fold. Full run, about five minutes a fold on an idle core: ``python
scripts/bench/gan_foundation.py --folds 5``.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
import yaml
from table import Row, markdown

from sntorch.callbacks.figures import generator_figures
from sntorch.data.batch import LightCurveBatch
from sntorch.data.datamodule import LightCurveDataModule
from sntorch.data.io import read
from sntorch.data.transforms import PhaseRange
from sntorch.generative.evaluate import (
    ks_distance,
    memorisation,
    peak_magnitudes,
    summary_features,
)
from sntorch.generative.gan_module import LightCurveGAN

ROOT = Path(__file__).parents[2]
BANDS = ("ps1::g", "ps1::r", "ps1::i", "ps1::z")
N_FOLDS = 5
N_GENERATED = 2000
SHARED = Path(os.environ.get("SNTORCH_SHARED", ROOT.parent / "shared"))
# Small recurrent networks are fastest on one thread, above all where other work goes on.
THREADS = 1
FULL = "python scripts/bench/gan_foundation.py --folds 5"


def foundation() -> LightCurveBatch:
    """The 180 light curves in griz, from 20 days before peak to 80 after."""
    batch = read(SHARED / "data" / "foundation_dr1").to_batch(bands=BANDS)
    return PhaseRange(-20, 80)(batch).trim()


def folds(n: int, seed: int = 0) -> list[torch.Tensor]:
    """Indices of the folds."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return list(order.chunk(N_FOLDS))


def train(batch: LightCurveBatch, epochs: int, seed: int) -> LightCurveGAN:
    """The default GAN on these objects."""
    config = yaml.safe_load((ROOT / "conf" / "model" / "gan" / "recurrent.yaml").read_text())
    options: dict[str, Any] = {k: v for k, v in config.items() if not k.startswith("_")}
    options["seed"] = seed
    data = LightCurveDataModule(batch, split=(1.0, 0.0, 0.0), batch_size=48, seed=seed)
    model = LightCurveGAN(**options)
    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator="auto",
        devices=1,
        logger=False,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, data)
    return model.eval()


def one_fold(
    batch: LightCurveBatch, k: int, epochs: int, figures: Path | None
) -> dict[str, np.ndarray]:
    """KS distances of the peak magnitudes to fold ``k`` (per band) and the memorisation scores."""
    parts = folds(len(batch))
    held_out, other = batch[parts[k]], batch[parts[(k + 1) % N_FOLDS]]
    training = batch[torch.cat([p for i, p in enumerate(parts) if i != k])]
    generated = train(training, epochs, seed=k).sample(N_GENERATED, seed=k)
    peaks = [peak_magnitudes(b) for b in (generated, other, training, held_out)]
    verdict = memorisation(*(summary_features(b) for b in (generated, training, held_out)))
    if figures is not None:
        figures.mkdir(parents=True, exist_ok=True)
        for name, figure in generator_figures(generated, held_out).items():
            figure.savefig(figures / f"foundation_{name}.png", dpi=110)
    ks = [[ks_distance(p[band], peaks[3][band]) for band in BANDS] for p in peaks[:3]]
    return {"ks": np.array(ks), "memorisation": np.array([verdict.ratio, verdict.copies])}


def study(n_folds: int, epochs: int, figures: Path | None = None) -> Iterable[Row]:
    """One row a band: mean over folds, generated beside another fold and the training folds."""
    batch = foundation()
    results = [one_fold(batch, k, epochs, figures if k == 0 else None) for k in range(n_folds)]
    ks = np.stack([r["ks"] for r in results])
    label = f"gan_foundation, {n_folds} of {N_FOLDS} folds"
    for f, band in enumerate(BANDS):
        ours, other, training = ks[:, :, f].mean(0)
        yield Row(
            "ground",
            f"{label}: KS peak magnitude {band}",
            "reported",
            f"{ours:.3f} ± {ks[:, 0, f].std() / max(n_folds - 1, 1) ** 0.5:.3f}",
            f"real fold {other:.3f}; training folds {training:.3f}",
            f"{ours / training:.2f}",
        )
    ratio, copies = np.stack([r["memorisation"] for r in results]).mean(0)
    what = f"{label}: nearest-neighbour ratio, copies"
    yield Row("ground", what, "reported", f"{ratio:.2f}, {100 * copies:.1f} %", "1.00, 1.0 %")


def rows(quick: bool) -> Iterable[Row]:
    """The study, or one short fold and the command that runs all."""
    if not (SHARED / "data" / "foundation_dr1").is_dir():
        yield Row(
            "ground",
            "gan_foundation, 5 folds",
            "reported",
            f"needs real data: {FULL}",
            met="run",
        )
        return
    if quick:
        yield from study(1, epochs=100)
        yield Row(
            "ground", "gan_foundation, all 5 folds, full training", "reported", FULL, met="run"
        )
    else:
        yield from study(N_FOLDS, epochs=500)


def main() -> None:
    """Parse the options of all bench scripts and those of this study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short fold")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--folds", type=int, default=N_FOLDS)
    parser.add_argument("--epochs", type=int, default=500)
    parser.add_argument("--figures", type=Path, help="write the figures of the first fold here")
    options = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(THREADS)
    if options.quick:
        measured = list(rows(quick=True))
    else:
        measured = list(study(options.folds, options.epochs, options.figures))
    print(markdown(measured))
    if options.json:
        options.json.write_text(json.dumps([vars(row) for row in measured], indent=2) + "\n")


if __name__ == "__main__":
    main()
