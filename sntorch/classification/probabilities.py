"""The table of class probabilities: a row an object, or a row an object and epoch.

Letters in shapes: ``S`` draws, ``B`` objects, ``C`` classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sntorch.classification.evaluate.uncertainty import entropy, mutual_information
from sntorch.classification.predictions import PROBABILITY
from sntorch.data.batch import LightCurveBatch

if TYPE_CHECKING:
    from pandas import DataFrame

SPREAD = "sd_"


def probability_table(
    batch: LightCurveBatch,
    draws: NDArray[np.float64],
    classes: Sequence[str],
    epoch: float | None = None,
) -> DataFrame:
    """Probabilities and their uncertainty.

    Args:
        batch: The light curves as the classifier saw them.
        draws: Probabilities, shape (S, B, C).
        classes: Names of the C classes.
        epoch: Days at which the light curves end, if they were cut.

    Returns:
        ``object_id``, ``epoch`` (where given), ``n_observations``, ``p_<class>``, ``uncertainty``
        (entropy of the probabilities, nats); where there are several draws also
        ``mutual_information`` (nats) and ``sd_<class>``. Objects without observations have NaN.
    """
    from pandas import DataFrame

    observed = batch.n_observations.cpu().numpy()
    draws = np.where(observed[None, :, None] > 0, draws, np.nan)
    mean = draws.mean(0)
    columns: dict[str, object] = {"object_id": batch.object_id}
    if epoch is not None:
        columns["epoch"] = np.full(len(batch), float(epoch))
    columns["n_observations"] = observed
    columns |= {PROBABILITY + name: p for name, p in zip(classes, mean.T, strict=True)}
    columns["uncertainty"] = entropy(mean)
    if len(draws) > 1:
        columns["mutual_information"] = mutual_information(draws)
        spread = draws.std(0, ddof=1)
        columns |= {SPREAD + name: sd for name, sd in zip(classes, spread.T, strict=True)}
    return DataFrame(columns)


def by_object(tables: Sequence[DataFrame]) -> DataFrame:
    """Tables of the same objects at several epochs as one, all epochs of an object together."""
    from pandas import concat

    return concat(tables).sort_index(kind="stable").reset_index(drop=True)
