"""What an estimator tells of surveys, as a likelihood that samplers take.

Letters in shapes: ``B`` surveys, ``C`` points θ, ``D`` parameters, ``E`` numbers of an embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from torch import Tensor

from sntorch.sbi.taking import taken


class EstimatedLikelihood:
    """ln r of B embedded surveys; a ``sntorch.sbi.posterior.Likelihood``.

    Args:
        log_ratio: ln r, shape (B, C), of θ (B, C, D) and embeddings (B, E).
        embedded: Of the surveys, shape (B, E).
    """

    def __init__(self, log_ratio: Callable[[Tensor, Tensor], Tensor], embedded: Tensor) -> None:
        self.log_ratio, self.embedded = log_ratio, embedded

    def __len__(self) -> int:
        return len(self.embedded)

    def __call__(self, theta: Tensor) -> Tensor:
        """ln r, shape (B, C), in the type of θ (B, C, D)."""
        found = self.log_ratio(theta.to(self.embedded.device), self.embedded)
        return found.to(theta)

    def take(self, index: Tensor) -> Self:
        """That of the chosen surveys."""
        return taken(self, index.to(self.embedded.device), "embedded")
