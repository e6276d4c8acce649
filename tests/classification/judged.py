"""Predictions of made-up classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np

from sntorch.classification.predictions import Predictions

CLASSES = ("Ia", "II", "Ibc")


def judged(
    n: int = 400,
    seed: int = 0,
    skill: float = 1.5,
    classes: tuple[str, ...] = CLASSES,
    **known: Any,
) -> Predictions:
    """Logits of noise, with ``skill`` added to the true class."""
    rng = np.random.default_rng(seed)
    label = rng.choice(
        len(classes),
        size=n,
        p=np.array([3, 2, 1, 1][: len(classes)]) / sum([3, 2, 1, 1][: len(classes)]),
    )
    logits = rng.normal(size=(n, len(classes)))
    logits[np.arange(n), label] += skill
    names = [f"sn{i}" for i in range(n)]
    return Predictions(names, np.exp(logits), label, classes, **known)
