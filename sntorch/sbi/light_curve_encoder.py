"""What a set embedding sees of each light curve: its brightness, and what a transformer finds.

The brightness is measured against a mean light curve that is fitted to simulated supernovae before
any training (``mean_light_curve.py``): all that supernovae of one shape have to tell. What else
there is in a light curve, its colour and stretch say, a small transformer over the observations
learns with the rest of the network.

Letters in shapes: ``B`` surveys, ``N`` supernovae in each, ``M`` = B · N, ``T`` observations of
each, ``F`` features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from sntorch.data.batch import LightCurveBatch
from sntorch.data.magnitudes import LN_PER_MAG
from sntorch.nn.set_transformer import SetTransformer, sinusoids
from sntorch.sbi.distances import polynomials
from sntorch.sbi.encoders import SCATTER, n_products, products
from sntorch.sbi.light_curve_survey import LightCurveSurveys
from sntorch.sbi.mean_light_curve import MeanLightCurve

# Fainter than this share of the mean is as good as not seen at all.
FAINTEST = 0.02
# A typical signal-to-noise ratio of a whole light curve.
TYPICAL_SNR = 30.0
# Days; of the sinusoids by which an observation tells its phase.
LONGEST, SHORTEST, PERIODS = 160.0, 5.0, 6


class LightCurveEncoder(nn.Module):
    """Brightness and its error times polynomials in redshift, and learnt features.

    Args:
        bands: Names of the bands.
        z_low: Least redshift.
        z_high: Largest redshift.
        om0: Matter density of the flat universe in which brightness is measured.
        h0: Hubble constant, km/s/Mpc.
        terms: Number of Chebyshev polynomials in redshift.
        n_learnt: Features that the transformer makes; 0 for none, and no transformer.
        width: Of the transformer.
        n_layers: Its layers.
        n_heads: Its attention heads.

    Attributes:
        n_outputs: F.
        n_known: The first of them, which are not learnt.
    """

    def __init__(
        self,
        bands: Sequence[str],
        z_low: float,
        z_high: float,
        om0: float = 0.3,
        h0: float = 70.0,
        terms: int = 6,
        n_learnt: int = 4,
        width: int = 16,
        n_layers: int = 1,
        n_heads: int = 2,
    ) -> None:
        super().__init__()
        self.mean = MeanLightCurve(bands, z_low, z_high, om0, h0)
        self.terms, self.range = terms, (float(z_low), float(z_high))
        # The first of the products with polynomials is one everywhere.
        self.n_known = (1 + n_products(2)) * terms - 1
        self.n_outputs = self.n_known + n_learnt
        self.transformer = None
        if n_learnt:
            n_inputs = 3 + len(self.mean.bands) + 2 * PERIODS
            self.transformer = SetTransformer(
                n_inputs, n_learnt, 2 + terms, width, n_layers, n_heads
            )

    @torch.no_grad()
    def prepare(self, x: LightCurveSurveys) -> None:
        """Fit the mean light curve to these surveys."""
        self.mean.fit(x.batch)

    def forward(self, x: LightCurveSurveys) -> Tensor:
        """Features of order one, shape (B, N, F), float32.

        Raises:
            ConfigError: Light curves of other bands.
        """
        batch = x.batch
        self.mean.check(batch)
        expected = self.mean(batch)
        measured, error = self._measured(batch, expected)
        place = polynomials(batch.redshift.double(), *self.range, self.terms).float()
        whole = products(torch.stack([measured, error], -1))
        whole = torch.cat([torch.ones_like(whole[:, :1]), whole], 1)
        found = (whole[..., None] * place[:, None]).flatten(1)[:, 1:]
        if self.transformer is not None:
            vector = torch.cat([measured[:, None], error[:, None], place], 1)
            tokens = self._tokens(batch, expected)
            learnt = self.transformer(tokens, batch.mask, vector).sum(1)
            found = torch.cat([found, learnt / batch.n_observations.clamp(min=1)[:, None]], 1)
        return found.unflatten(0, x.mask.shape)

    def _measured(self, batch: LightCurveBatch, expected: Tensor) -> tuple[Tensor, Tensor]:
        """Magnitudes from the mean and the logarithm of their errors, shape (M,), order one."""
        amplitude, error = self.mean.brightness(batch, expected)
        amplitude = amplitude.clamp(min=FAINTEST)
        offset = -amplitude.log() / LN_PER_MAG / SCATTER
        return offset.float(), (TYPICAL_SNR * error / amplitude).log().float()

    def _tokens(self, batch: LightCurveBatch, expected: Tensor) -> Tensor:
        """Observations, shape (M, T, 3 + bands + 2 PERIODS), float32."""
        # Fluxes in units of the errors, compressed: bright light curves have hundreds of them.
        compressed = [
            torch.asinh(value / batch.flux_err)
            for value in (batch.flux, expected, batch.flux - expected)
        ]
        band = one_hot(batch.band, len(self.mean.bands))
        phase = sinusoids(batch.phase.float(), LONGEST, SHORTEST, PERIODS)
        return torch.cat([torch.stack(compressed, -1).float(), band.float(), phase], -1)
