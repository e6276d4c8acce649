"""The decoder: latent numbers to spectra, and spectra through the bands to light curves.

Letters in shapes: ``B`` objects, ``T`` observations, ``K`` bins, ``F`` bands, ``S`` shape numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sntorch.classification.networks.parsnip.bands import N_BINS, BandWeights
from sntorch.classification.networks.parsnip.grid import WINDOW, Gridded
from sntorch.physics.extinction import MILKY_WAY_RV, fitzpatrick99
from sntorch.physics.photometry import LN


class Latents(NamedTuple):
    """What the decoder reads of each object.

    Attributes:
        time: Sidereal days of the time of reference on the grid, shape (B,).
        redshift: shape (B,).
        colour: Coefficient of the colour law, mag of B-V, shape (B,).
        shape: Numbers of the spectral time series, shape (B, S).
    """

    time: Tensor
    redshift: Tensor
    colour: Tensor
    shape: Tensor


class Decoded(NamedTuple):
    """Light curves before the amplitude.

    Attributes:
        flux: Of an amplitude of one, shape (B, T).
        spectra: Rest frame, before the colour law, shape (B, T, K).
    """

    flux: Tensor
    spectra: Tensor


class Decoder(nn.Module):
    """Light curves of latent numbers.

    Args:
        bands: Names of the F bands.
        n_shape: Numbers S of the shape.
        sizes: Hidden layers.
    """

    colour_law: Tensor

    def __init__(self, bands: Sequence[str], n_shape: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.bands = BandWeights(bands)
        layers: list[nn.Module] = []
        last = n_shape + 1
        for size in sizes:
            layers += [nn.Linear(last, size), nn.Tanh()]
            last = size
        self.layers = nn.Sequential(*layers, nn.Linear(last, N_BINS), nn.Softplus())
        # A coefficient of one reddens B-V by one.
        law = MILKY_WAY_RV * fitzpatrick99(self.bands.wave.double(), MILKY_WAY_RV)
        self.register_buffer("colour_law", law.float(), persistent=False)

    def spectra(self, shape: Tensor, phase: Tensor) -> Tensor:
        """Rest-frame spectra, f_λ of any scale, shape (B, T, K).

        Args:
            shape: shape (B, S).
            phase: Rest-frame sidereal days since the time of reference, shape (B, T).
        """
        scaled = phase[..., None] / (WINDOW / 2)
        repeated = shape[:, None].expand(-1, phase.shape[1], -1)
        return self.layers(torch.cat([repeated, scaled], dim=-1))

    def forward(self, latents: Latents, mwebv: Tensor, days: Tensor, band: Tensor) -> Decoded:
        """Light curves at sidereal days of the grid (B, T) in the bands (B, T)."""
        phase = (days - latents.time[:, None]) / (1 + latents.redshift[:, None])
        spectra = self.spectra(latents.shape, phase)
        reddened = torch.exp(-LN * latents.colour[:, None] * self.colour_law)
        weights = self.bands(latents.redshift, mwebv) * reddened[..., None]
        every = torch.bmm(spectra, weights)
        return Decoded(every.gather(2, band[..., None])[..., 0], spectra)


def amplitudes(observed: Gridded, flux: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the amplitude given all else, shapes (B,).

    Args:
        observed: The light curves.
        flux: Of the model with an amplitude of one, shape (B, T).
    """
    square = (observed.weight * flux.square()).sum(1)
    # Where nothing is observed the amplitude is zero and as good as unknown.
    square = square.clamp(min=1e-5)
    return (observed.weight * flux * observed.flux).sum(1) / square, square.rsqrt()
