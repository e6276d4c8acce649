"""A transformer on nights, all bands of a night in one token, causal if wanted.

After ATAT (Cabrera-Vives et al. 2024, arXiv:2405.03078) and ATCAT (Tung 2025, arXiv:2511.00614):

    token = (W features) (1 + γ(t)) + β(t),   γ and β linear in sines and cosines of the time t,

so that the time modulates what was measured; then layers of attention that see valid tokens only,
and what is known of the object (redshift, host) modulates every layer.

Deviations: ATAT has one token an observation and learnt Fourier series within fixed bounds; here
the bands of a night share a token, with flags of what was observed, which makes sequences some
three times shorter; periods are fixed in geometric progression. ATAT's class token is replaced by
the mean and maximum of the tokens. Times count from the first detection; in the causal form, which
must not know of it beforehand, from the first observation.

Letters in shapes: ``B`` objects, ``N`` nights, ``F`` bands, ``D`` width, ``C`` classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sntorch.classification.base import ClassifierNetwork, StepNetwork, Steps
from sntorch.classification.inputs import FEATURES, Photometry, since_first, since_trigger
from sntorch.data.batch import LightCurveBatch
from sntorch.data.nights import Nights, by_night, padded
from sntorch.nn.groups import by_length, steps_by_length
from sntorch.nn.rnn import masked_max, masked_mean
from sntorch.nn.set_transformer import SetTransformer, sinusoids

# Days of the longest and shortest period of the time's sines and cosines.
PERIODS = (400.0, 4.0)
N_PERIODS = 12


class NightTokens(nn.Module):
    """Tokens of nights, modulated by time.

    Args:
        n_bands: Number of bands F.
        width: Features D of a token.
    """

    def __init__(self, n_bands: int, width: int) -> None:
        super().__init__()
        self.photometry = Photometry(n_bands)
        self.measured = nn.Linear(n_bands * (FEATURES + 1), width)
        self.modulation = nn.Linear(2 * N_PERIODS, 2 * width)

    def forward(self, nights: Nights, days: Tensor) -> Tensor:
        """Tokens, shape (B, N, D); ``days`` (B, N) as the network counts them."""
        features = self.photometry(nights)
        seen = nights.seen[..., None].to(features.dtype)
        measured = self.measured(torch.cat([features, seen], dim=-1).flatten(2))
        gain, shift = self.modulation(sinusoids(days, *PERIODS, N_PERIODS)).chunk(2, dim=-1)
        return measured * (1 + gain) + shift


class _Transformer(ClassifierNetwork):
    """What both forms share.

    Args:
        bands: Names of the bands.
        n_classes: Number of classes C.
        n_context: Numbers of context.
        width: Features D of a token.
        n_layers: Layers of attention.
        n_heads: Attention heads; they divide ``width``.
        dropout: Share of each layer's changes left out while training.
    """

    def __init__(
        self,
        bands: Sequence[str],
        n_classes: int,
        n_context: int = 0,
        width: int = 64,
        n_layers: int = 3,
        n_heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(bands, n_classes, n_context)
        self.tokens = NightTokens(len(bands), width)
        # The vector has a constant, so that layers have a bias where nothing else is known.
        self.layers = SetTransformer(
            width, width, n_context + 1, width, n_layers, n_heads, dropout, self.per_step
        )
        # A step is read from its own token, a whole curve from the mean and the maximum of all.
        self.head = nn.Sequential(
            nn.Linear(width if self.per_step else 2 * width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, n_classes),
        )

    def fit_inputs(self, batch: LightCurveBatch) -> None:
        """Fit the scale of fluxes."""
        self.tokens.photometry.fit(batch)

    def _states(self, nights: Nights, days: Tensor, context: Tensor) -> Tensor:
        """Tokens after all layers, shape (B, N, D); zero where there is no night."""
        vector = torch.cat([torch.ones_like(days[:, :1]), context.to(days)], dim=1)
        return self.layers(self.tokens(nights, days), nights.mask, vector)


class Transformer(_Transformer):
    """Logits of whole light curves; arguments as of ``_Transformer``."""

    def forward(self, batch: LightCurveBatch, context: Tensor) -> Tensor:
        """Logits, shape (B, C)."""
        nights = padded(by_night(batch))

        def run(rows: Tensor, longest: int) -> Tensor:
            return self._logits(nights.part(rows, longest), context[rows])

        return by_length(run, nights.mask.sum(1), threads=not self.training)

    def _logits(self, nights: Nights, context: Tensor) -> Tensor:
        significance = (nights.flux / nights.flux_err).amax(-1)
        days = since_trigger(nights.time, nights.mask, significance)
        states = self._states(nights, days, context)
        pooled = [masked_mean(states, nights.mask), masked_max(states, nights.mask)]
        return self.head(torch.cat(pooled, dim=-1))


class CausalTransformer(_Transformer, StepNetwork):
    """Logits after every night, from it and those before it; arguments as of ``Transformer``."""

    def steps(self, batch: LightCurveBatch, context: Tensor) -> Steps:
        """Logits after every night."""
        nights = padded(by_night(batch))

        def run(rows: Tensor, longest: int) -> Tensor:
            part = nights.part(rows, longest)
            days = since_first(part.time, part.mask)
            return self.head(self._states(part, days, context[rows]))

        lengths, n_nights = nights.mask.sum(1), nights.mask.shape[1]
        logits = steps_by_length(run, lengths, n_nights, threads=not self.training)
        return Steps(logits, nights.mask, nights.time)
