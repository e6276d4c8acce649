"""Numbers of any scale and tail by their rank among those that were fitted.

A perceptron reads numbers of order one whose distribution is even, and learns a threshold with
ease where it is given pieces of a number (Gorishniy, Rubachev & Babenko 2022, arXiv:2203.05556):

    u = F(x),   z = Φ⁻¹(u),   e_t = clip(n u - t, 0, 1),  t = 0 … n - 1,

F the distribution of the fitted values, by its quantiles. Outliers and units do not matter. What
is unknown is 0 in all of them, and is said to be unknown by a flag. Deviation: pieces are moved to
[-1, 1], so that 0 is their middle.

Letters in shapes: ``B`` objects, ``P`` columns, ``K`` quantiles, ``n`` pieces.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Quantiles that are kept of a column, and the share of each tail that is not told apart.
QUANTILES, TAIL = 65, 0.005


class RankScaler(nn.Module):
    """Normal scores, pieces and flags of P columns.

    Args:
        n_columns: Number of columns P.
        n_pieces: Pieces of each; 0 for none.
    """

    knots: Tensor
    fitted: Tensor

    def __init__(self, n_columns: int, n_pieces: int = 8) -> None:
        super().__init__()
        self.n_pieces = n_pieces
        knots = torch.zeros(n_columns, QUANTILES, dtype=torch.float64)
        self.register_buffer("knots", knots)
        self.register_buffer("fitted", torch.zeros(n_columns, dtype=torch.bool))

    @property
    def n_outputs(self) -> int:
        """Numbers of an object: P (n + 2)."""
        return len(self.knots) * (self.n_pieces + 2)

    def fit(self, values: Tensor) -> None:
        """Quantiles of the finite values, shape (B, P); a column without any stays unknown."""
        levels = torch.linspace(0, 1, QUANTILES, dtype=torch.float64)
        for i, column in enumerate(values.double().T):
            known = column[column.isfinite()]
            if len(known):
                self.knots[i], self.fitted[i] = known.quantile(levels), True

    def forward(self, values: Tensor) -> Tensor:
        """Normal scores, flags of what is known, and pieces, shape (B, P (n + 2)), float32.

        Args:
            values: Shape (B, P), NaN where unknown.
        """
        known = values.isfinite() & self.fitted
        rank = self.ranks(torch.where(known, values, 0.0))
        scores = torch.special.ndtri(rank.clamp(TAIL, 1 - TAIL))
        edges = torch.arange(self.n_pieces).to(rank)
        pieces = 2 * (self.n_pieces * rank[..., None] - edges).clamp(0, 1) - 1
        parts = [scores * known, known, (pieces * known[..., None]).flatten(1)]
        return torch.cat([part.to(torch.float32) for part in parts], dim=1)

    def ranks(self, values: Tensor) -> Tensor:
        """Share of the fitted values below finite ones (B, P); ties share the middle."""
        x = values.to(self.knots).T.contiguous()
        below = torch.searchsorted(self.knots, x)
        upto = torch.searchsorted(self.knots, x, right=True)
        left, right = (below - 1).clamp(min=0), below.clamp(max=QUANTILES - 1)
        start, end = self.knots.gather(1, left), self.knots.gather(1, right)
        between = left + torch.where(end > start, (x - start) / (end - start), 0.0)
        return torch.where(upto > below, (below + upto - 1) / 2, between).T / (QUANTILES - 1)

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"n_columns={len(self.knots)}, n_pieces={self.n_pieces}"
