"""What learnt likelihoods of one kept supernova share: a spline flow, its scales, its training.

Letters in shapes: ``M`` supernovae, ``F`` conditions, ``V`` values that are measured.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import torch
import zuko
from torch import Tensor

from sntorch.inference.one_pass import fit_one_pass
from sntorch.saved import SavedModule


class KeptDensity(SavedModule, ABC):
    """p(data | conditions) of kept supernovae by a neural spline flow (Durkan et al. 2019).

    A subclass says what the values and the conditions of a supernova are. It is trained on batches
    of supernovae, tuples of tensors.

    Args:
        n_values: V.
        n_conditions: F.
        transforms: Number of spline transforms.
        hidden: Width of the two hidden layers of each.
        bins: Number of bins of each spline.
        learning_rate: Largest of a one-cycle schedule.
        steps: Length of the schedule, in batches.
    """

    KIND = "estimator"
    centre: Tensor
    scale: Tensor

    def __init__(
        self,
        n_values: int,
        n_conditions: int,
        transforms: int,
        hidden: int,
        bins: int,
        learning_rate: float,
        steps: int,
    ) -> None:
        super().__init__()
        self.learning_rate, self.steps, self.n_conditions = learning_rate, steps, n_conditions
        self.network = {
            "transforms": int(transforms),
            "hidden": int(hidden),
            "bins": int(bins),
            "learning_rate": float(learning_rate),
            "steps": int(steps),
        }
        self.flow = zuko.flows.NSF(
            n_values,
            n_conditions,
            bins=bins,
            transforms=transforms,
            hidden_features=[hidden, hidden],
        )
        total = n_conditions + n_values
        self.register_buffer("centre", torch.zeros(total, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(total, dtype=torch.float64))

    @abstractmethod
    def columns(self, *supernovae: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the flow sees of supernovae.

        Returns:
            Conditions, shape (..., F); values, shape (..., V); ln of the volume of the values for
            that of what was measured, |d values / d data|, which broadcasts with shape (...).
        """

    def standardise(self, batch: tuple[Tensor, ...]) -> None:
        """Take centre and scale of conditions and values from supernovae."""
        columns = torch.cat(self.columns(*batch)[:2], -1)
        self.centre.copy_(columns.mean(0))
        spread = columns.std(0)
        self.scale.copy_(torch.where(spread > 0, spread, 1.0))

    def log_prob(self, *supernovae: Tensor) -> Tensor:
        """ln p of what was measured, shape (...), of supernovae that broadcast: a density."""
        conditions, values, log_volume = self.columns(*supernovae)
        n = self.n_conditions
        conditions = (conditions - self.centre[:n]) / self.scale[:n]
        standard = (values - self.centre[n:]) / self.scale[n:]
        found = self.flow(conditions.float()).log_prob(standard.float())
        return found.to(values) - self.scale[n:].log().sum() + log_volume

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        """Mean negative ln p."""
        loss = -self.log_prob(*batch).mean()
        self.log("train/loss", loss)
        return loss

    @classmethod
    def fitted(
        cls,
        seed: int,
        scaling: Any,
        batches: Callable[[int], Any],
        progress: Callable[[float], None] | None = None,
        **arguments: Any,
    ) -> Self:
        """Train one on supernovae simulated as it goes on; ready to be asked.

        Args:
            seed: Of the weights.
            scaling: Gives a batch from which centre and scale are taken.
            batches: Makes so many batches of supernovae.
            progress: Called with the fraction done, now and then.
            arguments: Of the class.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = cls(**arguments)
        module.standardise(next(iter(scaling)))
        steps = module.steps
        return fit_one_pass(module, batches(steps), 1.0, progress, gradients=steps)

    def configure_optimizers(self) -> dict[str, Any]:
        """Adam with a one-cycle learning rate."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.learning_rate, total_steps=self.steps
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
