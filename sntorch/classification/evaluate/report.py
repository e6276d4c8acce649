"""The scores of a classifier, each with its interval and beside what costs nothing.

Three things stand beside the classifier: the *majority* baseline, which knows the class
frequencies only; any *other* model (boosted trees on features) on the same objects, with the
paired difference; and, for the calibration error, the *floor* that a perfectly calibrated
classifier would have in bins of this size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from sntorch.classification.early import REFERENCES, WHOLE, Epoch
from sntorch.classification.evaluate.binned import (
    QUANTITIES,
    against,
    against_epochs,
    observed,
)
from sntorch.classification.evaluate.confusion import confusion_matrix, majority, per_class
from sntorch.classification.evaluate.intervals import (
    N_RESAMPLES,
    differences,
    intervals,
    mcnemar,
)
from sntorch.classification.evaluate.metrics import ALL, HEADLINE, scores
from sntorch.classification.evaluate.ranking import per_class_ranking
from sntorch.classification.evaluate.reliability import Reliability, floor, of_class, top_label
from sntorch.classification.evaluate.sample import contamination
from sntorch.classification.evaluate.uncertainty import entropy, novelty_auroc, rejection
from sntorch.classification.predictions import Index, Predictions
from sntorch.errors import DataError
from sntorch.statistics.jsonable import jsonable

Row = dict[str, Any]


def evaluate_classifier(
    by_epoch: Mapping[Epoch, Predictions],
    positive: str = "Ia",
    others: Mapping[str, Mapping[Epoch, Predictions]] | None = None,
    foreign: Mapping[str, Predictions] | None = None,
    train_counts: Index | None = None,
    redshift: str = "none",
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Score a classifier on objects that had no part in its training.

    Args:
        by_epoch: Predictions from what was known at each epoch; ``WHOLE`` must be among them.
        positive: The class that binary scores are of.
        others: Predictions of other models for the same objects, by name.
        foreign: Predictions for light curves of nothing known (see ``ood``), by kind, or for a
            class that was held out.
        train_counts: Training objects of each class, for the majority baseline.
        redshift: What the classifier was told: ``none``, ``photo-z`` or ``spec-z``; stated only.
        n_resamples: Resamples of the bootstrap over objects.
        seed: Seed of the bootstrap.

    Returns:
        Numbers that JSON can hold: ``n``, ``positive``, ``redshift``, ``scores`` (name -> value,
        low, high, majority), ``others`` (name -> scores, differences, mcnemar), ``per_class``,
        ``confusion``, ``calibration``, ``contamination``, ``epochs``, ``against`` (redshift, snr,
        n_observations), ``foreign`` (kind -> AUROC of the entropy), ``rejection``.

    Raises:
        DataError: No whole curves, no labelled objects, or no class of that name.
    """
    if WHOLE not in by_epoch:
        raise DataError("predictions of whole light curves are missing (the epoch WHOLE)")
    whole = by_epoch[WHOLE].labelled()
    whole.class_index(positive)
    if not len(whole):
        raise DataError("no object has a known class: there is nothing to score on")
    how = {"n": n_resamples, "seed": seed}
    base = scores(majority(whole, train_counts), positive)
    found = intervals(whole, positive, ALL, **how)
    return jsonable(
        {
            "n": _sizes(by_epoch[WHOLE]),
            "positive": positive,
            "redshift": redshift,
            "scores": {k: {**asdict(v), "majority": base[k]} for k, v in found.items()},
            "others": _others(whole, others or {}, positive, how),
            "per_class": _per_class(whole),
            "confusion": {"classes": whole.classes, "matrix": confusion_matrix(whole)},
            "calibration": _calibration(whole, positive, seed),
            "contamination": contamination(whole, positive),
            "epochs": _epochs(by_epoch, positive, how),
            "against": _against(whole, positive, how),
            "foreign": _foreign(whole, foreign or {}),
            "rejection": _rows(rejection(whole)),
        }
    )


def tables(metrics: Mapping[str, Any]) -> dict[str, list[Row]]:
    """The metrics as tables of equal rows, by name, for CSV files and pages.

    Args:
        metrics: As ``evaluate_classifier`` returns them.
    """
    headline = []
    for name, score in metrics["scores"].items():
        row = {"score": name, **score}
        for other, found in metrics["others"].items():
            gap = found["differences"].get(name, {})
            row[other] = found["scores"][name]
            row |= {f"minus_{other}{end}": gap.get(key) for end, key in _ENDS.items()}
        headline.append(row)
    classes = metrics["confusion"]["classes"]
    matrix = zip(classes, metrics["confusion"]["matrix"], strict=True)
    made = {
        "scores": headline,
        "per_class": metrics["per_class"],
        "confusion": [{"true": c, **dict(zip(classes, row, strict=True))} for c, row in matrix],
        "reliability": [
            {"of": name, **row}
            for name, bins in metrics["calibration"]["bins"].items()
            for row in bins
        ],
        "contamination": metrics["contamination"],
        "epochs": metrics["epochs"],
        **{f"against_{name}": rows for name, rows in metrics["against"].items()},
        "foreign": [{"kind": k, "entropy_auroc": v} for k, v in metrics["foreign"].items()],
        "rejection": metrics["rejection"],
    }
    return {name: rows for name, rows in made.items() if rows}


_ENDS = {"": "value", "_low": "low", "_high": "high"}


def _sizes(predictions: Predictions) -> dict[str, Any]:
    counts = dict(zip(predictions.classes, predictions.counts.tolist(), strict=True))
    empty = len(predictions) - len(observed(predictions))
    unknown = int((predictions.label < 0).sum())
    return {"objects": len(predictions), "unknown": unknown, "empty": empty, "classes": counts}


def _others(
    whole: Predictions,
    others: Mapping[str, Mapping[Epoch, Predictions]],
    positive: str,
    how: dict[str, int],
) -> dict[str, Any]:
    return {
        name: {
            "scores": scores(one[WHOLE], positive),
            "differences": {
                k: asdict(v)
                for k, v in differences(whole, one[WHOLE], positive, HEADLINE, **how).items()
            },
            "mcnemar": asdict(mcnemar(whole, one[WHOLE])),
            "epochs": _epochs(one, positive, how),
        }
        for name, one in others.items()
    }


def _per_class(whole: Predictions) -> list[Row]:
    columns = {
        "n": whole.counts,
        **per_class(confusion_matrix(whole)),
        **per_class_ranking(whole),
        "ece": np.array([of_class(whole, name).ece for name in whole.classes]),
    }
    return [{"class": c, **row} for c, row in zip(whole.classes, _rows(columns), strict=True)]


def _calibration(whole: Predictions, positive: str, seed: int) -> dict[str, Any]:
    curves = {"most probable class": top_label(whole), positive: of_class(whole, positive)}
    return {
        "ece": {name: curve.ece for name, curve in curves.items()},
        "floor": floor(whole, seed=seed),
        "bins": {name: _bins(curve) for name, curve in curves.items()},
    }


def _bins(curve: Reliability) -> list[Row]:
    return _rows({k: getattr(curve, k) for k in ("confidence", "frequency", "error", "n")})


def _epochs(
    by_epoch: Mapping[Epoch, Predictions], positive: str, how: dict[str, int]
) -> list[Row]:
    rows = []
    for reference in REFERENCES:
        for one in against_epochs(by_epoch, reference, positive, HEADLINE, **how):
            row = one.row()
            row.pop("high")
            rows.append({"reference": reference, "days": row.pop("low"), **row})
    return rows


def _against(whole: Predictions, positive: str, how: dict[str, int]) -> dict[str, list[Row]]:
    usable: Sequence[str] = [
        name
        for name in QUANTITIES
        if (values := getattr(whole, name)) is not None and np.isfinite(values).any()
    ]
    return {
        name: [one.row() for one in against(whole, name, positive, HEADLINE, None, **how)]
        for name in usable
    }


def _foreign(whole: Predictions, foreign: Mapping[str, Predictions]) -> dict[str, float]:
    ours = entropy(whole.probabilities)
    return {k: novelty_auroc(ours, entropy(p.probabilities)) for k, p in foreign.items()}


def _rows(columns: Mapping[str, Any]) -> list[Row]:
    """A table given by columns, row by row."""
    values = zip(*(np.asarray(c).tolist() for c in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in values]
