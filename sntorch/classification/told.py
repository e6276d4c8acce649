"""What a classifier is told besides the photometry: by its context, by features, or read by the
network itself. Scores, cards and rivals have to state it and to have the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sntorch.classification.context import source, told_name

if TYPE_CHECKING:
    from sntorch.classification.module import ClassifierModule

# The column that features, and boosted trees, take for a photometric redshift.
PHOTO_Z = "host_0"


def told(module: ClassifierModule) -> list[str]:
    """What a fitted classifier knows, in words, the host's columns by name.

    Args:
        module: The classifier.
    """
    known = [told_name(name, module.host) for name in _columns(module)]
    features = module.context.features
    used = "none" if features is None else features.features.redshift
    return known if used == "none" else [*known, f"features with {used}"]


def told_redshift(module: ClassifierModule) -> str:
    """Which redshift a fitted classifier knows, as features may use it.

    Args:
        module: The classifier.

    Returns:
        ``none``, ``photo-z`` (the first of the host's columns) or ``spec-z`` (the light curves').
    """
    features = module.context.features
    if features is not None and features.features.redshift != "none":
        return features.features.redshift
    columns = [source(name) for name in _columns(module)]
    if "redshift" in columns:
        return "spec-z"
    return "photo-z" if PHOTO_Z in columns else "none"


def _columns(module: ClassifierModule) -> Iterable[str]:
    """Columns of the context, and those that the network reads beside it, each once."""
    return dict.fromkeys((*module.config["context"], *module.network.reads))
