"""Rows of the table of classifiers, from the logits that ``classification.py`` has stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from classification_folds import plasticc_rows
from classification_stored import COMMAND, PART, TREES, Stored, stored
from table import Row

from sntorch.classification.evaluate.blending import blend, greedy_weights
from sntorch.classification.evaluate.likelihood import log_loss
from sntorch.classification.evaluate.metrics import scores
from sntorch.classification.predictions import Predictions

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
    # Trees that learn from cuts at the true peak, say, have rows but are not chosen.
    candidates = _candidates({n: r for n, r in models.items() if not n.startswith(f"{TREES}_")})
    for name, each in candidates.items():
        if name not in models:
            yield _of_ensemble(name, each[0])
    if candidates:
        yield from _chosen(candidates)
    yield from _weighed({n: runs for n, runs in models.items() if not n.startswith(TREES)})


def _candidates(models: dict[str, list[Stored]]) -> dict[str, list[list[Stored]]]:
    """What one may choose: a model, as a list of ensembles of one; the mean of its seeds; the mean
    of all networks.
    """
    found = {name: [[run] for run in runs] for name, runs in models.items()}
    several = {n: runs for n, runs in models.items() if len(runs) > 1}
    found |= {f"mean of {len(runs)} {name}": [runs] for name, runs in several.items()}
    networks = [run for n, runs in models.items() if not n.startswith(TREES) for run in runs]
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
    losses = {epoch: _validation_losses(candidates, epoch) for epoch in BEST}
    once = min(candidates, key=lambda name: sum(loss[name] for loss in losses.values()))
    for epoch, targets in BEST.items():
        loss = losses[epoch]
        ranked = sorted(loss, key=lambda name: loss[name])
        ranking = ", ".join(f"{name} {loss[name]:.3f}" for name in ranked[:4])
        mean = _mean_pair(candidates[ranked[0]], epoch)
        what = f"DES-mini, chosen by validation loss ({ranked[0]}), {WHEN[epoch]}: accuracy; AUC"
        target = f">= {targets[0]}; {targets[1]}"
        met = _judged(mean, targets)
        measured = f"{mean[0]:.3f}; {mean[1]:.3f}"
        yield Row(PART, what, target, measured, f"validation losses: {ranking}", "-", met)
    # Who classifies does not know the phase: one choice for all.
    pairs = [_mean_pair(candidates[once], epoch) for epoch in BEST]
    yield Row(
        PART,
        f"DES-mini, chosen once by the sum of validation losses ({once}), "
        f"{', '.join(WHEN[epoch] for epoch in BEST)}: accuracy; AUC",
        " - ".join(f"{a}; {b}" for a, b in BEST.values()),
        " - ".join(f"{a:.3f}; {b:.3f}" for a, b in pairs),
        met=min((_judged(p, t) for p, t in zip(pairs, BEST.values(), strict=True))),
    )


def _validation_losses(candidates: dict[str, list[list[Stored]]], epoch: str) -> dict[str, float]:
    return {
        name: float(np.mean([log_loss(_ensemble(runs, "val", epoch)) for runs in each]))
        for name, each in candidates.items()
    }


def _mean_pair(each: Sequence[Sequence[Stored]], epoch: str) -> tuple[float, float]:
    """Means over ensembles of test accuracy and AUC."""
    pairs = np.array([_pair(_ensemble(runs, "test", epoch)) for runs in each])
    return float(pairs[:, 0].mean()), float(pairs[:, 1].mean())


def _weighed(networks: dict[str, list[Stored]]) -> Iterator[Row]:
    """At each epoch a mean of all networks with weights from the validation objects there."""
    named = _named(networks)
    runs = [run for _, run in named]
    if len(runs) < 2:
        return
    for epoch, targets in BEST.items():
        validation = [run.predictions("val", epoch) for run in runs]
        weights = greedy_weights(validation)
        pair = _pair(blend([run.predictions("test", epoch) for run in runs], weights))
        share = dict.fromkeys(networks, 0.0)
        for (name, _), weight in zip(named, weights, strict=True):
            share[name] += weight
        told = ", ".join(f"{name} {w:.2f}" for name, w in share.items() if w > 0)
        yield Row(
            PART,
            f"DES-mini, {len(runs)} networks weighed by greedy selection on validation objects, "
            f"{WHEN[epoch]}: accuracy; AUC",
            f">= {targets[0]}; {targets[1]}",
            f"{pair[0]:.3f}; {pair[1]:.3f}",
            f"weights {told}; validation loss {log_loss(blend(validation, weights)):.3f}",
            "-",
            _judged(pair, targets),
        )


def _named(networks: dict[str, list[Stored]]) -> list[tuple[str, Stored]]:
    return [(name, run) for name, runs in networks.items() for run in runs]


def _ensemble(runs: Sequence[Stored], part: str, epoch: str) -> Predictions:
    return blend([run.predictions(part, epoch) for run in runs])


ROWS: dict[str, Callable[[Path], Iterable[Row]]] = {
    "des_mini": des_mini_rows,
    "plasticc": plasticc_rows,
}
