"""The evidence lower bound that trains encoder and decoder together.

Letters in shapes: ``B`` objects, ``T`` observations, ``K`` bins.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sntorch.classification.networks.parsnip.decoder import Decoded, amplitudes
from sntorch.classification.networks.parsnip.encoder import Posterior
from sntorch.classification.networks.parsnip.grid import Gridded

SMOOTHNESS = 1e-3


def negative_elbo(observed: Gridded, posterior: Posterior, decoded: Decoded) -> Tensor:
    """Negative lower bound of each object, shape (B,).

    Args:
        observed: The light curves.
        posterior: Of their latent numbers.
        decoded: Of a draw from it.
    """
    return (
        misfit(observed, decoded.flux)
        + posterior.divergence()
        + SMOOTHNESS * roughness(decoded.spectra, observed.mask)
    )


def misfit(observed: Gridded, flux: Tensor) -> Tensor:
    """Half of chi square with the amplitude marginalised, shape (B,).

    A draw of the amplitude A ~ N(Â, σ²) raises half of chi square by (A - Â)²/2σ², which is what
    the density of the draw, the paper's fourth term, takes away again: the sum does not depend on
    the draw, so none is made.
    """
    amplitude = amplitudes(observed, flux)[0]
    residual = observed.flux - amplitude[:, None] * flux
    return 0.5 * (observed.weight * residual.square()).sum(1)


def roughness(spectra: Tensor, mask: Tensor) -> Tensor:
    """Sum of squared relative differences between neighbouring bins, shape (B,).

    Args:
        spectra: At every observation, shape (B, T, K), positive.
        mask: True where there is an observation, shape (B, T).
    """
    lower, upper = spectra[..., :-1], spectra[..., 1:]
    relative = (upper - lower) / (upper + lower).clamp(min=torch.finfo(spectra.dtype).tiny)
    return (relative.square().sum(-1) * mask).sum(1)
