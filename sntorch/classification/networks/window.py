"""The part of a long light curve about its trigger, for any network of whole curves.

Surveys of years watch a transient for weeks: most observations of its position are of nothing.
Some classifiers choose a part themselves (RAPID from 70 days before the trigger to 80 after it,
SCONE 180 days); ``AroundTrigger`` gives the others one.

Letters in shapes: ``B`` objects, ``C`` classes, ``M`` numbers of context.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from sntorch.building import build, target_class
from sntorch.classification.base import ClassifierNetwork
from sntorch.data.batch import LightCurveBatch
from sntorch.data.trigger import trigger_time
from sntorch.errors import ConfigError


class AroundTrigger(ClassifierNetwork):
    """A network that reads what was observed about the first detection.

    The trigger is the first observation with S/N > 5; an object without one is read whole.

    Args:
        bands: Names of the bands.
        n_classes: Number of classes C.
        n_context: Numbers M of context.
        network: Config of the network, ``_target_`` and its settings.
        before: Days before the trigger, observer frame.
        after: Days after it.

    Raises:
        ConfigError: A network that answers at every step, of which the first would know that a
            trigger follows, or a part of no length.
    """

    def __init__(
        self,
        bands: Sequence[str],
        n_classes: int,
        n_context: int,
        network: Mapping[str, Any],
        before: float = 50.0,
        after: float = 150.0,
    ) -> None:
        super().__init__(bands, n_classes, n_context)
        kind = target_class(network, ClassifierNetwork)
        if kind.per_step:
            raise ConfigError(
                f"AroundTrigger: {kind.__name__} answers at every step, and would know before the "
                "trigger that one follows; networks of whole light curves are accepted"
            )
        if before < 0 or after <= 0:
            raise ConfigError(
                f"AroundTrigger(before={before}, after={after}): 0 or more days before, and more "
                "than 0 after, are accepted"
            )
        self.before, self.after = before, after
        self.network = build(
            network, ClassifierNetwork, bands=bands, n_classes=n_classes, n_context=n_context
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """That of the network."""
        return self.network.reads

    def part(self, batch: LightCurveBatch) -> LightCurveBatch:
        """The observations from ``before`` to ``after``."""
        days = batch.time - trigger_time(batch)[:, None]
        inside = (days >= -self.before) & (days <= self.after)
        return batch.where(inside | days.isnan())

    def fit_inputs(self, batch: LightCurveBatch) -> None:
        """Fit the network to the parts that it reads."""
        self.network.fit_inputs(self.part(batch))

    def forward(self, batch: LightCurveBatch, context: Tensor) -> Tensor:
        """Logits, shape (B, C)."""
        return self.network(self.part(batch), context)

    def auxiliary_loss(self, batch: LightCurveBatch, context: Tensor) -> Tensor | None:
        """That of the network."""
        return self.network.auxiliary_loss(self.part(batch), context)
