"""Changes of light curves that keep them light curves, for training on few objects.

Unlike ``DifferentiableAugmentation`` of a GAN, what is generated here follows the changed
distribution, so the changes are small beside the spread of a population: uncertain distances,
calibration and dust, uncertain times of maximum, missed visits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sntorch.generative.encoding import MagnitudeEncoding


class SmallSampleAugmentation(nn.Module):
    """Random shifts in time and brightness, and dropped observations.

    Args:
        time: Standard deviation of a shift of all epochs, days.
        grey: Standard deviation of a shift of all magnitudes, mag.
        band: Standard deviation of a shift of each band, mag.
        dropout: Share of observations left out.
        numbers: Standard deviation of a shift of the numbers to condition on, in units of theirs:
            together with its epochs an exact redshift would name the object.
    """

    def __init__(
        self,
        time: float = 1.0,
        grey: float = 0.1,
        band: float = 0.03,
        dropout: float = 0.2,
        numbers: float = 0.1,
    ) -> None:
        super().__init__()
        self.time, self.grey, self.band = time, grey, band
        self.dropout, self.numbers = dropout, numbers

    def forward(
        self, encoding: MagnitudeEncoding, days: Tensor, value: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Changed phases, encoded values and mask, each of shape (B, L, F)."""
        n, _, n_bands = mask.shape
        moved = days + self.time * torch.randn(n, 1, 1, device=days.device)
        shift = self.grey * torch.randn(n, 1, 1, device=days.device)
        shift = shift + self.band * torch.randn(n, 1, n_bands, device=days.device)
        # Values count from the mean light curve, which stands still while the epochs move.
        shift = shift + encoding.mean_curve(days) - encoding.mean_curve(moved)
        kept = mask & (torch.rand(mask.shape, device=days.device) >= self.dropout)
        kept = torch.where(kept.flatten(1).any(1)[:, None, None], kept, mask)
        return moved, value + shift / encoding.value_scale, kept


def thinned(mask: Tensor, most: int) -> Tensor:
    """The mask (B, L, F) with ``most`` observations an object at most, chosen at random.

    Attention costs the square of the number of observations, and a flow over sets learns as well
    from a part of them: photometry at given epochs does not ask at which others there is some.
    """
    flat = mask.flatten(1)
    if int(flat.sum(1).max()) <= most:
        return mask
    order = torch.where(flat, torch.rand(flat.shape, device=mask.device), -1.0)
    chosen = order.topk(most, dim=1).indices
    return (flat & torch.zeros_like(flat).scatter(1, chosen, True)).view_as(mask)
