"""Random numbers that do not depend on how the work is cut into pieces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import Tensor

WORD = 2**63


def mix(*words: int) -> int:
    """A seed from several integers: SplitMix64's finaliser (Steele et al. 2014) over each."""
    state = 0x9E3779B97F4A7C15
    for word in words:
        state = (state ^ word) & (2**64 - 1)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            state = ((state ^ (state >> shift)) * factor + 0x9E3779B97F4A7C15) & (2**64 - 1)
        state ^= state >> 31
    return state % WORD


@contextmanager
def seeded(device: torch.device, *words: int) -> Iterator[None]:
    """Draw from a stream that the integers name, and leave the global stream as it was."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(mix(*words))
        yield


def object_noise(
    seed: int, index: int, n_latent: int, n_steps: int, n_step_noise: int
) -> tuple[Tensor, Tensor]:
    """The draws of one object: latent noise (Z,) and step noise (L, E).

    Object ``index`` of ``seed`` always gets the same numbers, whatever is drawn beside it.
    """
    generator = torch.Generator().manual_seed(mix(seed, index))
    latent = torch.randn(n_latent, generator=generator)
    return latent, torch.randn(n_steps, n_step_noise, generator=generator)


def balanced(seed: int, index: int, n: int) -> int:
    """A draw from 0 … n - 1 for object ``index``, such that each n objects in a row draw all.

    The balanced bootstrap (Davison, Hinkley & Schechtman 1986): as random as drawing with
    replacement for one object, less scattered for a sample.
    """
    block, place = divmod(index, n)
    return _order(seed, block, n)[place]


@lru_cache(maxsize=8)
def _order(seed: int, block: int, n: int) -> list[int]:
    generator = torch.Generator().manual_seed(mix(seed, block, n))
    return torch.randperm(n, generator=generator).tolist()
