"""All scores of a table of predictions, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sntorch.classification.evaluate.confusion import class_scores
from sntorch.classification.evaluate.likelihood import likelihood_scores
from sntorch.classification.evaluate.ranking import macro_ranking_scores, ranking_scores
from sntorch.classification.evaluate.reliability import calibration_scores
from sntorch.classification.evaluate.sample import purities, sample_scores
from sntorch.classification.predictions import Predictions
from sntorch.errors import ConfigError

Group = Callable[[Predictions, str], dict[str, float]]
# What is computed together; the second argument is the class that binary scores are of.
GROUPS: dict[tuple[str, ...], Group] = {
    (
        "accuracy",
        "balanced_accuracy",
        "macro_precision",
        "macro_recall",
        "macro_f1",
    ): lambda p, _: class_scores(p),
    ("roc_auc", "pr_auc"): ranking_scores,
    ("macro_roc_auc", "macro_pr_auc"): lambda p, _: macro_ranking_scores(p),
    ("log_loss", "plasticc_log_loss", "brier"): lambda p, _: likelihood_scores(p),
    ("ece", "class_ece"): lambda p, _: calibration_scores(p),
    ("efficiency", "purity", "purity_balanced"): sample_scores,
    ("purity_at_90", "purity_at_95", "purity_at_99"): purities,
}
ALL = tuple(name for names in GROUPS for name in names)
# Those that are followed over epochs and bins.
HEADLINE = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "roc_auc",
    "pr_auc",
    "log_loss",
    "plasticc_log_loss",
    "purity",
    "efficiency",
)


def scores(
    predictions: Predictions, positive: str, names: Sequence[str] = ALL
) -> dict[str, float]:
    """Scores that are one number.

    Args:
        predictions: Of any objects; those of unknown class do not count.
        positive: The class that binary scores are of (``Ia``).
        names: Which ones.

    Raises:
        ConfigError: No such score.
    """
    if unknown := [name for name in names if name not in ALL]:
        raise ConfigError(f"no score {', '.join(unknown)}; accepted are {', '.join(ALL)}")
    known = predictions.labelled()
    found: dict[str, float] = {}
    for group, compute in GROUPS.items():
        if set(group) & set(names):
            found |= compute(known, positive)
    return {name: found[name] for name in names}
