"""Training objects drawn again: what one has without a generator."""

from __future__ import annotations

from dataclasses import dataclass

from sntorch.generative.baselines.base import Baseline
from sntorch.generative.baselines.training_set import Drawn
from sntorch.generative.baselines.turn import Turn


@dataclass(eq=False)
class Bootstrap(Baseline):
    """The training objects again and again, each as often as the others.

    Epochs stay as they are, so only ``cadence="resampled"`` is had; lengths are met by leaving out
    observations of an object that has enough. ``temperature`` changes nothing.
    """

    def _draw(self, turn: Turn) -> Drawn:
        i, photometry = turn.own_light_curve(self.photometry, self.counts)
        return self._drawn_from(i, photometry)
