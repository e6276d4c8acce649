"""Rows of PLAsTiCC: classifiers pooled out of fold, in ensembles, and against boosted trees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from classification_stored import COMMAND, PART, TREES, Stored, stored
from table import Row

from sntorch.classification.calibration import Temperature
from sntorch.classification.evaluate.intervals import differences
from sntorch.classification.evaluate.likelihood import plasticc_log_loss
from sntorch.classification.evaluate.metrics import scores
from sntorch.classification.evaluate.reliability import floor, top_label
from sntorch.classification.predictions import Predictions

LARGEST_ECE = 0.02
TINY = 1e-12
Array = np.ndarray


def plasticc_rows(folder: Path) -> Iterator[Row]:
    """Pooled out of fold: log-loss, AUC of SNe Ia, calibration; against boosted trees."""
    found = {name: w for name, seeds in stored(folder).items() if (w := _whole(seeds))}
    if not found:
        yield Row(PART, "PLAsTiCC, 5 folds", "-", f"{COMMAND} --data plasticc", met="run")
        return
    models = {name: _over_folds([seeds]) for name, seeds in found.items()}
    for name, seeds in found.items():
        yield from _plasticc_model(f"{name}, {len(seeds)} seed(s)", models[name])
    # Trees of other settings, whose names begin with theirs, are no networks.
    networks = {n: folds for n, folds in models.items() if not n.startswith(TREES)}
    if len(networks) > 1:
        name = f"mean of {len(networks)} networks"
        networks[name] = _over_folds([found[one] for one in networks])
        yield from _plasticc_model(name, networks[name])
    for name, base in ((n, b) for n in networks for b in networks if n.startswith(f"{b}_")):
        yield _reported(_against(name, networks[name], base, networks[base]))
    if networks and TREES in models:
        yield from _beside_trees(networks, {n: f for n, f in models.items() if n not in networks})


def _beside_trees(
    networks: dict[str, list[Stored]], trees: dict[str, list[Stored]]
) -> Iterator[Row]:
    """The network best on validation against trees of each setting, and together with them."""
    best = min(networks, key=lambda name: _validation_loss(networks[name]))
    label = f"{best} (smallest validation loss)"
    yield _against(label, networks[best], TREES, trees[TREES])
    for name, folds in trees.items():
        if name != TREES:
            yield _reported(_against(label, networks[best], name, folds))
    both = {
        f"{best} and {name} together (trees inside)": [
            blended(pair) for pair in zip(networks[best], folds, strict=True)
        ]
        for name, folds in trees.items()
    }
    for name, folds in both.items():
        yield from _plasticc_model(name, folds)
        yield _reported(_against(name, folds, TREES, trees[TREES]))
    yield from _chosen_by_area(networks | trees | both, trees)


def _over_folds(models: Sequence[dict[int, list[Stored]]]) -> list[Stored]:
    """One ensemble a fold of all seeds of some models."""
    runs = [folds for seeds in models for folds in seeds.values()]
    return [blended(each) for each in zip(*runs, strict=True)]


def _chosen_by_area(
    candidates: dict[str, list[Stored]], trees: dict[str, list[Stored]]
) -> Iterator[Row]:
    """What has the largest Ia AUC on validation objects, networks or trees or both, against trees
    on the test objects.
    """
    areas = {name: _validation_area(folds) for name, folds in candidates.items()}
    ranked = sorted(areas, key=lambda name: -areas[name])
    told = ", ".join(f"{name} {areas[name]:.4f}" for name in ranked[:4])
    label = f"{ranked[0]} (largest validation Ia AUC)"
    for name, folds in trees.items():
        row = _against(label, candidates[ranked[0]], name, folds)
        yield replace(row, reference=f"validation: {told}") if name == TREES else _reported(row)


def _validation_area(folds: Sequence[Stored]) -> float:
    """Mean over folds of the validation objects' Ia AUC, at the sample's prevalence."""
    each = [scores(_used(run, "val", Use()), "Ia", ("roc_auc",))["roc_auc"] for run in folds]
    return float(np.mean(each))


def _reported(row: Row) -> Row:
    """A row that no target is set for."""
    return replace(row, target="reported", met="-")


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
    weighed = _natural(run) ** (1 - float(run.facts["balanced"]))
    return weighed / weighed.sum()


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


def _against(name: str, ours: Sequence[Stored], other: str, theirs: Sequence[Stored]) -> Row:
    """Paired over objects: the log-loss where classes are equally common, the AUC where they are
    as in the sample.
    """
    flat, natural = (
        [_pooled(folds, use) for folds in (ours, theirs)] for use in (Use(flat=True), Use())
    )
    loss = differences(flat[0], flat[1], "Ia", ("plasticc_log_loss",))["plasticc_log_loss"]
    area = differences(natural[0], natural[1], "Ia", ("roc_auc",))["roc_auc"]
    return Row(
        PART,
        f"PLAsTiCC, {name} - {other}: log-loss; Ia AUC, 95 % interval",
        "< 0; > 0",
        f"{loss.value:+.3f} [{loss.low:+.3f}, {loss.high:+.3f}]; "
        f"{area.value:+.4f} [{area.low:+.4f}, {area.high:+.4f}]",
        "-",
        "-",
        "yes" if loss.high < 0 < area.low else "no",
    )


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
