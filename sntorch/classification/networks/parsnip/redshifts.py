"""The redshift of an object, known or with a prior.

Letters in shapes: ``B`` objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sntorch.classification.context import column
from sntorch.classification.networks.parsnip.bands import LARGEST_REDSHIFT
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import DataError

# Error of a redshift whose error is not known, and least error of all (the reference's for
# spectroscopic redshifts).
LEAST_ERROR = 0.01


class RedshiftPrior(NamedTuple):
    """A normal prior.

    Attributes:
        mean: shape (B,).
        error: Standard deviation, shape (B,).
    """

    mean: Tensor
    error: Tensor

    def at(self, deviate: Tensor) -> Tensor:
        """The redshift that lies ``deviate`` (B,) standard deviations from the mean."""
        return (self.mean + deviate * self.error).clamp(0.0, LARGEST_REDSHIFT)


def redshift_prior(batch: LightCurveBatch, columns: Sequence[str]) -> RedshiftPrior:
    """Redshifts of a batch and their errors, float32.

    Args:
        batch: The light curves.
        columns: Of the redshift and, if any, of its error, named as in ``Context``.

    Raises:
        DataError: An object without a redshift, or beyond what the model covers.
    """
    values = [column(batch, name).float() for name in columns]
    redshift = values[0]
    _require(batch, columns[0], redshift)
    error = values[1] if len(values) > 1 else torch.full_like(redshift, torch.nan)
    return RedshiftPrior(redshift.clamp(min=0.0), error.nan_to_num(LEAST_ERROR).clamp(LEAST_ERROR))


def _require(batch: LightCurveBatch, name: str, redshift: Tensor) -> None:
    # Heliocentric redshifts of the nearest objects may be slightly negative.
    fine = (redshift > -LEAST_ERROR) & (redshift <= LARGEST_REDSHIFT)
    lacking = (~fine).nonzero()[:, 0].tolist()
    if lacking:
        others = f" and {len(lacking) - 1} others" if len(lacking) > 1 else ""
        raise DataError(
            f"{batch.object_id[lacking[0]]}{others}: {name} is {float(redshift[lacking[0]]):.4g}, "
            f"where parsnip needs 0 to {LARGEST_REDSHIFT:g}; leave such objects out, name another "
            "column in model.network.redshift_columns, or use a classifier that needs none"
        )
