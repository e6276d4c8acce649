"""Changes of light curves that keep them light curves, shown to the critic only.

Differentiable augmentation (Zhao et al. 2020, arXiv:2006.10738): real and generated objects are
changed in the same random way before the critic sees them, so a critic cannot learn 30 objects by
heart and the generator still learns the unchanged distribution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DifferentiableAugmentation(nn.Module):
    """Random shifts in time and brightness, and dropped epochs, of encoded rows.

    Args:
        time: Standard deviation of a common shift of the first epochs, in encoded units.
        grey: Standard deviation of a common shift of all values (as by distance), in encoded
            units.
        band: Standard deviation of a shift of each band (as by calibration or dust), in encoded
            units.
        dropout: Share of epochs left out, in all bands together.
    """

    def __init__(
        self, time: float = 0.3, grey: float = 0.3, band: float = 0.05, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.time, self.grey, self.band, self.dropout = time, grey, band, dropout

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Changed rows (B, L, 3F) and the mask (B, L, F) of what is left of them."""
        n, _, n_bands = mask.shape
        early = torch.zeros_like(x[:, :, :n_bands])
        early[:, 0] = self.time * torch.randn(n, 1, device=x.device)
        bright = self.grey * torch.randn(n, 1, 1, device=x.device)
        bright = bright + self.band * torch.randn(n, 1, n_bands, device=x.device)
        shift = torch.cat([early, bright.expand_as(early), torch.zeros_like(early)], dim=-1)
        kept = torch.rand(n, mask.shape[1], 1, device=x.device) >= self.dropout
        # The first row stays: the phases of a band count from its first epoch.
        kept[:, 0] = True
        return x + shift, mask & kept
