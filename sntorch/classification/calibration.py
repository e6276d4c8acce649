"""Temperature scaling (Guo et al. 2017, arXiv:1706.04599, section 4.2).

Logits are divided by one number, T > 0, fitted on validation objects by maximum likelihood. The
order of the classes, and so the accuracy, stays as it was. Deviation: ln T is kept within ± ln 20
by a hyperbolic tangent, so that a validation set that is classified without an error does not
drive T to zero.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sntorch.errors import DataError

LARGEST = 20.0
STEPS = 100


class Temperature(nn.Module):
    """Divides logits by a fitted number.

    Args:
        largest: T stays between its inverse and this.

    Example:
        >>> scale = Temperature().fit(validation_logits, validation_labels)  # doctest: +SKIP
        >>> probabilities = scale(test_logits).softmax(-1)  # doctest: +SKIP
    """

    raw: nn.Parameter

    def __init__(self, largest: float = LARGEST) -> None:
        super().__init__()
        self.bound = math.log(largest)
        self.raw = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def extra_repr(self) -> str:
        """The fitted temperature."""
        return f"temperature={self.temperature.item():.3f}"

    @property
    def temperature(self) -> Tensor:
        """T, a scalar; 1 before the fit."""
        return (self.bound * torch.tanh(self.raw)).exp()

    def forward(self, logits: Tensor) -> Tensor:
        """Logits over the temperature, shape (…, C), in the type of ``logits``."""
        return logits / self.temperature.to(logits)

    def fit(self, logits: Tensor, label: Tensor) -> Temperature:
        """Find the most likely temperature by L-BFGS; returns itself.

        Args:
            logits: Of validation objects, which had no part in training, shape (N, C).
            label: Their classes, shape (N,); objects with -1 do not count.

        Raises:
            DataError: No labelled objects, or logits that are not finite.
        """
        known = label >= 0
        logits, label = logits.detach()[known].double(), label[known]
        if not len(label) or not logits.isfinite().all():
            raise DataError(
                f"{len(label)} labelled validation objects"
                f"{'' if logits.isfinite().all() else ' with logits that are not finite'}: "
                "a temperature cannot be fitted"
            )
        with torch.no_grad():
            self.raw.zero_()
        optimiser = torch.optim.LBFGS([self.raw], max_iter=STEPS, line_search_fn="strong_wolfe")

        def closure() -> float:
            optimiser.zero_grad()
            loss = cross_entropy(self(logits), label)
            loss.backward()
            return loss.item()

        with torch.enable_grad():
            optimiser.step(closure)
        return self
