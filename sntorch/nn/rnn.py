"""Recurrent blocks for padded sequences: what stands in the padding never changes a result.

Everything works on a padded tensor and a mask (never on packed sequences), so that the blocks can
be exported and differentiated twice.

Letters in shapes: ``B`` objects, ``L`` sequence steps, ``D`` input features, ``H`` hidden units.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def twice_differentiable(device: torch.device) -> Iterator[None]:
    """Run recurrent layers and attention so that a gradient penalty can be taken through them.

    cuDNN's recurrent kernels and the fused ones of attention have no second derivative; PyTorch's
    plain ones have. Without the fast ones a critic is slower, so this wraps only the forward pass
    whose gradient is differentiated again.
    """
    with ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        if device.type == "cuda":
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        yield


def reverse_valid(x: Tensor, lengths: Tensor) -> Tensor:
    """Each sequence backwards within its own length; the padding stays where it is.

    Args:
        x: Padded sequences, shape (B, L, D).
        lengths: Valid steps of each sequence, shape (B,).
    """
    step = torch.arange(x.shape[1], device=x.device)
    backwards = lengths[:, None] - 1 - step
    index = torch.where(backwards >= 0, backwards, step)
    return x.gather(1, index[..., None].expand_as(x))


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the valid steps of ``x`` (B, L, D), ``mask`` (B, L); zero where there are none."""
    weight = mask[..., None].to(x.dtype)
    return (x * weight).sum(1) / weight.sum(1).clamp(min=1)


def masked_max(x: Tensor, mask: Tensor) -> Tensor:
    """Maximum over the valid steps of ``x`` (B, L, D), ``mask`` (B, L); zero without any."""
    largest = x.masked_fill(~mask[..., None], -torch.inf).amax(1)
    return torch.where(mask.any(1)[:, None], largest, 0.0)


def last_valid(x: Tensor, lengths: Tensor) -> Tensor:
    """The last valid step of ``x`` (B, L, D); the first step for empty sequences."""
    index = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, x.shape[-1])
    return x.gather(1, index).squeeze(1)


class BidirectionalGRU(nn.Module):
    """One forward and one backward GRU over padded sequences, side by side.

    The backward one starts at the last valid step, so the padding does not leak into it.

    Args:
        n_inputs: Input features D.
        n_hidden: Hidden units H of each direction.
        n_layers: Layers of each direction.
    """

    def __init__(self, n_inputs: int, n_hidden: int, n_layers: int = 1) -> None:
        super().__init__()
        self.forwards = nn.GRU(n_inputs, n_hidden, n_layers, batch_first=True)
        self.backwards = nn.GRU(n_inputs, n_hidden, n_layers, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """States at every step, shape (B, L, 2H); ``x`` (B, L, D), ``lengths`` (B,)."""
        ahead, _ = self.forwards(x)
        behind, _ = self.backwards(reverse_valid(x, lengths))
        return torch.cat([ahead, reverse_valid(behind, lengths)], dim=-1)


class PooledGRU(nn.Module):
    """A bidirectional GRU whose states are pooled by mean and maximum into one vector an object.

    Args:
        n_inputs: Input features D.
        n_hidden: Hidden units H of each direction.
        n_layers: Layers of each direction.
    """

    def __init__(self, n_inputs: int, n_hidden: int, n_layers: int = 1) -> None:
        super().__init__()
        self.gru = BidirectionalGRU(n_inputs, n_hidden, n_layers)
        self.n_outputs = 4 * n_hidden

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Pooled states, shape (B, 4H); ``x`` (B, L, D), ``mask`` (B, L) true up to the length."""
        states = self.gru(x, mask.sum(1))
        return torch.cat([masked_mean(states, mask), masked_max(states, mask)], dim=-1)
