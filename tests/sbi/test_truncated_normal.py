"""Normal numbers between bounds, against scipy's."""

import math

import pytest
import torch
from scipy.stats import norm, truncnorm

from sntorch.sbi.truncated_normal import ACCEPTED, log_between, truncated_normal

N = 100_000
BOUNDS = [
    (-1.0, 2.0),
    (-math.inf, 0.3),
    (2.0, math.inf),
    (10.0, 10.3),
    (-math.inf, -30.0),
    (-60.0, -45.0),
    (-20.0, 40.0),
]


@pytest.mark.parametrize(("low", "high"), BOUNDS)
def test_moments(low, high):
    generator = torch.Generator().manual_seed(2)
    luck, again = torch.rand(2, N, generator=generator, dtype=torch.float64)
    found, accepted = truncated_normal(
        torch.full_like(luck, low), torch.full_like(luck, high), luck
    )
    assert float(accepted.max()) <= 0
    kept = found[again.log() < accepted]
    # As many of all bounds, which may be random numbers themselves.
    assert abs(len(kept) / N - ACCEPTED) < 4 * (ACCEPTED * (1 - ACCEPTED) / N) ** 0.5
    assert low <= float(kept.min()) <= float(kept.max()) <= high
    mean, variance = truncnorm.stats(low, high)
    assert abs(float(kept.mean()) - mean) < 4 * (variance / len(kept)) ** 0.5
    assert float(kept.var()) == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize(("low", "high"), BOUNDS)
def test_probability(low, high):
    # In the tail on the other side the survival function has the digits.
    a, b = (-high, -low) if low > 0 else (low, high)
    expected = norm.logcdf(b) + math.log1p(-math.exp(norm.logcdf(a) - norm.logcdf(b)))
    found = log_between(*torch.tensor([low, high], dtype=torch.float64))
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_gradients_with_bounds_in_the_middle_and_in_tails():
    low = torch.tensor([-1.0, -math.inf, -60.0, 10.0], dtype=torch.float64)
    high = torch.tensor([2.0, 0.3, -45.0, 10.3], dtype=torch.float64, requires_grad=True)
    luck = torch.tensor([0.2, 0.5, 0.8, 0.4], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda bound: truncated_normal(low, bound, luck), high)
