"""Numbers of observations per band: what is asked for, and their masks."""

from __future__ import annotations

import torch
from torch import Tensor

from sntorch.errors import ConfigError


def asked_counts(lengths: Tensor | int, n: int, n_bands: int) -> Tensor:
    """The numbers of observations that a user asked for, as counts of shape (n, F).

    Args:
        lengths: An integer holds for every object and band; otherwise integers of shape (n,),
            (F,) or (n, F). Where n equals F, one axis is taken for the bands.
        n: Number of objects.
        n_bands: Number of bands F.

    Raises:
        ConfigError: A shape that does not fit, negative numbers, or an object without
            observations.
    """
    asked = torch.as_tensor(lengths).cpu().long()
    if asked.shape == (n,) and n != n_bands:
        asked = asked[:, None]
    try:
        asked = asked.expand(n, n_bands)
    except RuntimeError:
        raise ConfigError(
            f"lengths of shape {tuple(asked.shape)}: one number, ({n},), ({n_bands},) or "
            f"({n}, {n_bands}) is accepted"
        ) from None
    if bool((asked < 0).any()) or bool((asked.sum(-1) == 0).any()):
        raise ConfigError(
            "lengths: every object needs at least one observation, and no number is negative"
        )
    return asked


def mask_from_counts(counts: Tensor, n_steps: int | None = None) -> Tensor:
    """True in steps 0 … N - 1 of each band: shape (B, L, F) for ``counts`` (B, F)."""
    steps = int(counts.max()) if n_steps is None else n_steps
    return torch.arange(steps, device=counts.device)[:, None] < counts[:, None, :]
