"""In which coordinates a flow moves: brightness level, shape and errors; increments of time.

Most of what distinguishes supernovae of a survey is their distance, one number for all
observations. Noise that is drawn for every observation has next to none of it, and a flow between
the two would do little but learn that all observations move together. Values are therefore split
into the level of the object (the mean of its encoded values) and the shape around it, each scaled
to order one; the noise has both too. The split is linear, so that straight paths stay straight.

Letters in shapes: ``B`` objects, ``T`` tokens, ``L`` steps, ``F`` bands.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sntorch.generative.encoding.magnitudes import LARGEST_CODE, SHORTEST_STEP, moments
from sntorch.nn.rnn import masked_mean

LEVEL, SHAPE, ERROR = range(3)
N_STATE = 3
SMALLEST = 1e-3


class PhotometrySpace(nn.Module):
    """Encoded values and errors as level, shape and errors, three numbers a token."""

    level_moments: Tensor
    shape_scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("level_moments", torch.tensor([0.0, 1.0]))
        self.register_buffer("shape_scale", torch.ones(()))

    def fit(self, value: Tensor, mask: Tensor) -> None:
        """Fit to the encoded values of training objects, shape (B, T)."""
        level, shape = _split(value, mask)
        self.level_moments[0] = level.mean()
        self.level_moments[1] = level.std(correction=0).clamp(min=SMALLEST)
        self.shape_scale.copy_(shape[mask].std(correction=0).clamp(min=SMALLEST))

    def forward(self, value: Tensor, error: Tensor, mask: Tensor) -> Tensor:
        """Level, shape and error of every token, shape (B, T, 3); 0 where masked."""
        level, shape = _split(value, mask)
        level = (level - self.level_moments[0]) / self.level_moments[1]
        parts = [level[:, None].expand_as(shape), shape / self.shape_scale, error]
        return torch.stack(parts, dim=-1) * mask[..., None]

    def inverse(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded values and errors, each (B, T)."""
        level = state[..., LEVEL] * self.level_moments[1] + self.level_moments[0]
        return level + state[..., SHAPE] * self.shape_scale, state[..., ERROR]

    def noise(self, objects: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Where the flow starts, from standard normal numbers (B,) and (B, T, 2)."""
        level = objects[:, None, None].expand(*mask.shape, 1)
        return self.project(torch.cat([level, tokens], dim=-1), mask)

    def project(self, state: Tensor, mask: Tensor) -> Tensor:
        """The nearest state with one level an object and a shape of mean zero, (B, T, 3)."""
        level, shape, error = state.unbind(-1)
        level = masked_mean(level[..., None], mask).expand_as(shape)
        return torch.stack([level, _split(shape, mask)[1], error], dim=-1) * mask[..., None]


def _split(value: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over the tokens of each object, (B,), and what is left, (B, T)."""
    level = masked_mean(value[..., None], mask)
    return level[:, 0], torch.where(mask, value - level, 0.0)


class EpochSpace(nn.Module):
    """First phase and logarithms of the increments within a band: sorted whatever a flow writes.

    Each is standardised with one mean and scale for all bands, which keeps visits of several bands
    together. ``longest`` is the largest number of observations in one band.
    """

    first: Tensor
    gap: Tensor
    longest: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("first", torch.tensor([0.0, 1.0], dtype=torch.float64))
        self.register_buffer("gap", torch.tensor([0.0, 1.0], dtype=torch.float64))
        self.register_buffer("longest", torch.ones(()))

    def fit(self, days: Tensor, mask: Tensor) -> None:
        """Fit to the phases of training objects, shape (B, L, F)."""
        moments(days[:, :1], mask[:, :1], out=self.first)
        moments(_log_gaps(days), mask[:, 1:], out=self.gap)
        self.longest.copy_(mask.sum(1).max())

    def forward(self, days: Tensor) -> Tensor:
        """Codes of phases, shape (B, L, F)."""
        first = (days[:, :1] - self.first[0]) / self.first[1]
        return torch.cat([first, (_log_gaps(days) - self.gap[0]) / self.gap[1]], dim=1)

    def inverse(self, code: Tensor) -> Tensor:
        """Phases of codes, shape (B, L, F)."""
        code = code.double().clamp(-LARGEST_CODE, LARGEST_CODE)
        first = code[:, :1] * self.first[1] + self.first[0]
        gaps = (code[:, 1:] * self.gap[1] + self.gap[0]).exp()
        return torch.cat([first, first + gaps.cumsum(1)], dim=1)


def _log_gaps(days: Tensor) -> Tensor:
    return days.diff(dim=1).clamp(min=SHORTEST_STEP).log()
