"""A survey's trigger: so many nights with a detection, each detection with its own chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.simulation.selection.base import Cut, Truth
from sntorch.simulation.selection.counts import measured, night_of
from sntorch.simulation.selection.efficiencies import EfficiencyTable

# Of efficiencies against the size of the signal-to-noise ratio.
ABSOLUTE = "abs_snr"


@dataclass(frozen=True)
class Trigger(Cut):
    """Detected on at least ``n`` nights, in any of the bands.

    An observation is detected with a probability that depends on its signal-to-noise ratio, as
    SNANA's SEARCHEFF maps have it, independently of the others. The ratio is the measured one
    (SNANA takes the expected one, so that its efficiencies are a little less blurred than here).

    Attributes:
        efficiency: Of each band that counts, see ``read_detection_efficiency``.
        n: Least number of nights.
    """

    efficiency: Mapping[str, EfficiencyTable]
    n: int = 2

    def __post_init__(self) -> None:
        if self.n < 1 or not self.efficiency:
            raise ConfigError(
                f"trigger: 1 night or more, and the efficiency of 1 band or more, are accepted; "
                f"found n={self.n} and {len(self.efficiency)} bands"
            )

    def probability(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """Probability of so many nights, shape (B,).

        Raises:
            ConfigError: A band that the observations do not have.
        """
        unknown = [band for band in self.efficiency if band not in batch.bands]
        if unknown:
            raise ConfigError(
                f"trigger in {unknown[0]}: the light curves have {', '.join(batch.bands)}"
            )
        return at_least(self._nights(self._detected(batch), batch), self.n)

    def _detected(self, batch: LightCurveBatch) -> Tensor:
        """Probability that each observation is detected, shape (B, T)."""
        snr = (batch.flux / batch.flux_err).double()
        found = torch.zeros_like(snr)
        for band, table in self.efficiency.items():
            mine = measured(batch) & (batch.band == batch.bands.index(band))
            value = snr.abs() if table.of == ABSOLUTE else snr
            found = torch.where(mine, table.log_of(value).exp(), found)
        return found

    def _nights(self, detected: Tensor, batch: LightCurveBatch) -> Tensor:
        """Probability of a detection on each night, shape (B, T); 0 beyond the last night."""
        night = torch.where(batch.mask, night_of(batch), -(2**40))
        order = night.argsort(dim=1)
        sorted_night, missed = night.gather(1, order), (1 - detected).gather(1, order)
        place = (sorted_night.diff(dim=1) != 0).long().cumsum(1)
        place = torch.cat([torch.zeros_like(place[:, :1]), place], 1)
        none = torch.zeros_like(missed).scatter_add(1, place, missed.log())
        return 1 - none.exp()

    def __str__(self) -> str:
        return f"trigger on {self.n} nights in {', '.join(self.efficiency)}"


def at_least(probability: Tensor, n: int) -> Tensor:
    """Probability of ``n`` successes or more, shape (B,), of independent trials (B, T)."""
    state = probability.new_zeros(len(probability), n + 1)
    state[:, 0] = 1
    for p in probability.T[..., None]:
        moved = state[:, :-1] * p
        state = torch.cat([state[:, :-1] * (1 - p), state[:, -1:]], 1)
        state = state + torch.nn.functional.pad(moved, (1, 0))
    return state[:, -1].clamp(0, 1)
