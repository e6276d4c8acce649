"""Collects weights for SWAG while a classifier trains."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from sntorch.errors import ConfigError


class CollectSwag(Callback):
    """After each epoch of the last part of a training, the weights go into ``module.swag``.

    What is collected is kept with the module, in checkpoints too.

    Args:
        rank: Deviations that are kept, see ``sntorch.nn.swag.Swag``.
        start: Share of the epochs after which collecting begins, 0 to below 1.

    Raises:
        ConfigError: Another start.
    """

    def __init__(self, rank: int = 20, start: float = 0.5) -> None:
        if not 0 <= start < 1:
            raise ConfigError(f"start={start}: a share of 0 to below 1 is accepted")
        self.rank = rank
        self.start = start

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Make room for the moments, unless a resumed run brought some.

        Raises:
            ConfigError: A module that cannot keep them, or a training without a number of epochs.
        """
        module: Any = pl_module
        if not hasattr(module, "keep_swag"):
            raise ConfigError(
                f"{type(module).__name__} does not keep weights for SWAG; a classifier does"
            )
        if trainer.max_epochs is None or trainer.max_epochs < 1:
            raise ConfigError("SWAG begins after a share of the epochs: set trainer.max_epochs")
        module.keep_swag(self.rank)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Collect after the last batch of an epoch, when it is time."""
        module: Any = pl_module
        # Not at the epoch's end, where another callback may already have saved the checkpoint.
        late = trainer.current_epoch >= self.start * (trainer.max_epochs or 0)
        if late and trainer.is_last_batch:
            module.swag.collect(module.network)
