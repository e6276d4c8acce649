"""Classifiers of light curves, and how well they do."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sntorch.classification.classifier import Classifier
    from sntorch.classification.module import ClassifierModule

__all__ = ["Classifier", "ClassifierModule"]

_HOME = {
    "Classifier": "sntorch.classification.classifier",
    "ClassifierModule": "sntorch.classification.module",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: the scores alone need no Lightning."""
    if name not in _HOME:
        raise AttributeError(f"module 'sntorch.classification' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
