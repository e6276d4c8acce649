"""Simulated surveys in a folder, in shards of safetensors: made once, trained on often.

A simulation that was interrupted goes on where it was: shards are complete or not there, and
``simulation.json`` says what the folder holds, so that no other simulation goes on in it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from sntorch.atomic import atomic_write
from sntorch.errors import ConfigError, DataError
from sntorch.sbi.simulated import StorableSimulator, n_ranks, own_batches
from sntorch.sbi.summary import SummaryData

LOG = logging.getLogger(__name__)
# A word of progress after so many seconds.
QUIET = 10.0
FACTS = "simulation.json"
SHARD = "shard_{:05d}.safetensors"


def store(
    simulator: StorableSimulator, folder: str | Path, n: int, shard_size: int = 10_000
) -> Path:
    """Simulate surveys into a folder, or what is missing of them.

    Args:
        simulator: What makes them.
        folder: New, or of the same simulation.
        n: Number of surveys that are there afterwards, at least; more than before may be asked
            for in the same folder.
        shard_size: Surveys in a file; of a folder that there is, its own.

    Returns:
        The folder.

    Raises:
        DataError: The folder holds another simulation.
        ConfigError: No surveys.
    """
    from safetensors.torch import save_file

    if n < 1 or shard_size < 1:
        raise ConfigError(f"n={n}, shard_size={shard_size}: 1 or more is accepted")
    folder = Path(folder)
    shard_size = _opened(folder, simulator, shard_size)
    begun = time.monotonic()
    for number, first in enumerate(range(0, n, shard_size)):
        count = min(shard_size, n - first)
        path = folder / SHARD.format(number)
        if path.is_file() and _length(path) >= count:
            continue
        theta, data = simulator(first, count)
        tensors = {f.name: getattr(data, f.name).contiguous() for f in fields(data)}
        with atomic_write(path) as draft:
            save_file({"theta": theta, **tensors}, draft)
        if time.monotonic() - begun > QUIET:
            begun = time.monotonic()
            LOG.info("%s: %d of %d surveys simulated", folder, first + count, n)
    return folder


def check_stored(folder: str | Path, simulator: StorableSimulator) -> None:
    """Refuse a folder with surveys of another simulation than a simulator's, its seed aside.

    Raises:
        DataError: Of another one, or of one that is not known.
    """
    _compare(Path(folder), simulator, {"seed"})


def count_stored(folder: str | Path) -> int:
    """Surveys in a folder; 0 where there is none."""
    return sum(_length(path) for path in Path(folder).glob(SHARD.replace("{:05d}", "*")))


class StoredSurveys(IterableDataset):
    """Whole batches of the surveys in a folder, in a new order each epoch.

    Shards are mapped into memory one after another in random order, and shuffled within.

    Args:
        folder: As ``store`` wrote it.
        batch_size: Surveys in a batch; what is left of a shard makes a smaller one.
        seed: Of the order.
        data_type: Dataclass of what is stored.

    Attributes:
        epoch: Each has an order of its own.

    Raises:
        DataError: Nothing stored there.
    """

    def __init__(
        self,
        folder: str | Path,
        batch_size: int,
        seed: int = 0,
        data_type: type = SummaryData,
    ) -> None:
        self.paths = sorted(Path(folder).glob(SHARD.replace("{:05d}", "*")))
        if not self.paths:
            raise DataError(f"{folder}: no surveys there; shard_00000.safetensors is looked for")
        self.lengths = [_length(path) for path in self.paths]
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        self.data_type = data_type

    def __len__(self) -> int:
        return self._n_batches // n_ranks()

    @property
    def _n_batches(self) -> int:
        return sum(-(-length // self.batch_size) for length in self.lengths)

    def some(self, n: int) -> Any:
        """At most ``n`` surveys of the first file."""
        return _read(self.paths[0], self.data_type)[1].take(torch.arange(min(n, self.lengths[0])))

    def __iter__(self) -> Iterator[tuple[Tensor, Any]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        own, number = set(own_batches(self._n_batches)), 0
        for shard in rng.permutation(len(self.paths)):
            order = torch.from_numpy(rng.permutation(self.lengths[shard]))
            theta, data = _read(self.paths[shard], self.data_type)
            for index in order.split(self.batch_size):
                if number in own:
                    yield theta[index], data.take(index)
                number += 1


def _read(path: Path, data_type: type) -> tuple[Tensor, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
        return tensors.pop("theta"), data_type(**tensors)
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise DataError(f"{path}: damaged, or no surveys ({type(error).__name__})") from error


def _length(path: Path) -> int:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return file.get_slice("theta").get_shape()[0]
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: damaged, or no surveys ({type(error).__name__})") from error


def _settings(simulator: StorableSimulator) -> dict[str, Any]:
    """What tells simulations apart, as JSON gives it back."""
    facts = {"kind": type(simulator).__name__, "prior": simulator.prior.settings()}
    return json.loads(json.dumps({**facts, "seed": simulator.seed, **simulator.facts()}))


def _opened(folder: Path, simulator: StorableSimulator, shard_size: int) -> int:
    """Surveys in a file of a folder: write what it holds, or refuse one that holds others."""
    path = folder / FACTS
    if not path.is_file():
        facts = {"simulator": _settings(simulator), "shard_size": shard_size}
        with atomic_write(path) as draft:
            draft.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        return shard_size
    _compare(folder, simulator, set())
    return int(_read_facts(path)["shard_size"])


def _compare(folder: Path, simulator: StorableSimulator, aside: set[str]) -> None:
    """Refuse a folder of another simulation, some settings aside, and say which is different."""
    found, wanted = _read_facts(folder / FACTS).get("simulator"), _settings(simulator)
    if not isinstance(found, dict):
        raise DataError(f"{folder}: {FACTS} does not say of which simulation the surveys are")
    other = [k for k in wanted if k not in aside and found.get(k) != wanted[k]]
    if other:
        key = other[0]
        raise DataError(
            f"{folder}: holds another simulation, with {key}={found.get(key)}; data.simulator has "
            f"{key}={wanted[key]}: name another data.folder, or take what the folder holds"
        )


def _read_facts(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing; a folder that store wrote is accepted") from error
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: damaged ({error})") from error
