"""The few scores that are watched while a classifier trains."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def quick_scores(logits: Tensor, label: Tensor) -> dict[str, float]:
    """Loss, accuracy, balanced accuracy and area under the ROC curve of labelled objects.

    Args:
        logits: shape (B, C).
        label: shape (B,); objects with a negative one are left out.

    Returns:
        Scores by name; those that the objects do not define are left out: an area under the curve
        takes two classes (macro average, one against the rest, over the classes that occur).
    """
    known = label >= 0
    logits, label = logits[known].double(), label[known]
    if not len(label):
        return {}
    hit = logits.argmax(1) == label
    present = label.unique()
    recalls = torch.stack([hit[label == c].double().mean() for c in present])
    scores = {
        "loss": float(cross_entropy(logits, label)),
        "accuracy": float(hit.double().mean()),
        "balanced_accuracy": float(recalls.mean()),
    }
    if len(present) > 1:
        scores["auc"] = _auc(logits.softmax(1).numpy(), label.numpy(), present.tolist())
    return scores


def _auc(probability: np.ndarray, label: np.ndarray, present: list[int]) -> float:
    from sklearn.metrics import roc_auc_score

    areas = [roc_auc_score(label == c, probability[:, c]) for c in present]
    return float(np.mean(areas))
