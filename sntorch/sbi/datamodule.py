"""Simulated surveys for a Lightning trainer: fresh ones, or those of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from torch import Tensor
from torch.utils.data import DataLoader

from sntorch.errors import ConfigError
from sntorch.sbi.simulated import FRESH, HELD_OUT, SimulatedSurveys, Simulator
from sntorch.sbi.stored import StoredSurveys, check_stored, count_stored, store

N_EXAMPLES = 512
# Surveys in a file, which are lost where the simulation is interrupted.
SHARD_SIZE = 500


class SurveyDataModule(L.LightningDataModule):
    """Pairs (θ, x) in whole batches.

    Args:
        simulator: What makes them.
        batch_size: Surveys in a training batch.
        n_batches: Batches in an epoch; surveys of a folder are gone through once an epoch.
        n_validation: Surveys held out; always fresh ones.
        folder: Of stored surveys, see ``stored.py``; without one all surveys are fresh.
        n_stored: Surveys that the folder is to hold at least: where there are fewer, those that
            are missing are simulated first. All that are there are trained on.
        num_workers: Processes that simulate while the network trains.

    Raises:
        ConfigError: No batch, or no survey in one, or a folder for another kind of surveys.
    """

    def __init__(
        self,
        simulator: Simulator,
        batch_size: int = 128,
        n_batches: int = 100,
        n_validation: int = 1024,
        folder: str | Path | None = None,
        n_stored: int | None = None,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (("batch_size", batch_size), ("n_batches", n_batches)):
            if value < 1:
                raise ConfigError(f"data.{name}={value}: 1 or more is accepted")
        if folder is not None and not hasattr(simulator, "data_type"):
            raise ConfigError(
                f"data.folder={folder}: surveys of summarised supernovae are stored; of "
                f"{type(simulator).__name__} fresh ones are accepted (data.folder=null)"
            )
        # Of surveys that can be stored, where there is a folder.
        self.simulator: Any = simulator
        self.batch_size, self.n_batches = batch_size, n_batches
        self.n_validation, self.folder, self.num_workers = n_validation, folder, num_workers
        self.n_stored = n_stored
        self._held_out: list[tuple[Tensor, Any]] = []

    def prepare_data(self) -> None:
        """Simulate what the folder lacks, by one process of several.

        Raises:
            DataError: The folder holds another simulation.
        """
        if self.folder is None or self.n_stored is None:
            return
        if count_stored(self.folder) < self.n_stored:
            store(self.simulator, self.folder, self.n_stored, SHARD_SIZE)

    def setup(self, stage: str) -> None:
        """Simulate what is held out, and open the folder.

        Raises:
            DataError: No surveys there, or of another simulation.
        """
        if stage != "fit" or self._held_out:
            return
        if self.folder is None:
            self.surveys = SimulatedSurveys(self.simulator, self.batch_size, self.n_batches)
        else:
            self.prepare_data()
            check_stored(self.folder, self.simulator)
            self.surveys = StoredSurveys(
                self.folder, self.batch_size, data_type=self.simulator.data_type
            )
        self._held_out = self._simulated(HELD_OUT, self.n_validation)

    def fresh(self, n: int) -> list[tuple[Tensor, Any]]:
        """Batches of n surveys by which nothing was trained or chosen; the same each time."""
        return self._simulated(FRESH, n)

    def _simulated(self, first: int, n: int) -> list[tuple[Tensor, Any]]:
        begins = range(0, n, self.batch_size)
        return [self.simulator(first + b, min(self.batch_size, n - b)) for b in begins]

    def examples(self) -> Any:
        """A few hundred simulated surveys, by which an embedding sets its scales."""
        surveys = getattr(self, "surveys", None)
        if isinstance(surveys, StoredSurveys):
            return surveys.some(N_EXAMPLES)
        return self.simulator(0, N_EXAMPLES)[1]

    def describe(self) -> str:
        """What is trained on, in a few words."""
        kind = "fresh" if self.folder is None else "stored"
        return f"{len(self.surveys) * self.batch_size} {kind} surveys an epoch"

    def set_epoch(self, epoch: int) -> None:
        """Let the next epoch have surveys, or an order, of its own."""
        self.surveys.epoch = epoch

    def train_dataloader(self) -> DataLoader:
        """Batches of (θ, x)."""
        if self.trainer is not None:
            self.set_epoch(self.trainer.current_epoch)
        return DataLoader(self.surveys, batch_size=None, num_workers=self.num_workers)

    def val_dataloader(self) -> DataLoader:
        """Batches that are held out."""
        return DataLoader(self._held_out, batch_size=None)  # pyright: ignore[reportArgumentType]
