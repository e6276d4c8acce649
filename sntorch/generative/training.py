"""What generators that are trained share: set-up, held-out objects, sampling, checkpoints."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import lightning as L
import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch, concatenate
from sntorch.data.rows import LightCurveRows
from sntorch.errors import CheckpointError, ConfigError
from sntorch.generative.base import Cadence, GenerativeModel
from sntorch.generative.checkpoints import KEY, load_model
from sntorch.generative.evaluate.quick import quick_metrics
from sntorch.generative.noise import mix

FEW_OBJECTS = 30
AUGMENT_BELOW = 150
# Logging every step would cost as much as a small network.
LOG_EVERY = 20


class TrainedGenerator(L.LightningModule, GenerativeModel):
    """A generator that Lightning trains, with optimisation by hand.

    A subclass fits what precedes the networks (``fit_encoding``), makes a training step, draws
    rows (``sample_rows``), and says what rebuilds it (``_description``, ``_rebuild``). Its
    ``config`` holds the settings, ``seed`` and ``n_validation`` among them.
    """

    config: dict[str, Any]
    iterations: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.register_buffer("iterations", torch.zeros((), dtype=torch.int64))
        self.bands: tuple[str, ...] = ()
        self._held_out: list[LightCurveBatch] = []

    def setup(self, stage: str) -> None:
        """Fit the encoding on the data module's training objects, unless that has been done."""
        if not self.bands and stage == "fit":
            data: Any = self.trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
            self.fit_encoding(data.train_batch())

    @abstractmethod
    def fit_encoding(self, batch: LightCurveBatch) -> None:
        """Fit all that precedes the networks on all training objects, and build the networks."""

    def noise_words(self) -> tuple[int, ...]:
        """What names the noise of a training step; the first rank's is that of one process."""
        rank = (self.global_rank,) if self.global_rank else ()
        return self.config["seed"], int(self.iterations), *rank

    def empty_on_any_rank(self, size: int) -> bool:
        """Whether to skip a step; all ranks at once, for they wait for each other's gradients."""
        if self.trainer.world_size == 1:
            return not size
        smallest = torch.tensor(size, device=self.device)
        return not int(self.trainer.strategy.reduce(smallest, reduce_op="min"))

    def check_losses(self, losses: Mapping[str, Tensor]) -> None:
        """Stop a training whose losses are no numbers.

        Raises:
            ConfigError: One of them.
        """
        if not all(bool(loss.isfinite()) for loss in losses.values()):
            raise ConfigError(
                f"training diverged after {int(self.iterations)} iterations (a loss is not "
                f"finite); lower model.learning_rate, now {self.config['learning_rate']}"
            )

    def keep_held_out(self, batch: LightCurveBatch) -> None:
        """Keep held-out objects; they are compared when all are there."""
        self._held_out.append(batch.to("cpu"))

    def on_validation_epoch_end(self) -> None:
        """Compare fresh samples with the held-out objects: scores as ``val/…``."""
        held_out, self._held_out = self._held_out, []
        if not held_out:
            return
        seed = mix(self.config["seed"], int(self.iterations))
        drawn = self.sample(self.config["n_validation"], seed=seed)
        real = concatenate(held_out)
        scores = {f"val/{k}": v for k, v in quick_metrics(drawn.to("cpu"), real).items()}
        self.log_dict(scores, batch_size=len(real), sync_dist=True)

    # ---------------------------------------------------------------- sampling

    def sample(
        self,
        n: int,
        lengths: Tensor | int | None = None,
        condition: Mapping[str, Any] | None = None,
        cadence: Cadence | None = None,
        seed: int | None = None,
        temperature: float = 1.0,
    ) -> LightCurveBatch:
        """Draw ``n`` light curves; see ``GenerativeModel.sample`` and ``sample_rows``."""
        return self.sample_rows(n, lengths, condition, cadence, seed, temperature).to_batch()

    @abstractmethod
    def sample_rows(
        self,
        n: int,
        lengths: Tensor | int | None = None,
        condition: Mapping[str, Any] | None = None,
        cadence: Cadence | None = None,
        seed: int | None = None,
        temperature: float = 1.0,
    ) -> LightCurveRows:
        """As ``sample``, in the rows view."""

    def check_trained(self) -> None:
        """Refuse what an untrained model cannot do.

        Raises:
            ConfigError: It has not been trained.
        """
        if not self.bands:
            raise ConfigError("this generator has not been trained: fit it or load a checkpoint")

    # -------------------------------------------------------------- checkpoints

    @abstractmethod
    def _description(self) -> dict[str, Any]:
        """What is needed beside settings and tensors to rebuild the model, its name among it."""

    @abstractmethod
    def _rebuild(self, found: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        """Everything in the sizes of saved tensors, from a description."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to rebuild the networks."""
        checkpoint[KEY] = self._description()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Rebuild everything in the sizes of the checkpoint."""
        found = checkpoint.get(KEY, {})
        if found.get("model") != type(self).__name__:
            holds = found.get("model", "no sntorch generator")
            raise CheckpointError(f"the checkpoint holds {holds}, not {type(self).__name__}")
        self._rebuild(found, checkpoint["state_dict"])

    @classmethod
    def from_checkpoint(cls, path: str | Path, map_location: str = "cpu") -> Self:
        """A trained model from a checkpoint file, ready to sample.

        Raises:
            CheckpointError: The file is damaged, missing, or belongs to another model.
        """
        return load_model(cls, path, map_location)


def warn_of_few(batch: LightCurveBatch) -> None:
    """Say when there are too few training objects."""
    if len(batch) < FEW_OBJECTS:
        warnings.warn(
            f"training on {len(batch)} objects: fewer than {FEW_OBJECTS} are rarely enough; "
            "compare with the training set itself (`sntorch evaluate task=generator`)",
            stacklevel=3,
        )
