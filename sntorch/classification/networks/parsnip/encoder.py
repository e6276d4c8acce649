"""The encoder: dilated convolutions over days, attention for the time, a maximum for the rest.

A block of dilation d at a day reads the days before it at multiples of d only. Where the last
blocks are asked for at every ``stride``-th day, the blocks before them are needed at few days
too, and what is computed there is what the whole network would give; only the maximum and the
attention over days then see fewer of them.

Days come first in memory: a convolution is then a product of matrices for each of the three days
that it reads, without copies of its input and without the days that lie outside of the window.

Letters in shapes: ``B`` objects, ``N`` channels, ``W`` days, ``Z`` latent numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad, relu

from sntorch.classification.networks.parsnip.grid import FIRST_DAY, WINDOW
from sntorch.errors import ConfigError

# Largest log variance of a latent number: early in training it could overflow.
LARGEST_LOG_VARIANCE = 5.0


class Posterior(NamedTuple):
    """Independent normal distributions of the latent numbers, in units of their priors.

    Attributes:
        mean: shape (B, Z); the first is the time of reference.
        log_variance: shape (B, Z).
    """

    mean: Tensor
    log_variance: Tensor

    def sample(self) -> Tensor:
        """A draw, shape (B, Z), differentiable in the parameters."""
        return self.mean + torch.randn_like(self.mean) * (0.5 * self.log_variance).exp()

    def divergence(self) -> Tensor:
        """Kullback-Leibler divergence from the standard normal prior, shape (B,)."""
        variance = self.log_variance.exp()
        return 0.5 * (self.mean.square() + variance - 1 - self.log_variance).sum(1)


class ResidualBlock(nn.Module):
    """Two convolutions of three days, and the input added to what comes out.

    Args:
        n_inputs: Channels that come in.
        n_outputs: Channels that go out, no fewer.
        dilation: Days between what a convolution reads.
    """

    def __init__(self, n_inputs: int, n_outputs: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(n_inputs, n_outputs, 3, dilation=dilation, padding=dilation)
        self.second = nn.Conv1d(n_outputs, n_outputs, 3, dilation=dilation, padding=dilation)
        self.more = n_outputs - n_inputs

    def forward(self, x: Tensor) -> Tensor:
        """Channels, shape (W, B, N'), of ``x`` (W, B, N)."""
        change = over_days(self.second, relu(over_days(self.first, x)))
        return relu(change + pad(x, (0, self.more)))


def over_days(convolution: nn.Conv1d, x: Tensor) -> Tensor:
    """What the convolution, padded to as many days as come in, makes of days.

    Args:
        convolution: Of an odd number of days.
        x: Contiguous, shape (W, B, N).

    Returns:
        shape (W, B, N').
    """
    flat = x.flatten(0, 1)
    taps = convolution.weight.unbind(-1)
    middle = len(taps) // 2
    out = linear(flat, taps[middle], convolution.bias)
    for number, tap in enumerate(taps):
        later = (number - middle) * convolution.dilation[0] * x.shape[1]
        if 0 < later < len(flat):
            _add_product(out[:-later], flat[later:], tap.T)
        elif 0 < -later < len(flat):
            _add_product(out[-later:], flat[:later], tap.T)
    return out.unflatten(0, x.shape[:2])


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    if total.dtype == a.dtype == b.dtype:
        total.addmm_(a, b)
    else:
        # In mixed precision, which knows no product in place.
        total += a @ b


class Encoder(nn.Module):
    """Posterior of the latent numbers.

    Args:
        n_inputs: Channels N.
        n_latent: Latent numbers Z, the time of reference among them.
        channels: Of the blocks, no fewer than ``n_inputs`` and not decreasing; the dilation
            doubles from block to block.
        stride: Days between those at which the last blocks are asked for: 1, 2, 4, …
        time_sigma: Standard deviation of the prior of the time of reference, days.

    Raises:
        ConfigError: Channels that decrease, or a stride that is no power of two.
    """

    days: Tensor

    def __init__(
        self,
        n_inputs: int,
        n_latent: int,
        channels: Sequence[int],
        stride: int,
        time_sigma: float,
    ) -> None:
        super().__init__()
        sizes = [n_inputs, *channels]
        if sizes != sorted(sizes):
            raise ConfigError(
                f"parsnip: {n_inputs} channels come in and blocks have {list(channels)}; they may "
                "not decrease (a larger width helps)"
            )
        if stride not in [2**i for i in range(len(channels))]:
            raise ConfigError(f"parsnip: stride={stride}; accepted are 1, 2, 4, 8, …")
        last = sizes[-1]
        self.blocks = nn.ModuleList()
        self.steps: list[int] = []
        for i, (n_in, n_out) in enumerate(pairwise(sizes)):
            apart = min(2**i, stride)
            self.steps.append(2 if 1 < 2**i <= stride else 1)
            self.blocks.append(ResidualBlock(n_in, n_out, 2**i // apart))
        self.mixed = nn.Sequential(nn.Conv1d(last, last, 1), nn.ReLU())
        self.time = nn.Sequential(nn.Conv1d(last, last, 1), nn.ReLU(), nn.Conv1d(last, 1, 1))
        self.before_pooling = nn.Sequential(nn.Conv1d(last, last, 1), nn.ReLU())
        self.after_pooling = nn.Sequential(nn.Linear(last, last), nn.ReLU())
        self.mean = nn.Linear(last, n_latent - 1)
        self.log_variance = nn.Linear(last, n_latent)
        days = torch.arange(FIRST_DAY, FIRST_DAY + WINDOW, stride) / time_sigma
        self.register_buffer("days", days, persistent=False)

    def forward(self, x: Tensor) -> Posterior:
        """Posterior of gridded light curves (B, N, W)."""
        x = x.permute(2, 0, 1)
        for step, block in zip(self.steps, self.blocks, strict=True):
            x = block(x[::step].contiguous())
        x = _pointwise(self.mixed, x)
        # A mean of days: whatever moves along the grid moves the time with it.
        time = self.days @ _pointwise(self.time, x)[..., 0].softmax(0)
        pooled = self.after_pooling(_pointwise(self.before_pooling, x).amax(0))
        mean = torch.cat([time[:, None], self.mean(pooled)], dim=1)
        return Posterior(mean, self.log_variance(pooled).clamp(max=LARGEST_LOG_VARIANCE))


def _pointwise(layers: nn.Sequential, x: Tensor) -> Tensor:
    """Convolutions of one day, and what is between them, of days (W, B, N)."""
    for layer in layers:
        x = over_days(layer, x) if isinstance(layer, nn.Conv1d) else layer(x)
    return x
