"""What a generator can be asked for, as its class declares, and refusing the rest in one place.

A class that declares nothing is asked for nothing special: an answer that looks right and is not
would be worse than none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError

if TYPE_CHECKING:
    from sntorch.generative.base import Cadence

NOISELESS, GENERATED, RESAMPLED, GIVEN = "noiseless", "generated", "resampled", "given"


class Abilities:
    """The declarations of a generator.

    Attributes:
        knows_true_flux: Whether ``noiseless`` gives the true fluxes, all of them finite.
        makes_epochs: Whether ``cadence="generated"`` gives epochs of the model's own.
        follows_cadence: Whether light curves may be given whose epochs are followed; a model that
            makes epochs then takes those of training objects, too.
        REFUSALS: What is said where it cannot, by what was asked for.
    """

    knows_true_flux: bool = False
    makes_epochs: bool = False
    follows_cadence: bool = False
    REFUSALS: ClassVar[dict[str, str]] = {
        NOISELESS: "noiseless: {name} writes observed fluxes and knows no true ones",
        GENERATED: "cadence generated: {name} makes no epochs; none or resampled is accepted",
        RESAMPLED: "cadence resampled: {name} makes its own epochs; none or generated is accepted",
        GIVEN: "cadence: {name} follows no given light curves; none is accepted",
    }

    def check_abilities(self, cadence: Cadence | None, noiseless: bool) -> None:
        """Refuse what the model has not declared.

        Args:
            cadence: As of ``GenerativeModel.sample``.
            noiseless: The same.

        Raises:
            ConfigError: True fluxes that nobody knows, or epochs that the model cannot have.
        """
        asked = GIVEN if isinstance(cadence, LightCurveBatch) else cadence
        refused = {
            GENERATED: not self.makes_epochs,
            RESAMPLED: self.makes_epochs and not self.follows_cadence,
            GIVEN: not self.follows_cadence,
        }
        if noiseless and not self.knows_true_flux:
            asked = NOISELESS
        elif asked is None or not refused.get(asked, False):
            return
        raise ConfigError(self.REFUSALS[asked].format(name=type(self).__name__))
