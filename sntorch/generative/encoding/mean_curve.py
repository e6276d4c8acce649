"""The mean light curve of a population, subtracted before a network sees magnitudes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

N_KNOTS = 16
SMOOTHNESS = 1.0
# torch.quantile accepts no more numbers than about 16 million.
QUANTILE_LIMIT = 1_000_000


class MeanCurve(nn.Module):
    """A polygon in phase for each band, fitted by least squares with a pull against kinks.

    The knots are quantiles of the phases; beyond the first and last one the curve is constant.

    Args:
        n_bands: Number of bands F.
    """

    knots: Tensor
    values: Tensor

    def __init__(self, n_bands: int) -> None:
        super().__init__()
        self.register_buffer("knots", torch.linspace(0, 1, N_KNOTS, dtype=torch.float64))
        self.register_buffer("values", torch.zeros(N_KNOTS, n_bands, dtype=torch.float64))

    def fit(self, days: Tensor, magnitude: Tensor, mask: Tensor) -> None:
        """Fit to the observations of training objects, each of shape (B, L, F)."""
        shares = torch.linspace(0, 1, N_KNOTS, dtype=days.dtype, device=days.device)
        self.knots.copy_(torch.quantile(days[mask][:QUANTILE_LIMIT], shares))
        for f in range(self.values.shape[1]):
            seen = mask[..., f]
            self.values[:, f] = self._smooth(days[..., f][seen], magnitude[..., f][seen])

    def forward(self, days: Tensor) -> Tensor:
        """Mean magnitude of each band at its phases, shape (B, L, F)."""
        right, weight = self._place(days)
        values = self.values.to(days.dtype)
        bands = torch.arange(values.shape[1], device=days.device)
        below, above = values[right - 1, bands], values[right, bands]
        # Not lerp, which rounds the last few of many numbers in another way.
        return below + weight * (above - below)

    def _smooth(self, days: Tensor, magnitude: Tensor) -> Tensor:
        basis = self._basis(days)
        unit = torch.eye(N_KNOTS, dtype=days.dtype, device=days.device)
        kinks = unit.diff(n=2, dim=0)
        centre = magnitude.mean()
        # The small diagonal holds knots without data at the mean.
        matrix = basis.T @ basis + SMOOTHNESS * (kinks.T @ kinks) + 1e-3 * unit
        return centre + torch.linalg.solve(matrix, basis.T @ (magnitude - centre))

    def _basis(self, days: Tensor) -> Tensor:
        """Weights of the knots at ``days``, shape (…, K)."""
        right, weight = self._place(days)
        ahead, behind = (nn.functional.one_hot(k, N_KNOTS).to(days) for k in (right, right - 1))
        return torch.lerp(behind, ahead, weight[..., None])

    def _place(self, days: Tensor) -> tuple[Tensor, Tensor]:
        """The knot after ``days``, and the share of the way to it from the one before."""
        knots = self.knots.to(days.dtype)
        within = days.clamp(knots[0], knots[-1]).contiguous()
        right = torch.searchsorted(knots[1:-1].contiguous(), within) + 1
        left = knots[right - 1]
        return right, (within - left) / (knots[right] - left).clamp(min=1e-9)
