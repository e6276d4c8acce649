"""Objects for a DataLoader: whole batches by index, in an order that a seed and an epoch fix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import distributed
from torch.utils.data import Dataset
from torch.utils.data.distributed import DistributedSampler

from sntorch.data.batch import LightCurveBatch
from sntorch.data.transforms import Transform


class BatchDataset(Dataset[Any]):
    """All objects of one ``LightCurveBatch``, served as smaller batches.

    Args:
        batch: The objects.
        transform: Applied to every batch that is served (augmentation); default: none.
    """

    def __init__(self, batch: LightCurveBatch, transform: Transform | None = None) -> None:
        self.batch = batch
        self.transform = transform

    def __len__(self) -> int:
        return len(self.batch)

    def __getitem__(self, index: int | Sequence[int]) -> LightCurveBatch:
        """The chosen objects; padding that none of them needs is dropped."""
        chosen = [index] if isinstance(index, int) else list(index)
        picked = self.batch[chosen].trim()
        return self.transform(picked) if self.transform else picked


class EpochSampler(DistributedSampler[list[int]]):
    """Lists of indices for one epoch; the same (seed, epoch) gives the same lists on any machine.

    Lightning calls ``set_epoch``, so a resumed run goes through the data as an uninterrupted one.
    Where several processes train together, each takes its share of one common order: as many
    objects as the others, a few of them twice where the number does not divide. Being a
    ``DistributedSampler`` in name, it is not wrapped into another one by Lightning.

    Args:
        n_objects: Number of objects.
        batch_size: Objects a batch; the last batch of an epoch may be smaller unless
            ``drop_last``.
        seed: Seed of the order.
        shuffle: Whether to shuffle at all.
        drop_last: Whether to leave out an incomplete last batch (kept if it is the only one).
        weights: Draw with replacement with these weights, shape (n_objects,): class balancing.
        shared: Whether processes divide the objects; otherwise each goes through all of them.
        lengths: Observations of each object, shape (n_objects,): where they are given, objects
            of similar length go into one batch, which saves padding.
    """

    # Batches among which objects are sorted by length: few enough that order stays random.
    POOL = 8

    def __init__(
        self,
        n_objects: int,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
        weights: np.ndarray | None = None,
        shared: bool = True,
        lengths: np.ndarray | None = None,
    ) -> None:
        self.n_objects = n_objects
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.weights = None if weights is None else np.asarray(weights, float) / np.sum(weights)
        self.shared = shared
        self.lengths = None if lengths is None else np.asarray(lengths)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        n = self._share()
        whole = n // self.batch_size
        return whole if n % self.batch_size == 0 or (self.drop_last and whole) else whole + 1

    def __iter__(self) -> Iterator[list[int]]:
        rank, n_ranks = self._place()
        # Every process makes as many steps as the others, or the last would wait for ever.
        order = np.resize(self._order(), self._share() * n_ranks)[rank::n_ranks]
        starts = [i * self.batch_size for i in range(len(self))]
        if self.lengths is not None:
            order, starts = self._by_length(order, self.lengths, starts)
        for start in starts:
            yield order[start : start + self.batch_size].tolist()

    def _by_length(
        self, order: np.ndarray, lengths: np.ndarray, starts: list[int]
    ) -> tuple[np.ndarray, list[int]]:
        """Objects sorted by length within pools of batches, and the batches in another order."""
        pool = self.POOL * self.batch_size
        pieces = [order[i : i + pool] for i in range(0, len(order), pool)]
        ordered = np.concatenate([piece[np.argsort(lengths[piece])] for piece in pieces])
        if self.shuffle or self.weights is not None:
            starts = np.random.default_rng([self.seed, self.epoch, 1]).permutation(starts).tolist()
        return ordered, starts

    def _place(self) -> tuple[int, int]:
        """Number of this process, and how many share the objects."""
        if self.shared and distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
        return 0, 1

    def _share(self) -> int:
        return -(-self.n_objects // self._place()[1])

    def _order(self) -> np.ndarray:
        rng = np.random.default_rng([self.seed, self.epoch])
        if self.weights is not None:
            return rng.choice(self.n_objects, self.n_objects, p=self.weights)
        return rng.permutation(self.n_objects) if self.shuffle else np.arange(self.n_objects)


def balanced_weights(label: torch.Tensor) -> np.ndarray:
    """Weights that give every class of ``label`` (B,) the same total."""
    classes, inverse, counts = torch.unique(label, return_inverse=True, return_counts=True)
    return (1.0 / counts.double()[inverse] / len(classes)).numpy()
