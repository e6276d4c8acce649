"""Random numbers that belong to an object, not to a position in a batch.

Every number is a pure function of (seed, object, purpose, counter), so an object comes out the
same whatever the batch size, the number of objects before it or the other draws made for it.

The generator is Philox4x32-10 of Salmon, Moraes, Dror & Shaw (2011, SC'11, "Parallel random
numbers: as easy as 1, 2, 3"): the key is the seed, the counter holds draw, purpose and object.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ROUNDS = 10
MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
WEYL = (0x9E3779B9, 0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)

Words = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]


def philox(counter: Words, key: tuple[int, int]) -> Words:
    """Four 32-bit words (held in uint64) for each counter.

    Args:
        counter: Four arrays of one shape (or that broadcast) with values below 2³².
        key: Two integers below 2³².
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        left, right = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (right >> HALF) ^ c1 ^ np.uint64(k0),
            right & LOW,
            (left >> HALF) ^ c3 ^ np.uint64(k1),
            left & LOW,
        )
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3


@dataclass(frozen=True)
class Streams:
    """One stream of random numbers for each of B objects.

    Attributes:
        seed: Any integer; its lower 64 bits count.
        index: Number of each object, shape (B,), int64, not negative.
        scope: Prefix of every purpose, so that parts of a simulation cannot share a stream.
    """

    seed: int
    index: Tensor
    scope: str = ""

    @classmethod
    def range(cls, seed: int, start: int, stop: int) -> Streams:
        """Streams of the objects start … stop - 1."""
        return cls(seed, torch.arange(start, stop))

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, chosen: Tensor) -> Streams:
        """The streams of the chosen objects."""
        return Streams(self.seed, self.index[chosen], self.scope)

    def within(self, scope: str) -> Streams:
        """The same objects with streams of their own for one part of a simulation."""
        return Streams(self.seed, self.index, f"{self.scope}{scope}/")

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """Uniform numbers in the open interval (0, 1), shape (B, *shape), float64.

        The first dimension of ``shape`` may vary from call to call: the numbers that both calls
        have in common are the same.
        """
        counter = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(1, *shape)
        return self.uniform_at(purpose, np.broadcast_to(counter, (len(self), *shape)))

    def uniform_at(self, purpose: str, counter: NDArray[np.int64] | Tensor) -> Tensor:
        """Uniform numbers at chosen places of each stream.

        Args:
            purpose: Name of the stream.
            counter: Places in the stream, shape (B, …), integers from -2³¹ to 2³¹ - 1.

        Returns:
            Numbers in (0, 1), the shape of ``counter``, float64.
        """
        places = np.asarray(counter).astype(np.uint64) & LOW
        index = self.index.numpy().astype(np.uint64).reshape(-1, *[1] * (places.ndim - 1))
        name = np.uint64(zlib.crc32((self.scope + purpose).encode()))
        key = (self.seed & 0xFFFFFFFF, (self.seed >> 32) & 0xFFFFFFFF)
        high, low, _, _ = philox((places, np.full((), name), index & LOW, index >> HALF), key)
        # 27 + 26 bits fill the mantissa; the half step keeps 0 and 1 out.
        bits = (high >> np.uint64(5)) * np.uint64(1 << 26) + (low >> np.uint64(6))
        return torch.from_numpy((bits.astype(np.float64) + 0.5) * 2.0**-53)

    def normal(self, purpose: str, *shape: int) -> Tensor:
        """Standard normal numbers, shape (B, *shape), float64."""
        return torch.special.ndtri(self.uniform(purpose, *shape))

    def normal_at(self, purpose: str, counter: NDArray[np.int64] | Tensor) -> Tensor:
        """Standard normal numbers at chosen places of each stream, the shape of ``counter``."""
        return torch.special.ndtri(self.uniform_at(purpose, counter))


def pick(u: Tensor, weights: Sequence[float]) -> Tensor:
    """Indices drawn with relative weights from uniform numbers, the shape of ``u``, int64."""
    edges = torch.cumsum(torch.tensor(list(weights), dtype=torch.float64), 0)
    return torch.searchsorted(edges, u * edges[-1], right=True).clamp(max=len(edges) - 1)
