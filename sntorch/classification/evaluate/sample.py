"""What a cosmologist asks of a sample of SNe Ia: how pure, how complete, and who spoils it."""

from __future__ import annotations

import numpy as np

from sntorch.classification.predictions import Predictions

EFFICIENCIES = (0.90, 0.95, 0.99)
THRESHOLD = 0.5


def sample_scores(
    predictions: Predictions, positive: str, threshold: float = THRESHOLD
) -> dict[str, float]:
    """Purity and efficiency of the objects whose probability is above a threshold.

    Args:
        predictions: Of any objects.
        positive: The class that the sample is for.
        threshold: Of its probability.

    Returns:
        ``efficiency`` (share of the class that is kept); ``purity`` (share of the kept that are
        of the class) at the prevalence of these objects, and ``purity_balanced`` at a prevalence
        of one half.
    """
    known = predictions.labelled()
    truth, score = known.is_class(positive), known.score(positive)
    kept = score > threshold
    efficiency, leaking = _share(kept, truth), _share(kept, ~truth)
    return {
        "efficiency": efficiency,
        "purity": _share(truth, kept),
        "purity_balanced": efficiency / (efficiency + leaking)
        if efficiency + leaking > 0
        else float("nan"),
    }


def purities(predictions: Predictions, positive: str) -> dict[str, float]:
    """``purity_at_90``, ``purity_at_95`` and ``purity_at_99`` percent efficiency."""
    return {
        f"purity_at_{round(100 * e)}": purity_at(predictions, positive, e) for e in EFFICIENCIES
    }


def purity_at(predictions: Predictions, positive: str, efficiency: float) -> float:
    """Purity at the strictest threshold that keeps a share of the class.

    Args:
        predictions: Of any objects.
        positive: The class that the sample is for.
        efficiency: The least share of it that must be kept.
    """
    from sklearn.metrics import precision_recall_curve

    known = predictions.labelled()
    truth = known.is_class(positive)
    if not truth.any():
        return float("nan")
    purity, kept, _ = precision_recall_curve(truth, known.score(positive))
    # Efficiencies fall along the curve; rounding must not cost an object.
    return float(purity[np.flatnonzero(kept >= efficiency - 1e-12)[-1]])


def contamination(
    predictions: Predictions, positive: str, threshold: float = THRESHOLD
) -> list[dict[str, str | int | float]]:
    """Who is in the sample without being of the class.

    Args:
        predictions: With ``type`` where it is known, else classes stand for types.
        positive: The class that the sample is for.
        threshold: Of its probability.

    Returns:
        For each other type, the worst first: ``type``, ``n`` objects, ``n_kept`` of them in the
        sample, ``leak`` (share of the type that is kept), ``contamination`` (share of the sample
        that is of the type).
    """
    known = predictions.labelled()
    kept = known.score(positive) > threshold
    names = known.type or [known.classes[k] for k in known.label]
    others = np.where(known.is_class(positive), "", names)
    rows = [
        {
            "type": str(name),
            "n": int((others == name).sum()),
            "n_kept": int(kept[others == name].sum()),
            "leak": _share(kept, others == name),
            "contamination": _share(others == name, kept),
        }
        for name in np.unique(others[~known.is_class(positive)])
    ]
    return sorted(rows, key=lambda row: -float(row["contamination"]) if kept.any() else 0.0)


def _share(of: np.ndarray, among: np.ndarray) -> float:
    return float(of[among].mean()) if among.any() else float("nan")
