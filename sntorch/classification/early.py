"""What was known of an object some days after its trigger, or some days from its peak.

The trigger is that of ``sntorch.data.trigger``. An epoch keeps the observations up to its date and
nothing later. ``t_ref`` of a batch is the peak where the header has one. Epochs from the peak use
it to choose what is kept, as SuperNNova's tables do, so the cut itself says when the peak was; a
network must not see ``t_ref`` or phases from it, and ``until`` replaces it by the trigger for that
reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sntorch.data.batch import LightCurveBatch
from sntorch.data.trigger import from_trigger, trigger_time
from sntorch.errors import ConfigError

REFERENCES = ("trigger", "peak")


@dataclass(frozen=True)
class Epoch:
    """A date at which objects are classified.

    Attributes:
        reference: ``trigger`` or ``peak``.
        days: Days from it, observer frame; infinity for the whole curve.

    Raises:
        ConfigError: Another reference.
    """

    reference: str = "trigger"
    days: float = math.inf

    def __post_init__(self) -> None:
        if self.reference not in REFERENCES:
            raise ConfigError(f"reference={self.reference}: accepted are {', '.join(REFERENCES)}")

    def __str__(self) -> str:
        if math.isinf(self.days):
            return "whole curve"
        return f"{self.reference} {self.days:+g} d"

    def cut(self, batch: LightCurveBatch) -> LightCurveBatch:
        """What was known of the objects at this date, see ``until``."""
        return until(batch, self.days, self.reference)


WHOLE = Epoch()
EPOCHS = (
    *(Epoch("trigger", days) for days in (0.0, 2.0, 5.0, 10.0, 15.0, 25.0, 40.0, 50.0)),
    *(Epoch("peak", days) for days in (-7.0, -2.0, -1.0, 0.0, 1.0, 2.0, 30.0, 50.0)),
)


def until(batch: LightCurveBatch, days: float, reference: str = "trigger") -> LightCurveBatch:
    """The observations up to a date; objects stay, even if nothing is left.

    Args:
        batch: The light curves.
        days: Days from the reference, observer frame; observations at the date itself are kept.
        reference: ``trigger`` (see ``trigger_time``; a curve without one keeps nothing, for
            nobody would have looked at it) or ``peak`` (``t_ref``).

    Returns:
        The cut batch. Its ``t_ref`` is the trigger of what is left, or the first observation,
        where nothing triggered, so that no phase tells of the peak; NaN for an empty curve.

    Raises:
        ConfigError: Another reference.
    """
    if reference not in REFERENCES:
        raise ConfigError(f"reference={reference}: accepted are {', '.join(REFERENCES)}")
    if math.isinf(days) and days > 0:
        return from_trigger(batch)
    start = batch.t_ref if reference == "peak" else trigger_time(batch)
    keep = batch.mask & (batch.time <= start[:, None] + days)
    return from_trigger(batch.where(keep))
