"""Light curves as a GAN sees them, real ones and generated ones alike.

Letters in shapes: ``B`` objects, ``L`` steps, ``F`` bands, ``P`` numbers of the condition.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.generative.codes import ConditionCodes
from sntorch.generative.encoding import RowEncoding
from sntorch.generative.encoding.base import usable_objects


@dataclass(frozen=True)
class EncodedRows:
    """Objects as the networks of a GAN see them.

    Attributes:
        x: Encoded rows, shape (B, L, 3F).
        mask: True where there is an observation, shape (B, L, F).
        label: Classes, shape (B,), -1 where unknown.
        numbers: Numbers to condition on, shape (B, P), NaN where unknown.
    """

    x: Tensor
    mask: Tensor
    label: Tensor
    numbers: Tensor

    def __len__(self) -> int:
        return len(self.mask)

    @classmethod
    def of(
        cls, batch: LightCurveBatch, encoding: RowEncoding, conditions: ConditionCodes
    ) -> EncodedRows:
        """The usable observations of a batch; objects without any are left out.

        Args:
            batch: Light curves.
            encoding: Of rows.
            conditions: Says which numbers are conditions.

        Raises:
            ConfigError: Objects without a property that is one.
        """
        batch = usable_objects(batch)
        parts = *encoding.encode(batch), *conditions.read(batch)
        seen = parts[1].flatten(1).any(1)
        return cls(*(part[seen] for part in parts))
