"""The velocity of a flow over the observations of a light curve.

Letters in shapes: ``B`` objects, ``T`` tokens, ``D`` numbers of a token that flow, ``P`` fixed
features of a token, ``M`` numbers of the condition.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sntorch.nn.set_transformer import SetTransformer, sinusoids

N_FLOW_FREQUENCIES = 8
BAND_NUMBERS = 8


class TokenVelocity(nn.Module):
    """A set transformer that is told the flow time and the condition of each object.

    Args:
        n_bands: Number of bands.
        n_state: Numbers D of a token that flow.
        n_features: Fixed features P of a token.
        n_condition: Numbers M of the condition; may be 0.
        width: Features of a token inside.
        n_layers: Layers.
        n_heads: Attention heads.
        dropout: Share of a layer's changes left out while training.
    """

    def __init__(
        self,
        n_bands: int,
        n_state: int,
        n_features: int,
        n_condition: int,
        width: int = 48,
        n_layers: int = 3,
        n_heads: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.band = nn.Embedding(n_bands, BAND_NUMBERS)
        self.transformer = SetTransformer(
            n_inputs=n_state + n_features + BAND_NUMBERS,
            n_outputs=n_state,
            n_vector=2 * N_FLOW_FREQUENCIES + n_condition,
            width=width,
            n_layers=n_layers,
            n_heads=n_heads,
            dropout=dropout,
        )

    def forward(
        self,
        state: Tensor,
        s: Tensor,
        features: Tensor,
        band: Tensor,
        mask: Tensor,
        condition: Tensor,
    ) -> Tensor:
        """Velocity of every token, shape (B, T, D); zero where masked.

        Args:
            state: Where the tokens are, shape (B, T, D).
            s: Flow time of each object, shape (B,).
            features: What is fixed about the tokens, shape (B, T, P).
            band: Their bands, shape (B, T).
            mask: True where there is a token, shape (B, T).
            condition: Shape (B, M).
        """
        tokens = torch.cat([state, features, self.band(band)], dim=-1)
        # Periods from four times the range of s, so that its ends differ, to a fine one.
        clock = sinusoids(s, 4.0, 0.1, N_FLOW_FREQUENCIES)
        return self.transformer(tokens, mask, torch.cat([clock, condition], dim=-1))
