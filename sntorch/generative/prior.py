"""What is drawn for a whole object before its photometry: observations, epochs, brightness.

Numbers of observations in different bands go together, and faint objects have fewer, so all of
this is drawn jointly: a training object is picked, its numbers of observations are taken, and its
brightness is moved by a random amount (a smoothed bootstrap, Silverman & Young 1987), so that no
level is repeated. The brightness level of an object is the mean of its encoded values; a generator
makes the light curve around it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sntorch.errors import ConfigError, DataError


class ObjectPrior(nn.Module):
    """The joint distribution of observations per band, epochs and brightness in a training set.

    Args:
        counts: Observations of each training object and band, shape (N, F).
        times: Encoded times of the training objects, shape (N, L, F), for drawing whole cadences.
        levels: Brightness levels of the training objects, shape (N,).
    """

    counts: Tensor
    times: Tensor
    levels: Tensor

    def __init__(self, counts: Tensor, times: Tensor, levels: Tensor) -> None:
        super().__init__()
        counts = counts.long()
        seen = counts.sum(-1) > 0
        if not bool(seen.any()):
            raise DataError(
                "no object has an observation: numbers of observations cannot be learned"
            )
        self.register_buffer("counts", counts[seen])
        self.register_buffer("times", times[seen])
        self.register_buffer("levels", levels[seen])

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def longest(self) -> int:
        """The largest number of observations in one band."""
        return int(self.counts.max())

    def smooth(self, levels: Tensor, noise: Tensor) -> Tensor:
        """Levels moved by standard normal ``noise`` without widening their distribution, same
        shape.

        The kernel's width shrinks with the cube root of the number of objects, which suits a
        distribution function (it estimates that rather than a density).
        """
        known = self.levels.to(levels.device)
        mean, spread = known.mean(), known.std(correction=0)
        width = len(self) ** (-1 / 3)
        return mean + (levels - mean + width * spread * noise) / (1 + width**2) ** 0.5

    def resolve(self, lengths: Tensor | int, n: int) -> Tensor:
        """What a user asked for as counts of shape (n, F); see ``asked_counts``."""
        return asked_counts(lengths, n, self.counts.shape[1])


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
