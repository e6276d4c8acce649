"""How good a classifier is: scores of its predictions, intervals, and what they depend on."""

from sntorch.classification.evaluate.binned import against, against_epochs
from sntorch.classification.evaluate.blending import blend, greedy_weights
from sntorch.classification.evaluate.intervals import differences, intervals, mcnemar, over_seeds
from sntorch.classification.evaluate.metrics import scores

__all__ = [
    "against",
    "against_epochs",
    "blend",
    "differences",
    "greedy_weights",
    "intervals",
    "mcnemar",
    "over_seeds",
    "scores",
]
