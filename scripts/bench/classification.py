"""Classifiers trained on one core and scored on objects they never saw, seed by seed.

``--data des_mini``: SNe Ia against the rest on the split of SuperNNova's run, without redshifts,
beside what SuperNNova itself reached on it. What is best is decided on the validation objects; the
test objects are scored once. ``--data plasticc``: five folds by object, all 14 classes, with the
host's photometric redshift. Logits of every seed and fold are stored when it is done, so the same
command goes on where it was stopped, and ``--table`` prints what there is.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from classification_data import N_FOLDS, des_mini_data, observed_until, plasticc_data
from classification_rows import ROWS
from classification_stored import TREES
from hydra.utils import instantiate
from omegaconf import OmegaConf
from table import markdown
from training_clock import bare_trainer

from sntorch.atomic import atomic_write
from sntorch.classification.early import WHOLE, Epoch
from sntorch.classification.feature_classifier import FeatureClassifier
from sntorch.classification.module import ClassifierModule
from sntorch.cli.config import compose_config
from sntorch.data.batch import LightCurveBatch
from sntorch.data.datamodule import LightCurveDataModule

FOLDER = Path("outputs/bench_classification")
# Days from the peak at which scores are taken.
EPOCHS = {"-2": -2.0, "peak": 0.0, "all": 1e9}
# What trees learn from besides whole curves: what is known some days after the trigger, or curves
# that are cut at the true peak, as those that they are scored on.
TREE_EPOCHS = {
    "whole": (),
    "trigger": tuple(Epoch("trigger", days) for days in (0.0, 5.0, 10.0, 20.0, 40.0)),
    "peak": (Epoch("peak", -2.0), Epoch("peak", 0.0)),
}
PREDICT_BATCH = 512
TIMED = 4
# Probability below which trees are not taken at their word.
SMALLEST = 1e-6
Model = ClassifierModule | FeatureClassifier


def built(name: str, *overrides: str) -> ClassifierModule:
    """The untrained classifier of ``conf/model/classifier/<name>.yaml``."""
    options = [f"model=classifier/{name}", *(f"model.{o}" for o in overrides)]
    return instantiate(compose_config("train", options).model, _convert_="all")


def trained(
    module: ClassifierModule, data: LightCurveDataModule, epochs: int
) -> tuple[ClassifierModule, float]:
    """The module after so many epochs, and the CPU seconds of the training."""
    trainer = bare_trainer(max_epochs=epochs)
    data.setup()
    started = time.process_time()
    trainer.fit(module, data)
    return module.eval(), time.process_time() - started


def grown(
    data: LightCurveDataModule, redshift: str, seed: int, options: argparse.Namespace
) -> tuple[FeatureClassifier, float]:
    """Boosted trees on parametric features, and the CPU seconds of fitting them."""
    batch = data.train_batch()
    given: Any = OmegaConf.to_container(OmegaConf.from_dotlist(options.set))
    started = time.process_time()
    trees = FeatureClassifier(redshift, TREES, seed, **given)
    trees.fit(batch, (WHOLE, *TREE_EPOCHS[options.tree_epochs]))
    return trees, time.process_time() - started


def logits(model: Model, batch: LightCurveBatch) -> torch.Tensor:
    """Logits of all objects, in the order of their lengths for little padding, shape (B, C)."""
    if isinstance(model, FeatureClassifier):
        return torch.from_numpy(model.predict_proba(batch)).clamp(min=SMALLEST).log().float()
    order = batch.n_observations.argsort()
    parts = [model.logits(batch[piece].trim()) for piece in order.split(PREDICT_BATCH)]
    found = torch.empty(len(batch), len(model.classes))
    found[order] = torch.cat(parts).float()
    return found


def rate(model: Model, batch: LightCurveBatch) -> float:
    """Light curves a CPU second, from a batch of 512 to logits."""
    chosen = batch[:PREDICT_BATCH].trim()
    logits(model, chosen)
    started = time.process_time()
    for _ in range(TIMED):
        logits(model, chosen)
    return TIMED * len(chosen) / (time.process_time() - started)


def scored(
    model: Model, data: LightCurveDataModule, epochs: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Logits, labels and names of validation and test objects at every epoch."""
    kept: dict[str, np.ndarray] = {"classes": np.array(model.classes)}
    for part, batch in (("val", data.val_batch()), ("test", data.test_batch())):
        for name, phase in epochs.items():
            seen = observed_until(batch, phase)
            kept[f"{part}_{name}_logits"] = logits(model, seen).numpy()
            kept[f"{part}_{name}_label"] = seen.label.numpy()
            kept[f"{part}_{name}_id"] = np.array(seen.object_id)
    return kept


def run(options: argparse.Namespace, seed: int, fold: int) -> None:
    """Train and score one seed (and fold), unless that has been done."""
    place = options.folder / options.data / options.name / f"seed{seed}_fold{fold}.npz"
    if place.exists():
        return
    des = options.data == "des_mini"
    make = (
        des_mini_data if des else partial(plasticc_data, fold, spectroscopic=options.spectroscopic)
    )
    data = make(seed, options.batch_size)
    L.seed_everything(seed, verbose=False)
    if options.model == TREES:
        model, seconds = grown(data, "none" if des else "photo-z", seed, options)
    else:
        redshift = [] if des else ["context=[host_0,host_1]"]
        module = built(options.model, f"seed={seed}", *redshift, *options.set)
        model, seconds = trained(module, data, options.epochs)
    if options.save and isinstance(model, ClassifierModule):
        model.save_pretrained(
            options.save / f"{options.data}_{options.name}_seed{seed}_fold{fold}"
        )
    speed = rate(model, data.train_batch())
    # Galactic variables have no peak from which to count, and are scored as a whole.
    found = scored(model, data, EPOCHS if des else {"all": EPOCHS["all"]})
    facts = {
        "cpu_seconds": seconds,
        "rate": speed,
        "epochs": options.epochs,
        "balanced": isinstance(model, FeatureClassifier) or model.config["class_weights"],
    }
    with atomic_write(place) as draft, draft.open("wb") as file:
        np.savez(file, **found, facts=json.dumps(facts))  # pyright: ignore[reportArgumentType]
    print(place, facts, flush=True)


def parsed() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the version that make bench runs")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--data", choices=("des_mini", "plasticc"), default="des_mini")
    parser.add_argument(
        "--model", default="transformer", help="of conf/model/classifier, or lightgbm"
    )
    parser.add_argument("--name", help="what to call it in the table; default: the model")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="of the model")
    parser.add_argument("--tree-epochs", choices=tuple(TREE_EPOCHS), default="whole")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument(
        "--folds", type=int, nargs="+", default=list(range(N_FOLDS)), help="of PLAsTiCC"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument(
        "--spectroscopic",
        action="store_true",
        help="leave PLAsTiCC's spectroscopic redshifts in, for RedshiftShift of training objects",
    )
    parser.add_argument("--save", type=Path, help="folder for the trained classifiers")
    parser.add_argument("--table", action="store_true", help="train nothing, print what there is")
    options = parser.parse_args()
    options.name = options.name or options.model
    return options


def main() -> None:
    """Train what is asked for and print the table of all that there is."""
    options = parsed()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    if not options.table and not options.quick:
        for seed in options.seeds:
            for fold in [0] if options.data == "des_mini" else options.folds:
                run(options, seed, fold)
    rows = list(ROWS[options.data](options.folder / options.data))
    print(markdown(rows))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
