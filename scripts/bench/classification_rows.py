"""Rows of the table of classifiers, from the logits that ``classification.py`` has stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from table import Row

from sntorch.classification.calibration import Temperature
from sntorch.classification.evaluate.intervals import differences
from sntorch.classification.evaluate.likelihood import log_loss, plasticc_log_loss
from sntorch.classification.evaluate.metrics import scores
from sntorch.classification.evaluate.reliability import floor, top_label
from sntorch.classification.predictions import Predictions

PART = "classification"
COMMAND = "python scripts/bench/classification.py"
# What SuperNNova 3.0.51 reached on this split, one seed each: accuracy and AUC by epoch.
SUPERNNOVA = {"-2": (0.812, 0.917), "peak": (0.827, 0.931), "all": (0.929, 0.984)}
SUPERNNOVA_SECONDS = 295.0
REPRODUCED = {
    "supernnova": (0.929, 0.984),
    "supernnova_fast": (0.929, 0.984),
    "supernnova_variational": (0.943, 0.986),
}
TOLERANCE = 0.009
BEST = {"-2": (0.84, 0.93), "peak": (0.86, 0.95), "all": (0.955, 0.990)}
EPOCHS = ("-2", "peak", "all")
WHEN = {"-2": "two days before peak", "peak": "at peak", "all": "whole curve"}
TREES = "lightgbm"
LARGEST_ECE = 0.02
TINY = 1e-12
Array = np.ndarray


@dataclass(frozen=True)
class Stored:
    """What one seed and fold left.

    Attributes:
        values: Logits, labels and names by ``<part>_<epoch>_<what>``.
        facts: ``cpu_seconds``, ``rate``, ``epochs``, and ``balanced``: whether classes weighed
            equally in training.
    """

    values: dict[str, np.ndarray]
    facts: dict[str, float]

    @classmethod
    def read(cls, path: Path) -> Stored:
        """From a file of ``classification.py``."""
        with np.load(path, allow_pickle=False) as file:
            values = {name: file[name] for name in file.files}
        return cls(values, json.loads(str(values.pop("facts"))))

    def logits(self, part: str, epoch: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and labels."""
        keys = (f"{part}_{epoch}_{what}" for what in ("logits", "label"))
        logits, label = (torch.from_numpy(self.values[key]) for key in keys)
        return logits.double(), label

    def predictions(
        self, part: str, epoch: str, temperature: Temperature | None = None
    ) -> Predictions:
        """Probabilities, after a temperature where one is given."""
        logits, label = self.logits(part, epoch)
        scaled = logits if temperature is None else temperature(logits)
        return Predictions(
            self.values[f"{part}_{epoch}_id"].tolist(),
            scaled.softmax(-1).detach().numpy(),
            label.numpy(),
            tuple(self.values["classes"].tolist()),
        )


def stored(folder: Path) -> dict[str, dict[int, list[Stored]]]:
    """What there is, by model, then seed, then fold."""
    found: dict[str, dict[int, list[Stored]]] = {}
    for path in sorted(folder.glob("*/seed*_fold*.npz")):
        seed = int(path.stem.split("_")[0].removeprefix("seed"))
        found.setdefault(path.parent.name, {}).setdefault(seed, []).append(Stored.read(path))
    return found


def at_prevalence(predictions: Predictions, before: Array, after: Array) -> Predictions:
    """The same classifier where classes are as common as ``after``, no longer as ``before``.

    By Bayes' theorem probabilities are multiplied by the ratio of the two (Saerens, Latinne &
    Decaestecker 2002, Neural Computation 14, 21).

    Args:
        predictions: Of any objects.
        before: How common classes were in training, shape (C,).
        after: How common they are to be, shape (C,).
    """
    ratio = np.divide(after, before, out=np.zeros_like(after), where=before > 0)
    return Predictions(
        predictions.object_id,
        predictions.probabilities * ratio + TINY,
        predictions.label,
        predictions.classes,
    )


def mean_of(predictions: Sequence[Predictions]) -> Predictions:
    """A deep ensemble: the mean of the probabilities of the same objects."""
    first = predictions[0]
    if any(p.object_id != first.object_id for p in predictions):
        raise ValueError("an ensemble is of the same objects in the same order")
    mean = np.mean([p.probabilities for p in predictions], axis=0)
    return Predictions(first.object_id, mean, first.label, first.classes)


def _pair(predictions: Predictions) -> tuple[float, float]:
    found = scores(predictions, "Ia", ("accuracy", "roc_auc"))
    return found["accuracy"], found["roc_auc"]


def _spread(values: Sequence[float]) -> str:
    each = np.array(values)
    if len(each) == 1:
        return f"{each[0]:.3f}"
    return f"{each.mean():.3f} ± {each.std(ddof=1):.3f}"


def _judged(values: tuple[float, float], targets: tuple[float, float]) -> str:
    return "yes" if all(v >= t for v, t in zip(values, targets, strict=True)) else "no"


def des_mini_rows(folder: Path) -> Iterator[Row]:
    """Every model over seeds, ensembles of them, and the one that validation chooses."""
    models = {name: [f[0] for f in seeds.values()] for name, seeds in stored(folder).items()}
    if not models:
        yield Row(PART, "DES-mini, Ia against the rest, 5 seeds", "-", COMMAND, met="run")
        return
    for name, runs in models.items():
        for part, epoch in (("val", "all"), ("test", "-2"), ("test", "peak"), ("test", "all")):
            yield _over_seeds(name, runs, part, epoch)
        yield _cost(name, runs)
    candidates = _candidates(models)
    for name, each in candidates.items():
        if name not in models:
            yield _of_ensemble(name, each[0])
    yield from _chosen(candidates)


def _candidates(models: dict[str, list[Stored]]) -> dict[str, list[list[Stored]]]:
    """What one may choose: a model, as a list of ensembles of one; the mean of its seeds; the mean
    of all networks.
    """
    found = {name: [[run] for run in runs] for name, runs in models.items()}
    several = {n: runs for n, runs in models.items() if len(runs) > 1}
    found |= {f"mean of {len(runs)} {name}": [runs] for name, runs in several.items()}
    networks = [run for name, runs in models.items() if name != TREES for run in runs]
    if len(several) > 1:
        found[f"mean of all {len(networks)} networks"] = [networks]
    return found


def _over_seeds(name: str, runs: Sequence[Stored], part: str, epoch: str) -> Row:
    pairs = np.array([_pair(run.predictions(part, epoch)) for run in runs])
    mean = (float(pairs[:, 0].mean()), float(pairs[:, 1].mean()))
    target, met = "reported", "-"
    if part == "test" and epoch == "all" and name in REPRODUCED:
        targets = (REPRODUCED[name][0] - TOLERANCE, REPRODUCED[name][1] - TOLERANCE)
        target, met = f">= {targets[0]:.3f}; {targets[1]:.3f}", _judged(mean, targets)
    what = f"DES-mini, {name}, {WHEN[epoch]}, {part}: accuracy; AUC, {len(runs)} seed(s)"
    theirs = "; ".join(f"{v:.3f}" for v in SUPERNNOVA[epoch])
    measured = f"{_spread(pairs[:, 0].tolist())}; {_spread(pairs[:, 1].tolist())}"
    return Row(PART, what, target, measured, f"SuperNNova {theirs}", "-", met)


def _cost(name: str, runs: Sequence[Stored]) -> Row:
    seconds = float(np.mean([run.facts["cpu_seconds"] for run in runs]))
    speed = float(np.mean([run.facts["rate"] for run in runs]))
    return Row(
        PART,
        f"DES-mini, {name}: CPU seconds of training; light curves a CPU second to logits",
        "reported",
        f"{seconds:.0f}; {speed:.0f}",
        f"SuperNNova {SUPERNNOVA_SECONDS:.0f}",
        f"{seconds / SUPERNNOVA_SECONDS:.2f}",
    )


def _of_ensemble(name: str, runs: Sequence[Stored]) -> Row:
    pairs = [_pair(_ensemble(runs, "test", epoch)) for epoch in EPOCHS]
    measured = " - ".join(f"{accuracy:.3f}; {area:.3f}" for accuracy, area in pairs)
    when = ", ".join(WHEN[epoch] for epoch in EPOCHS)
    what = f"DES-mini, {name}, test: accuracy; AUC; {when}"
    loss = log_loss(_ensemble(runs, "val", "all"))
    return Row(PART, what, "reported", measured, f"validation loss, whole {loss:.3f}")


def _chosen(candidates: dict[str, list[list[Stored]]]) -> Iterator[Row]:
    """At each epoch the candidate of the smallest validation loss there, on the test objects."""
    for epoch, targets in BEST.items():
        loss = {
            name: float(np.mean([log_loss(_ensemble(runs, "val", epoch)) for runs in each]))
            for name, each in candidates.items()
        }
        ranked = sorted(loss, key=lambda name: loss[name])
        ranking = ", ".join(f"{name} {loss[name]:.3f}" for name in ranked[:4])
        pairs = [_pair(_ensemble(runs, "test", epoch)) for runs in candidates[ranked[0]]]
        mean = np.mean(pairs, axis=0)
        what = f"DES-mini, chosen by validation loss ({ranked[0]}), {WHEN[epoch]}: accuracy; AUC"
        target = f">= {targets[0]}; {targets[1]}"
        met = _judged((float(mean[0]), float(mean[1])), targets)
        measured = f"{mean[0]:.3f}; {mean[1]:.3f}"
        yield Row(PART, what, target, measured, f"validation losses: {ranking}", "-", met)


def _ensemble(runs: Sequence[Stored], part: str, epoch: str) -> Predictions:
    return mean_of([run.predictions(part, epoch) for run in runs])


def plasticc_rows(folder: Path) -> Iterator[Row]:
    """Pooled out of fold: log-loss, AUC of SNe Ia, calibration; against boosted trees."""
    found = {name: w for name, seeds in stored(folder).items() if (w := _whole(seeds))}
    if not found:
        yield Row(PART, "PLAsTiCC, 5 folds", "-", f"{COMMAND} --data plasticc", met="run")
        return
    models = {name: _over_folds([seeds]) for name, seeds in found.items()}
    for name, seeds in found.items():
        yield from _plasticc_model(f"{name}, {len(seeds)} seed(s)", models[name])
    networks = {name: folds for name, folds in models.items() if name != TREES}
    if len(networks) > 1:
        name = f"mean of {len(networks)} networks"
        networks[name] = _over_folds([found[one] for one in networks])
        yield from _plasticc_model(name, networks[name])
    if networks and TREES in models:
        best = min(networks, key=lambda name: _validation_loss(networks[name]))
        label = f"{best} (smallest validation loss)"
        yield _against_trees(label, networks[best], models[TREES])
        yield from _with_trees(best, networks[best], models[TREES])


def _over_folds(models: Sequence[dict[int, list[Stored]]]) -> list[Stored]:
    """One ensemble a fold of all seeds of some models."""
    runs = [folds for seeds in models for folds in seeds.values()]
    return [blended(each) for each in zip(*runs, strict=True)]


def _with_trees(best: str, network: Sequence[Stored], trees: Sequence[Stored]) -> Iterator[Row]:
    """What the trees know that the network does not: not a network's score, and not chosen."""
    name = f"{best} and {TREES} together (trees inside)"
    both = [blended(pair) for pair in zip(network, trees, strict=True)]
    yield from _plasticc_model(name, both)
    yield replace(_against_trees(name, both, trees), target="reported", met="-")


def blended(runs: Sequence[Stored]) -> Stored:
    """An ensemble: the mean of the logarithms of probabilities, where classes are equally common.

    Args:
        runs: Of one fold.
    """
    first, values = runs[0], dict(runs[0].values)
    for part in ("val", "test"):
        if any(
            (run.values[f"{part}_all_id"] != first.values[f"{part}_all_id"]).any() for run in runs
        ):
            raise ValueError("an ensemble is of the same objects in the same order")
        logits = [run.logits(part, "all")[0] - _trained(run).log() for run in runs]
        mean = torch.stack([each.log_softmax(-1) for each in logits]).mean(0)
        values[f"{part}_all_logits"] = mean.numpy()
    seconds = sum(run.facts["cpu_seconds"] for run in runs)
    return Stored(values, {"cpu_seconds": seconds, "balanced": True})


def _natural(run: Stored) -> torch.Tensor:
    """How common classes are among validation objects, shape (C,).

    Those were drawn by class, so they are as common there as in training.
    """
    logits, label = run.logits("val", "all")
    counts = torch.bincount(label, minlength=logits.shape[1]).double() + 1
    return counts / counts.sum()


def _trained(run: Stored) -> torch.Tensor:
    """How common classes were to the loss in training, shape (C,)."""
    natural = _natural(run)
    return torch.full_like(natural, 1 / len(natural)) if run.facts["balanced"] else natural


@dataclass(frozen=True)
class Use:
    """What probabilities are for.

    Attributes:
        flat: Equally common classes, as the flat-weighted log-loss has it; else as in the sample.
        scaled: Whether a temperature, fitted on the validation objects, is applied.
    """

    flat: bool = False
    scaled: bool = True


def _whole(seeds: dict[int, list[Stored]]) -> dict[int, list[Stored]]:
    return {seed: folds for seed, folds in seeds.items() if len(folds) == 5}


def _used(run: Stored, part: str, use: Use) -> Predictions:
    """Probabilities of one fold for a use; prevalence is that of its validation objects."""
    natural = _natural(run)
    shift = (natural / _trained(run)).log()
    logits, label = run.logits("val", "all")
    # The temperature is fitted where classes are as common as they are.
    temperature = Temperature().fit(logits + shift, label) if use.scaled else Temperature()
    raw, truth = run.logits(part, "all")
    at_home = Predictions(
        run.values[f"{part}_all_id"].tolist(),
        temperature(raw + shift).softmax(-1).detach().numpy(),
        truth.numpy(),
        tuple(run.values["classes"].tolist()),
    )
    equal = np.full(len(natural), 1 / len(natural))
    return at_prevalence(at_home, natural.numpy(), equal) if use.flat else at_home


def _validation_loss(folds: Sequence[Stored]) -> float:
    """Flat-weighted log-loss of the validation objects, which the temperature has seen."""
    return float(np.mean([plasticc_log_loss(_used(run, "val", Use(flat=True))) for run in folds]))


def _pooled(folds: Sequence[Stored], use: Use) -> Predictions:
    """Out-of-fold predictions of all objects."""
    return _joined([_used(run, "test", use) for run in folds])


def _joined(parts: Sequence[Predictions]) -> Predictions:
    names = [name for part in parts for name in part.object_id]
    order = np.argsort(names)
    return Predictions(
        [names[i] for i in order],
        np.concatenate([p.probabilities for p in parts])[order],
        np.concatenate([p.label for p in parts])[order],
        parts[0].classes,
    )


def _plasticc_model(name: str, folds: Sequence[Stored]) -> Iterator[Row]:
    label = f"PLAsTiCC, {name}, out of fold"
    natural, pooled = _pooled(folds, Use()), _pooled(folds, Use(flat=True))
    validation = _validation_loss(folds)
    found: dict[str, Any] = scores(natural, "Ia", ("roc_auc", "accuracy"))
    recall = scores(pooled, "Ia", ("balanced_accuracy",))["balanced_accuracy"]
    measured = (
        f"{plasticc_log_loss(pooled):.3f}; {found['roc_auc']:.3f}; {found['accuracy']:.3f}; "
        f"{recall:.3f}"
    )
    what = f"{label}: flat-weighted log-loss; Ia AUC; accuracy; balanced accuracy"
    yield Row(PART, what, "reported", measured, f"validation log-loss {validation:.3f}")
    before = top_label(_pooled(folds, Use(scaled=False))).ece
    after = top_label(natural).ece
    yield Row(
        PART,
        f"{label}: ECE after temperature scaling, 15 equal-mass bins",
        f"<= {LARGEST_ECE}",
        f"{after:.4f}",
        f"before {before:.4f}; of perfect calibration {floor(natural):.4f}",
        "-",
        "yes" if after <= LARGEST_ECE else "no",
    )
    seconds = float(np.mean([run.facts["cpu_seconds"] for run in folds]))
    yield Row(
        PART, f"{label}: CPU seconds of training a fold, all seeds", "reported", f"{seconds:.0f}"
    )


def _against_trees(name: str, ours: Sequence[Stored], trees: Sequence[Stored]) -> Row:
    """The log-loss where classes are equally common, the AUC where they are as in the sample."""
    flat, natural = (
        [_pooled(folds, use) for folds in (ours, trees)] for use in (Use(flat=True), Use())
    )
    loss = differences(flat[0], flat[1], "Ia", ("plasticc_log_loss",))["plasticc_log_loss"]
    area = differences(natural[0], natural[1], "Ia", ("roc_auc",))["roc_auc"]
    return Row(
        PART,
        f"PLAsTiCC, {name} - {TREES}: log-loss; Ia AUC, 95 % interval",
        "< 0; > 0",
        f"{loss.value:+.3f} [{loss.low:+.3f}, {loss.high:+.3f}]; "
        f"{area.value:+.4f} [{area.low:+.4f}, {area.high:+.4f}]",
        "-",
        "-",
        "yes" if loss.high < 0 < area.low else "no",
    )


ROWS: dict[str, Callable[[Path], Iterable[Row]]] = {
    "des_mini": des_mini_rows,
    "plasticc": plasticc_rows,
}
