"""What drawing from every generator has in common: options, seeds, chunks of one size."""

from __future__ import annotations

import operator
from collections.abc import Iterator

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.generative.base import Cadence, Seed

# Groups that are drawn together, and sorted by length among each other.
GROUPS = 4


def check_options(n: int, lengths: Tensor | int | None, cadence: Cadence | None) -> None:
    """Refuse what no generator can give.

    Raises:
        ConfigError: No objects, an unknown cadence, or lengths beside a cadence.
    """
    if n < 1:
        raise ConfigError(f"n={n}: at least one light curve must be asked for")
    if isinstance(cadence, str) and cadence not in ("generated", "resampled"):
        raise ConfigError(
            f"cadence {cadence!r}: generated, resampled or light curves are accepted"
        )
    if cadence not in (None, "generated") and lengths is not None:
        raise ConfigError("lengths and a cadence were both given: a cadence has its own lengths")


def seed_of(seed: Seed) -> int:
    """The seed that a user gave, one drawn from the generator given instead, or a new one.

    Raises:
        ConfigError: Something else.
    """
    if isinstance(seed, torch.Generator) or seed is None:
        device = "cpu" if seed is None else seed.device
        return int(torch.randint(2**31, (), generator=seed, device=device))
    try:
        return operator.index(seed)
    except TypeError:
        raise ConfigError(
            f"seed {seed!r}: a whole number, a torch.Generator or none is accepted"
        ) from None


def chunks(n: int, size: int) -> Iterator[tuple[Tensor, int]]:
    """Indices of objects in chunks of one size, and how many of each chunk are asked for.

    The last chunk goes on with objects that nobody asked for: a matrix product may round
    differently in another size, or beside other objects.
    """
    for start in range(0, n, size):
        yield torch.arange(start, start + size), min(size, n - start)


def groups(mask: Tensor, size: int) -> Iterator[Tensor]:
    """Indices of objects of about one length, which need little padding beside each other.

    Args:
        mask: True where there is an observation, shape (B, L, F).
        size: Objects in a group on a CPU, whose cache should hold a layer's output; elsewhere all
            objects are one group.
    """
    length, number = mask.sum(1).amax(-1), mask.sum((1, 2))
    order = (length * (number.amax() + 1) + number).argsort(stable=True)
    yield from order.split(size if mask.device.type == "cpu" else len(order))
