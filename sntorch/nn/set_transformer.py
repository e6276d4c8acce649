"""A transformer over sets of tokens, modulated by one vector an object.

Tokens attend to each other without any notion of order (Vaswani et al. 2017, arXiv:1706.03762,
without its positional encoding): a permutation of the tokens permutes the output, and what is
masked changes nothing. Layers are normalised before attention and before the perceptron; scale,
shift and gate of each come from the object's vector (adaLN, Peebles & Xie 2023,
arXiv:2212.09748). Deviation: gates begin near one rather than at zero, so that all parameters
learn from the first step.

Letters in shapes: ``B`` objects, ``T`` tokens, ``D`` features, ``M`` numbers of the vector.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

INITIAL_SPREAD = 0.02
# Hidden units of the perceptrons in units of the width.
EXPANSION = 2


def sinusoids(x: Tensor, longest: float, shortest: float, n: int) -> Tensor:
    """Sines and cosines of ``x`` at ``n`` periods in geometric progression, shape (…, 2n).

    Args:
        x: Positions, any shape.
        longest: Longest period, in the units of ``x``.
        shortest: Shortest period.
        n: Number of periods.
    """
    ratio = (shortest / longest) ** (1 / max(n - 1, 1))
    powers = torch.arange(n, dtype=x.dtype, device=x.device)
    angle = 2 * math.pi * x[..., None] / (longest * ratio**powers)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


class MaskedAttention(nn.Module):
    """Attention of every token to all valid ones.

    Args:
        width: Features D of a token.
        n_heads: Heads; they divide ``width``.
    """

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        if width % n_heads:
            raise ValueError(f"n_heads must divide width, found {n_heads} and {width}")
        self.n_heads = n_heads
        # A bias of the keys would cancel in the softmax.
        self.enter = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """Tokens (B, T, D) and whom they see, (B, 1, 1, T), to shape (B, T, D)."""
        heads = self.enter(x).unflatten(-1, (3, self.n_heads, -1))
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return self.out(mixed.transpose(1, 2).flatten(2))


class ModulatedLayer(nn.Module):
    """Attention, then a perceptron, each on normalised tokens and each scaled by the object.

    Args:
        width: Features D of a token.
        n_heads: Attention heads.
        dropout: Share of a layer's changes left out while training.
    """

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = MaskedAttention(width, n_heads)
        self.perceptron = nn.Sequential(
            nn.Linear(width, EXPANSION * width),
            nn.ReLU(inplace=True),
            nn.Linear(EXPANSION * width, width),
        )
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.dropout = nn.Dropout(dropout)
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.normal_(self.modulation.weight, std=INITIAL_SPREAD)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, seen: Tensor, vector: Tensor) -> Tensor:
        """Changed tokens, shape (B, T, D); ``vector`` (B, D)."""
        parts = self.modulation(vector)[:, None].chunk(6, dim=-1)
        scale, shift, gate, scale_after, shift_after, gate_after = parts
        # One pass over the tokens each, where a product and a sum would be two.
        change = self.attention(torch.addcmul(shift, self.norm(x), 1 + scale), seen)
        x = torch.addcmul(x, 1 + gate, self.dropout(change))
        change = self.perceptron(torch.addcmul(shift_after, self.norm(x), 1 + scale_after))
        return torch.addcmul(x, 1 + gate_after, self.dropout(change))


class SetTransformer(nn.Module):
    """Tokens in, tokens out.

    Args:
        n_inputs: Features of an incoming token.
        n_outputs: Features of an outgoing token.
        n_vector: Numbers M of the object's vector.
        width: Features D inside.
        n_layers: Layers.
        n_heads: Attention heads.
        dropout: Share of a layer's changes left out while training.
        causal: Whether a token sees only itself and the tokens before it.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        n_vector: int,
        width: int = 48,
        n_layers: int = 3,
        n_heads: int = 2,
        dropout: float = 0.0,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.causal = causal
        self.enter = nn.Linear(n_inputs, width)
        self.vector = nn.Sequential(
            nn.Linear(n_vector, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.layers = nn.ModuleList(
            ModulatedLayer(width, n_heads, dropout) for _ in range(n_layers)
        )
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, n_outputs))

    def forward(self, x: Tensor, mask: Tensor, vector: Tensor) -> Tensor:
        """Outgoing tokens, shape (B, T, n_outputs); zero where masked.

        Args:
            x: Incoming tokens, shape (B, T, n_inputs).
            mask: True where there is a token, shape (B, T).
            vector: Of each object, shape (B, M).
        """
        # An object without tokens sees its padding: a softmax over nothing is not a number.
        seen = (mask | ~mask.any(1, keepdim=True))[:, None, None]
        if self.causal:
            n_tokens = mask.shape[1]
            earlier = torch.ones(n_tokens, n_tokens, dtype=torch.bool, device=mask.device).tril()
            # A masked token has to see something as well: itself.
            seen = (seen & earlier) | torch.eye(n_tokens, dtype=torch.bool, device=mask.device)
        vector = self.vector(vector)
        x = self.enter(x)
        for layer in self.layers:
            x = layer(x, seen, vector)
        return self.leave(x) * mask[..., None]
