"""Sampling a GAN: the averaged generator writes rows, which are brought to a brightness level.

Letters in shapes: ``B`` objects, ``L`` steps, ``F`` bands, ``M`` numbers of a code.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sntorch.data.rows import LightCurveRows
from sntorch.generative.abilities import GIVEN, NOISELESS, RESAMPLED, Abilities
from sntorch.generative.base import Cadence, Seed
from sntorch.generative.conditions import Conditions
from sntorch.generative.draws import Draws, sample_objects
from sntorch.generative.encoding import RowEncoding
from sntorch.generative.epochs import EpochPrior
from sntorch.generative.levels import LevelPrior
from sntorch.generative.requests import TrainingObjects, check_request
from sntorch.generative.training import TrainedGenerator

OWN_TIMES = "this generator was trained with real_cadence=0: it makes its own times only"
# Objects that the generator makes at once on a CPU: with fewer, calls take longer than products.
GROUP = 256


class SampledGAN(TrainedGenerator):
    """What draws light curves of a GAN; ``LightCurveGAN`` trains it.

    A subclass builds what is declared here, for the bands of its training objects. These keys of
    its ``config`` are read here: ``impose_level``, ``measurement``, ``cadence``, ``epoch_shift``.
    """

    REFUSALS = Abilities.REFUSALS | {
        NOISELESS: "noiseless: this generator was trained with measurement=false and writes "
        "fluxes with their noise",
        RESAMPLED: OWN_TIMES,
        GIVEN: OWN_TIMES,
    }
    makes_epochs = True
    generator: Any
    average: Any
    encoding: RowEncoding
    conditions: Conditions
    epochs: EpochPrior
    levels: LevelPrior

    @property
    def objects(self) -> TrainingObjects:
        """What is known of the training objects."""
        return TrainingObjects(self.bands, self.conditions, self.epochs)

    @property
    def zeropoint(self) -> float:
        """Zero point of the fluxes."""
        return self.encoding.zeropoint

    def codes(self, label: Tensor, numbers: Tensor) -> Tensor | None:
        """Codes of conditions, shape (B, M), or None where there are none."""
        return self.conditions(label, numbers) if self.conditions.names else None

    def true_rows(
        self,
        network: nn.Module,
        z: Tensor,
        steps: Tensor,
        mask: Tensor,
        times: Tensor | None,
        level: Tensor,
        condition: Tensor | None,
    ) -> Tensor:
        """Rows by a network, brought to a brightness level, before they are measured: (B, L, 3F).

        Args:
            network: The generator, or its average.
            z: Latent numbers of objects, of which the level takes the first, shape (B, Z).
            steps: Noise of steps, shape (B, L, N).
            mask: Where there are observations, shape (B, L, F).
            times: Codes of given times, NaN where the network makes them, shape (B, L, F).
            level: Brightness levels, shape (B,).
            condition: Codes of conditions, shape (B, M).
        """
        if not self.config["impose_level"]:
            return network(z, steps, mask, self.encoding, times, condition)
        z = torch.cat([level[:, None], z[:, 1:]], dim=1)
        x = network(z, steps, mask, self.encoding, times, condition)
        return self.encoding.with_level(x, mask, level)

    @torch.no_grad()
    def sample_rows(
        self,
        n: int,
        lengths: Tensor | int | None = None,
        condition: Mapping[str, Any] | None = None,
        cadence: Cadence | None = None,
        seed: Seed = None,
        temperature: float = 1.0,
        noiseless: bool = False,
    ) -> LightCurveRows:
        """As ``sample``, in the rows view and the order in which the network wrote them.

        Raises:
            ConfigError: A condition, lengths or a cadence that do not fit.
        """
        asked = n, lengths, condition, cadence, seed, temperature
        shift = self.config["epoch_shift"]
        usual = self.config["cadence"]
        request = check_request(self.objects, *asked, shift, usual, self.donors)
        sizes = self.generator.n_latent, self.generator.n_step_noise + len(self.bands)
        make = partial(self._generate, noiseless=noiseless)
        where = self.zeropoint, self.device, GROUP
        with self.average.evaluating():
            return sample_objects(request, self.objects, sizes, *where, make)

    def _generate(self, draws: Draws, noiseless: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Phases, fluxes and errors of some objects, by the averaged generator."""
        mask, n_bands = draws.mask, len(self.bands)
        steps, eps = draws.steps.split([self.generator.n_step_noise, n_bands], dim=-1)
        times = None
        if draws.days is not None:
            times = torch.where(mask, self.encoding.time_code(draws.days), 0.0).float()
        level = self.levels.draw(self.conditions, draws.picked, draws.numbers, draws.latent[:, 0])
        condition = self.codes(draws.label, draws.numbers)
        x = self.true_rows(self.average, draws.latent, steps, mask, times, level, condition)
        if self.config["measurement"]:
            days, true, seen = self.encoding.measured(x, mask, eps)
            flux, flux_err = true if noiseless else seen
        else:
            days, flux, flux_err = self.encoding.columns(x, mask)
        # The network's single precision would move imposed epochs by seconds.
        return days if draws.days is None else draws.days, flux, flux_err
