"""Ends a training that no longer generalises, with the weights of its best epoch."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from sntorch.errors import ConfigError


class BestWeights(Callback):
    """Keeps the weights with the smallest held-out loss, and gives them back at the end.

    For trainings that see the same simulations again and again: a posterior that knows them by
    heart is too narrow.

    Args:
        monitor: Name of the loss.
        patience: The training ends after so many validations without a smaller one.

    Raises:
        ConfigError: A patience below 1.
    """

    def __init__(self, monitor: str = "val/loss", patience: int = 5) -> None:
        if patience < 1:
            raise ConfigError(f"patience={patience}: at least 1 is accepted")
        self.monitor, self.patience = monitor, patience
        self.smallest, self.since = math.inf, 0
        self.weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the weights or count; at the end of the training give the best back.

        Raises:
            ConfigError: Nothing of that name is logged.
        """
        if trainer.sanity_checking:
            return
        if self.monitor not in trainer.callback_metrics:
            known = ", ".join(sorted(trainer.callback_metrics)) or "nothing"
            raise ConfigError(f"monitor={self.monitor}: not logged; there is {known}")
        value = float(trainer.callback_metrics[self.monitor])
        if value < self.smallest:
            self.smallest, self.since = value, 0
            state = pl_module.state_dict()
            self.weights = {name: v.detach().clone() for name, v in state.items()}
        else:
            self.since += 1
        last = trainer.max_epochs is not None and trainer.current_epoch + 1 >= trainer.max_epochs
        if self.since >= self.patience:
            trainer.should_stop = True
        if (last or trainer.should_stop) and self.weights:
            pl_module.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint from which a run is resumed."""
        return {"smallest": self.smallest, "since": self.since, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the checkpoint was."""
        self.smallest, self.since = state_dict["smallest"], state_dict["since"]
        self.weights = state_dict["weights"]
