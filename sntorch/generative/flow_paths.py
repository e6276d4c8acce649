"""Straight conditional paths from noise to data, and the way along them.

Flow matching (Lipman et al. 2023, arXiv:2210.02747; Liu et al. 2023, arXiv:2209.03003): with noise
x₀ and data x₁, the path x_s = (1 - s) x₀ + s x₁ has the velocity x₁ - x₀, and the mean velocity of
all paths through a point, learned by least squares, carries noise into data. Flow times s are
drawn uniformly or logit-normally (Esser et al. 2024, arXiv:2403.03206, eq. 19).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sntorch.errors import ConfigError

FLOW_TIMES = ("logit_normal", "uniform")


def check_flow_times(kind: str) -> None:
    """Refuse a distribution of flow times that is not known.

    Raises:
        ConfigError: A kind other than ``logit_normal`` and ``uniform``.
    """
    if kind not in FLOW_TIMES:
        raise ConfigError(f"flow_times {kind!r}: {' or '.join(FLOW_TIMES)} is accepted")


def draw_flow_times(kind: str, n: int, device: torch.device) -> Tensor:
    """``n`` flow times between 0 and 1, one from each n-th of the distribution ``kind``."""
    share = (torch.randperm(n, device=device) + torch.rand(n, device=device)) / n
    if kind == "uniform":
        return share
    return torch.special.ndtri(share.clamp(1e-6, 1 - 1e-6)).sigmoid()


def on_path(noise: Tensor, data: Tensor, s: Tensor) -> Tensor:
    """The points at flow times ``s`` (B,) on the paths from ``noise`` to ``data`` (B, …)."""
    return torch.lerp(noise, data, s.reshape(-1, *[1] * (data.dim() - 1)))


def integrate(velocity: Callable[[Tensor, Tensor], Tensor], noise: Tensor, n_steps: int) -> Tensor:
    """Carry noise to data with Adams and Bashforth's method of second order, first by Euler's.

    It takes one evaluation a step, and with six of them ends as near the exact flow as Heun's
    method with eleven.

    Args:
        velocity: Of points (B, …) at flow times (B,).
        noise: Where to start, shape (B, …).
        n_steps: Steps of equal length.
    """
    x, step, before = noise, 1 / n_steps, None
    for k in range(n_steps):
        slope = velocity(x, noise.new_full((len(noise),), k * step))
        x = x + step * (slope if before is None else 1.5 * slope - 0.5 * before)
        before = slope
    return x
