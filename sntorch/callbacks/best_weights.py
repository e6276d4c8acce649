"""Ends a training that no longer generalises, with the weights of its best epoch."""

from __future__ import annotations

import math
import warnings
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from sntorch.errors import ConfigError, SntorchWarning


class BestWeights(Callback):
    """Keeps the weights with the smallest held-out loss, and gives them back at the end.

    For trainings that see the same simulations again and again: a posterior that knows them by
    heart is too narrow. It stands before the callback that saves, so that the last checkpoint has
    the best weights; the optimiser in it is that of the last epoch, so that a training which has
    ended is not gone on with exactly. One that Ctrl-C stopped is.

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
        self.metrics: dict[str, Tensor] = {}
        self.given_back = False

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Refuse a training of which the end is not that of an epoch.

        Raises:
            ConfigError: It ends after a number of steps.
        """
        if trainer.max_steps != -1:
            raise ConfigError(
                f"trainer.max_steps={trainer.max_steps}: the best weights come back at the end of "
                "an epoch; trainer.max_epochs is accepted"
            )

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the weights, or count.

        Raises:
            ConfigError: Nothing of that name is logged.
        """
        if trainer.sanity_checking:
            return
        found = trainer.callback_metrics
        if self.monitor not in found:
            known = ", ".join(sorted(found)) or "nothing"
            raise ConfigError(f"monitor={self.monitor}: not logged; there is {known}")
        # All ranks decide alike.
        value = float(trainer.strategy.reduce(found[self.monitor], reduce_op="mean"))
        if value < self.smallest:
            self.smallest, self.since = value, 0
            self.weights = _copied(pl_module.state_dict())
            self.metrics = _copied(found)
        else:
            self.since += 1
        if self.since >= self.patience:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Give the best weights back, if this is the end."""
        done = trainer.current_epoch + 1
        last = trainer.max_epochs is not None and done >= trainer.max_epochs > 0
        enough = self.since >= self.patience and done >= (trainer.min_epochs or 0)
        if not (last or enough):
            return
        if not self.weights:
            warnings.warn(
                "nothing was held out or validated: the last weights are kept, not the best",
                SntorchWarning,
                stacklevel=2,
            )
        else:
            pl_module.load_state_dict(self.weights)
            self.given_back = True

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Let the final metrics be those of the weights."""
        if self.given_back:
            trainer.callback_metrics.update(self.metrics)

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint from which a run is resumed."""
        names = ("smallest", "since", "weights", "metrics")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the checkpoint was."""
        for name, value in state_dict.items():
            setattr(self, name, value)


def _copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in tensors.items()}
