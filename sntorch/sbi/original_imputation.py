"""How SBI++'s authors impute (``sbi_pp.py`` of wangbingjie/sbi_pp), to compare with.

Neighbours of an object are the training measurements with a reduced χ² of at most c in the bands
that it has; c grows until there are thirty, or the first hundred rows are taken. A missing band is
drawn from a one-dimensional kernel density of the neighbours, each weighted by the inverse
Euclidean distance in magnitudes, on its own: colours are lost. A noisy band is drawn about what
was measured, within the range of neighbours in the noisy bands: its noise is added a second time,
and what the other bands know of it is not used. Errors are the median ones of drawn magnitudes.

What is different here: a draw that stays outside the range is put to its end, there is no time
limit, and neighbours of noisy bands are found as those of missing ones are. For noisy bands the
authors' range must bracket the measurement and needs ten rows; their c grows by 5 there; and where
none is found they fall back to the range of the whole training set, not to that of a hundred rows.

Letters in shapes: ``B`` objects, ``K`` imputations, ``T`` training rows, ``F`` bands.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sntorch.sbi.imputation import Imputed
from sntorch.sbi.photometry import Photometry
from sntorch.sbi.training_errors import TrainingErrors

FIRST, STEP, LAST, FEWEST, FALLBACK = 5.0, 10.0, 500.0, 30, 100
KERNEL, TRIES = 0.2, 20


class OriginalImputation:
    """Band by band, object by object.

    Args:
        training: The measurements that the estimator was trained on, without missing bands.
        errors: Of these.
    """

    def __init__(self, training: Photometry, errors: TrainingErrors) -> None:
        self.training, self.errors = training.magnitude.double(), errors

    def __call__(
        self, x: Photometry, n: int, generator: torch.Generator, numbers: Tensor | None = None
    ) -> Imputed:
        """``n`` complete measurements of each object; errors name it by its number, if given."""
        x.check(numbers)
        noisy = self.errors.noisy(x)
        magnitude = x.magnitude.double()[:, None].repeat(1, n, 1)
        error = x.error.double()[:, None].repeat(1, n, 1)
        counts, limits = torch.empty(len(x)).double(), torch.empty(len(x)).double()
        for b in range(len(x)):
            near, limits[b] = self._neighbours(x.magnitude[b], x.error[b], x.mask[b])
            counts[b] = len(near)
            weight = self._weights(near, x.magnitude[b], x.mask[b])
            for f in (~x.mask[b]).nonzero()[:, 0].tolist():
                magnitude[b, :, f] = _kernel_draws(near[:, f], weight, n, generator)
            if bool(noisy[b].any()):
                near, _ = self._neighbours(x.magnitude[b], x.error[b], noisy[b])
            for f in noisy[b].nonzero()[:, 0].tolist():
                middle, sd = float(x.magnitude[b, f]), float(x.error[b, f])
                magnitude[b, :, f] = _within(near[:, f], middle, sd, n, generator)
        usual = self.errors.median(magnitude.to(self.errors.knots)).double()
        replaced = (~x.mask | noisy)[:, None]
        return Imputed(
            magnitude, torch.where(replaced, usual, error), counts, torch.ones_like(counts), limits
        )

    def _neighbours(self, y: Tensor, sd: Tensor, there: Tensor) -> tuple[Tensor, float]:
        """Rows, shape (T', F), and the limit of the reduced χ² that they are within."""
        chi2 = (((self.training - y) / sd)[:, there] ** 2).mean(1)
        limit = FIRST
        while limit <= LAST:
            near = chi2 <= limit
            if int(near.sum()) >= FEWEST:
                return self.training[near], limit
            limit += STEP
        return self.training[:FALLBACK], limit

    def _weights(self, near: Tensor, y: Tensor, there: Tensor) -> Tensor:
        distance = (near - y)[:, there].norm(dim=1)
        return 1 / distance.clamp(min=1e-12)


def _kernel_draws(values: Tensor, weight: Tensor, n: int, generator: torch.Generator) -> Tensor:
    chosen = values[torch.multinomial(weight, n, replacement=True, generator=generator)]
    share = weight / weight.sum()
    variance = (share * (values - (share * values).sum()) ** 2).sum() / (1 - (share**2).sum())
    noise = torch.randn(n, generator=generator, dtype=values.dtype)
    return chosen + KERNEL * variance.sqrt() * noise


def _within(
    values: Tensor, middle: float, sd: float, n: int, generator: torch.Generator
) -> Tensor:
    low, high = values.min(), values.max()
    drawn = torch.full((n,), torch.nan, dtype=values.dtype)
    for _ in range(TRIES):
        again = middle + sd * torch.randn(n, generator=generator, dtype=values.dtype)
        fine = (again >= low) & (again <= high) & drawn.isnan()
        drawn = torch.where(fine, again, drawn)
    return torch.where(drawn.isnan(), torch.tensor(middle).to(drawn).clamp(low, high), drawn)
