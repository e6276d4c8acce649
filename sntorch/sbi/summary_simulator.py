"""Simulated surveys of summarised supernovae, many at a time, each one reproducible.

Every candidate has numbers of its own, the Philox words (Salmon et al. 2011) of the key (seed,
survey) at its place in the survey: it comes out the same whatever the other surveys and however
many candidates are drawn at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.random import Generator, Philox
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.filling import Filling, groups
from sntorch.sbi.prior import BoxPrior, check_rows
from sntorch.sbi.summary import PARAMETERS, SummaryData, SummarySurvey

# A candidate has eight numbers: two of Philox's blocks of four.
NUMBERS, BLOCKS = 8, 2
FOR_CANDIDATES, FOR_EXPLOSIONS, FOR_PRIOR, FOR_NUMBER = range(4)
MOST_AT_ONCE = 25_000


def simulate(
    survey: SummarySurvey, theta: Tensor, n: int | Tensor, seed: int, first: int = 0
) -> SummaryData:
    """Surveys with ``n`` detected supernovae each.

    Args:
        survey: What is observed.
        theta: Parameters of each survey, shape (B, 5), float64.
        n: Number of supernovae, at least 1; of each survey where shape (B,), int64.
        seed: Any integer.
        first: Number of the first survey; the b-th is number ``first + b`` of the seed.

    Raises:
        ConfigError: An empty survey, parameters that are not five, or a selection that keeps next
            to nothing.
    """
    check_rows(theta, PARAMETERS)
    filling = Filling(len(theta), n)
    width = int(filling.n.max())
    redshift = torch.full((len(theta), width), survey.z_low, dtype=torch.float64)
    data = torch.zeros(len(theta), width, 3, dtype=torch.float64)
    for surveys, counts in filling.rounds(MOST_AT_ONCE):
        drawn = _candidates(survey, theta, seed, first, surveys, filling.seen, counts)
        owner, z, measured, detected = drawn
        seat, row = filling.add(surveys, counts, owner, detected)
        redshift[seat], data[seat] = z[row], measured[row]
    mask = torch.arange(width) < filling.n[:, None]
    return SummaryData(redshift, data, mask, filling.last)


def simulate_exposure(
    survey: SummarySurvey, theta: Tensor, rate: float, seed: int, first: int = 0
) -> SummaryData:
    """Surveys of a fixed duration: a Poisson number of explosions, of which some are detected.

    Args:
        survey: What is observed.
        theta: Parameters of each survey, shape (B, 5), float64.
        rate: Expected number of explosions.
        seed: Any integer.
        first: Number of the first survey.
    """
    check_rows(theta, PARAMETERS)
    generators = [_generator(seed, first + b, FOR_EXPLOSIONS) for b in range(len(theta))]
    counts = torch.tensor([g.poisson(rate) for g in generators])
    every, none = torch.arange(len(theta)), torch.zeros(len(theta), dtype=torch.int64)
    drawn = [
        _candidates(survey, theta, seed, first, every[part], none, counts[part])
        for part in groups(counts, MOST_AT_ONCE)
    ]
    owner, z, data, detected = (torch.cat(parts) for parts in zip(*drawn, strict=True))
    owner, z, data = owner[detected], z[detected], data[detected]
    number = torch.bincount(owner, minlength=len(theta))
    place = torch.arange(len(owner)) - (number.cumsum(0) - number)[owner]
    width = int(number.max())
    redshift = z.new_full((len(theta), width), survey.z_low)
    padded = z.new_zeros(len(theta), width, 3)
    redshift[owner, place], padded[owner, place] = z, data
    return SummaryData(redshift, padded, torch.arange(width) < number[:, None], counts)


def draw_prior(prior: BoxPrior, n: int, seed: int, first: int = 0) -> Tensor:
    """Parameters of surveys ``first`` … ``first + n - 1`` of a seed, shape (n, D), float64."""
    drawn = [_generator(seed, first + b, FOR_PRIOR).random(prior.dim) for b in range(n)]
    return prior.from_uniform(torch.from_numpy(np.stack(drawn)))


def number_range(n: int | Sequence[int]) -> tuple[int, int]:
    """Least and largest number of supernovae in a survey, of one number or the two.

    Raises:
        ConfigError: Less than one, or in the wrong order.
    """
    low, high = (n, n) if isinstance(n, int) else (n[0], n[-1])
    if not 1 <= low <= high:
        raise ConfigError(f"n={n}: N >= 1, or least and largest N, are accepted")
    return low, high


def draw_numbers(low: int, high: int, n: int, seed: int, first: int = 0) -> int | Tensor:
    """Log-uniform whole numbers from ``low`` to ``high`` for surveys of a seed, shape (n,).

    Where there is one number only it is not drawn.
    """
    if low == high:
        return high
    drawn = [_generator(seed, first + b, FOR_NUMBER).random() for b in range(n)]
    return (low * ((high + 1) / low) ** torch.tensor(drawn, dtype=torch.float64)).long()


def _candidates(
    survey: SummarySurvey,
    theta: Tensor,
    seed: int,
    first: int,
    surveys: Tensor,
    start: Tensor,
    counts: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Survey, redshift, data and detection of candidates, shapes (M,), (M,), (M, 3), (M,)."""
    u = np.empty((int(counts.sum()), NUMBERS))
    end = 0
    for b, count in zip(surveys.tolist(), counts.tolist(), strict=True):
        generator = _generator(seed, first + b, FOR_CANDIDATES, BLOCKS * int(start[b]))
        generator.random(out=u[end : end + count])
        end += count
    numbers = torch.from_numpy(u).T.contiguous()
    owner = surveys.repeat_interleave(counts)
    z = survey.redshift_quantile(numbers[0])
    # Zero has one chance in 2^53 and no normal number.
    normal = torch.special.ndtri(numbers[1:].clamp_(min=2.0**-54))
    m0, alpha, beta, sigma_int = (column[owner] for column in theta[:, 1:].unbind(1))
    x = survey.x0 + survey.sigma_x * normal[0]
    c = survey.c0 + survey.sigma_c * normal[1]
    # Its coefficients are computed once a survey.
    within, place = surveys.unique(return_inverse=True)
    mu = survey.distances.of_many(z, theta[within, 0], place.repeat_interleave(counts))
    m = mu + m0 - alpha * x + beta * c + sigma_int * normal[2]
    measured = zip((m, x, c), survey.noise_sd(z), normal[3:6], strict=True)
    data = torch.stack([true + sd * noise for true, sd, noise in measured])
    return owner, z, data.T, survey.is_detected(data.T, normal[6])


def _generator(seed: int, survey: int, purpose: int, start: int = 0) -> Generator:
    key = np.array([seed % 2**64, survey], dtype=np.uint64)
    return Generator(Philox(key=key, counter=np.array([start, 0, 0, purpose], dtype=np.uint64)))
