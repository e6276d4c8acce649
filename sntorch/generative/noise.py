"""Random numbers that do not depend on how the work is cut into pieces."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache

import torch
from torch import Tensor

from sntorch.nn.seeded import seeded as stream

WORD = 2**63
# Objects that share a stream of random numbers; they are also computed together.
BLOCK = 128


def mix(*words: int) -> int:
    """A seed from several integers: SplitMix64's finaliser (Steele et al. 2014) over each."""
    state = 0x9E3779B97F4A7C15
    for word in words:
        state = (state ^ word) & (2**64 - 1)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            state = ((state ^ (state >> shift)) * factor + 0x9E3779B97F4A7C15) & (2**64 - 1)
        state ^= state >> 31
    return state % WORD


def seeded(device: torch.device, *words: int) -> AbstractContextManager[None]:
    """Draw from a stream that the integers name, and leave the global stream as it was."""
    return stream(device, mix(*words))


def object_noise(
    seed: int, index: Tensor, n_latent: int, n_steps: int, n_step_noise: int
) -> tuple[Tensor, Tensor]:
    """The draws of some objects: latent noise (B, Z) and step noise (B, L, E).

    Object i of ``seed`` always gets the same numbers, whatever is drawn beside it; with more steps
    it gets more.

    Args:
        seed: Seed of the draws.
        index: Which objects, shape (B,).
        n_latent: Latent numbers an object Z.
        n_steps: Steps L.
        n_step_noise: Noise numbers a step E.
    """
    blocks, member = (index // BLOCK).unique(return_inverse=True)
    drawn = [_block(seed, int(block), n_latent, n_steps, n_step_noise) for block in blocks]
    latent, steps = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    place = index % BLOCK
    return latent[member, place], steps[member, :, place]


def _block(
    seed: int, block: int, n_latent: int, n_steps: int, n_step_noise: int
) -> tuple[Tensor, Tensor]:
    """Noise of all objects of a block, shapes (BLOCK, Z) and (L, BLOCK, E), from one stream.

    Streams of single objects would take longer than the network. Steps come first in the second
    shape, so that a longer draw begins with a shorter one.
    """
    generator = torch.Generator().manual_seed(mix(seed, block))
    latent = torch.randn(BLOCK, n_latent, generator=generator)
    return latent, torch.randn(n_steps, BLOCK, n_step_noise, generator=generator)


def object_uniforms(seed: int, index: Tensor, n: int) -> Tensor:
    """Uniform numbers of some objects, shape (B, n), which depend on nothing else, as above."""
    blocks, member = (index // BLOCK).unique(return_inverse=True)
    streams = (torch.Generator().manual_seed(mix(seed, block)) for block in blocks.tolist())
    drawn = [torch.rand(BLOCK, n, generator=stream, dtype=torch.float64) for stream in streams]
    return torch.stack(drawn)[member, index % BLOCK]


def balanced(seed: int, index: Tensor, n: int) -> Tensor:
    """Draws from 0 … n - 1 for objects ``index`` (B,), such that each n in a row draw all.

    The balanced bootstrap (Davison, Hinkley & Schechtman 1986): as random as drawing with
    replacement for one object, less scattered for a sample.
    """
    rounds, member = (index // n).unique(return_inverse=True)
    orders = torch.stack([_order(seed, int(turn), n) for turn in rounds])
    return orders[member, index % n]


@lru_cache(maxsize=8)
def _order(seed: int, turn: int, n: int) -> Tensor:
    generator = torch.Generator().manual_seed(mix(seed, turn, n))
    return torch.randperm(n, generator=generator)
