"""What the training of generators shares: noise, empty batches, held-out objects."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch, concatenate
from sntorch.generative.evaluate.quick import quick_metrics
from sntorch.generative.noise import mix

FEW_OBJECTS = 30
AUGMENT_BELOW = 150


class ComparedWithHeldOut:
    """For a LightningModule that is a ``GenerativeModel``: scores of its samples as ``val/…``.

    The module has ``config`` with ``seed`` and ``n_validation``, and counts its ``iterations``.
    """

    config: dict[str, Any]
    iterations: Tensor
    sample: Any
    log_dict: Any

    def keep_held_out(self, batch: LightCurveBatch) -> None:
        """Keep held-out objects; they are compared when all are there."""
        self.__dict__.setdefault("_held_out", []).append(batch.to("cpu"))

    def on_validation_epoch_end(self) -> None:
        """Compare fresh samples with the held-out objects."""
        held_out = self.__dict__.pop("_held_out", [])
        if not held_out:
            return
        seed = mix(self.config["seed"], int(self.iterations))
        drawn = self.sample(self.config["n_validation"], seed=seed)
        real = concatenate(held_out)
        scores = {f"val/{k}": v for k, v in quick_metrics(drawn.to("cpu"), real).items()}
        self.log_dict(scores, batch_size=len(real), sync_dist=True)


def warn_of_few(batch: LightCurveBatch) -> None:
    """Say when there are too few training objects."""
    if len(batch) < FEW_OBJECTS:
        warnings.warn(
            f"training on {len(batch)} objects: fewer than {FEW_OBJECTS} are rarely enough; "
            "compare with the training set itself (`sntorch evaluate task=generator`)",
            stacklevel=3,
        )


def noise_words(module: Any) -> tuple[int, ...]:
    """What names the noise of a training step; the first rank's is that of a single process."""
    rank = (module.global_rank,) if module.global_rank else ()
    return module.config["seed"], int(module.iterations), *rank


def empty_on_any_rank(module: Any, size: int) -> bool:
    """Whether to skip a step; all ranks at once, for they wait for each other's gradients."""
    if module.trainer.world_size == 1:
        return not size
    smallest = torch.tensor(size, device=module.device)
    return not int(module.trainer.strategy.reduce(smallest, reduce_op="min"))
