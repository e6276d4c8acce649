"""Going on from a trained classifier: from simulated supernovae to real ones, of which few have a
type.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sntorch.classification.context import HOST, source
from sntorch.classification.told import told_redshift
from sntorch.data.batch import LightCurveBatch

if TYPE_CHECKING:
    from sntorch.classification.module import ClassifierModule

Model = TypeVar("Model", bound="ClassifierModule")
# Settings that weights are made for.
SAME = ("network", "context", "features")


def open_start(
    model: Model, path: str | Path, batch: LightCurveBatch, host: Sequence[str] = ()
) -> Model:
    """The trained classifier at ``path``, if ``model`` can go on from it.

    Args:
        model: The classifier to train.
        path: Checkpoint, run or folder of a trained one.
        batch: Training objects of ``model``.
        host: Names of the columns of ``batch.host``.

    Raises:
        CheckpointError: No classifier there.
        ConfigError: Another network or context, other bands or classes, or another zero point.
    """
    found = type(model).open(path)
    # Context, features and networks count host columns: which these are matters if any is used.
    used = (*found.config["context"], *found.network.reads)
    columns = told_redshift(found) == "photo-z" or any(source(c).startswith(HOST) for c in used)
    shared = (
        ("host columns", ", ".join(host) * columns, ", ".join(found.host) * columns),
        ("bands", ", ".join(batch.bands), ", ".join(found.bands)),
        ("classes", ", ".join(batch.classes), ", ".join(found.classes)),
        ("zero point", batch.zeropoint, found.zeropoint),
    )
    found.check_start(path, model.config, SAME, shared, "accepted here, in this order")
    return found
