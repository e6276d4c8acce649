"""Rows of several bands as one set of tokens an object, and back.

Letters in shapes: ``B`` objects, ``L`` steps, ``F`` bands, ``T`` tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True)
class TokenLayout:
    """Where every token stands in the rows.

    Attributes:
        index: Place in the flattened rows, shape (B, T).
        mask: True where there is a token, shape (B, T).
        n_steps: Steps L of the rows.
        n_bands: Bands F.
    """

    index: Tensor
    mask: Tensor
    n_steps: int
    n_bands: int

    @classmethod
    def of(cls, mask: Tensor, width: int | None = None) -> TokenLayout:
        """The layout of the observations of rows.

        Args:
            mask: True where there is an observation, shape (B, L, F).
            width: Number of tokens T, padded; default: as many as the longest object has.
        """
        flat = mask.flatten(1)
        width = int(flat.sum(1).max()) if width is None else width
        flat = pad(flat, (0, max(width - flat.shape[1], 0)))
        order = (~flat).to(torch.int8).argsort(dim=1, stable=True)[:, :width]
        valid = flat.gather(1, order)
        return cls(torch.where(valid, order, 0), valid, mask.shape[1], mask.shape[2])

    @property
    def band(self) -> Tensor:
        """Band of each token, shape (B, T)."""
        return self.index % self.n_bands

    @property
    def step(self) -> Tensor:
        """Which observation of its band a token is, counted from 0, shape (B, T)."""
        return self.index // self.n_bands

    @property
    def counts(self) -> Tensor:
        """Tokens of each band, shape (B, F)."""
        none = torch.zeros(len(self.index), self.n_bands, device=self.index.device)
        return none.scatter_add(1, self.band, self.mask.float())

    def gather(self, rows: Tensor) -> Tensor:
        """Tokens (B, T) of rows (B, L, F); 0 where masked."""
        return torch.where(self.mask, rows.flatten(1).gather(1, self.index), 0)

    def scatter(self, tokens: Tensor) -> Tensor:
        """Rows (B, L, F) of tokens (B, T); 0 where there is no observation."""
        out = tokens.new_zeros(len(tokens), self.n_steps * self.n_bands)
        # Padding points to the first place; adding zero there leaves it as it is.
        out.scatter_add_(1, self.index, torch.where(self.mask, tokens, 0))
        return out.unflatten(1, (self.n_steps, self.n_bands))
