"""A neural ratio in truncated rounds, held to the exact posterior survey by survey.

The benchmark B1 of ``sntorch.sbi.summary``. Two rounds of training for one observation: the first
one on the whole prior, the second in the box that the first one's own posterior of the observation
gives. Then fresh surveys are drawn from that box, and each one's posterior is compared with its
exact one in the same box: by own draws of both, which has the noise of two finite samples (the
reference: the exact posterior drawn twice), and by weighting the exact one's draws, so that the
noise cancels. Kullback-Leibler divergences are those of normal distributions with the moments of
the draws in unconstrained coordinates. Times are CPU seconds on one thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from sbi_exact import PARAMETERS, PRIOR, SURVEY, fiducial, numbers
from table import Row, main
from torch import Tensor
from training_clock import bare_trainer, quiet

from sntorch.sbi import (
    BoxPosterior,
    BoxPrior,
    EnsembleSettings,
    RatioModule,
    SummaryLikelihood,
    SummarySimulator,
    SurveyDataModule,
    draw_prior,
    sample,
    simulate,
    truncated_rounds,
)
from sntorch.sbi.truncation import Round

N, BATCH, N_DRAWS = 100, 128, 1_000
ROUNDS = 2
STEPS, QUICK_STEPS = (800, 3_000), (200, 300)
SURVEYS, QUICK_SURVEYS, AT_ONCE = 1_000, 40, 25
# Seeds of training, of the observation, and of the test.
TRAINING, OBSERVED, TEST = 1, 21, 22
LIMIT_SECONDS, LIMIT_SAMPLING = 900.0, 120.0
LIMIT_BIAS, LIMIT_RATIO, LIMIT_KL = 0.2, (0.95, 1.08), 0.2
COVERAGE = {68: 0.04, 95: 0.02}
EMBEDDING = {"_target_": "sntorch.sbi.embeddings.DeepSet"}


@dataclass(frozen=True, eq=False)
class Moments:
    """Of B posteriors.

    Attributes:
        mean, sd: Of the parameters, shape (B, D).
        centre: Mean of the unconstrained variables, shape (B, D).
        covariance: Of the unconstrained variables, shape (B, D, D).
    """

    mean: Tensor
    sd: Tensor
    centre: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, draws: Tensor, box: BoxPrior, weight: Tensor | None = None) -> Moments:
        """Moments of draws, shape (B, S, D), with weights (B, S)."""
        if weight is None:
            weight = torch.full(draws.shape[:2], 1 / draws.shape[1], dtype=draws.dtype)
        mean, covariance = weighted(draws, weight)
        sd = covariance.diagonal(dim1=1, dim2=2).sqrt()
        return cls(mean, sd, *weighted(box.unconstrain(draws), weight))


def weighted(draws: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (B, D) and covariance (B, D, D)."""
    mean = (draws * weight[..., None]).sum(1)
    off = draws - mean[:, None]
    return mean, (off * weight[..., None]).mT @ off


def divergence(p: Moments, q: Moments) -> Tensor:
    """KL(p || q) of normal distributions, nats, shape (B,)."""
    own, other = torch.linalg.cholesky(p.covariance), torch.linalg.cholesky(q.covariance)
    ratio = torch.linalg.solve_triangular(other, own, upper=False)
    off = torch.linalg.solve_triangular(other, (q.centre - p.centre)[..., None], upper=False)
    size = (ratio**2).sum((1, 2)) + (off**2).sum((1, 2)) - p.centre.shape[1]
    return size / 2 - ratio.diagonal(dim1=1, dim2=2).log().sum(1)


def rows(quick: bool) -> Iterable[Row]:
    """Training in rounds, then the test within the box."""
    quiet()
    steps = QUICK_STEPS if quick else STEPS
    found, seconds = trained(steps)
    yield trained_row(found, BATCH * sum(steps[: len(found)]), seconds)
    yield from tested(found[-1].estimator, found[-1].prior, QUICK_SURVEYS if quick else SURVEYS)


def trained(steps: tuple[int, ...]) -> tuple[list[Round], float]:
    """The rounds for one observation of the fiducial universe, and CPU seconds for all of it."""
    left: Iterator[int] = iter(steps)

    def train(estimator: Any, simulator: Any) -> None:
        data = SurveyDataModule(simulator, BATCH, next(left), n_validation=0)
        bare_trainer(max_epochs=1).fit(estimator, data)

    begun = time.process_time()
    found = truncated_rounds(
        RatioModule(PRIOR, EMBEDDING),
        SummarySimulator(SURVEY, PRIOR, N, TRAINING),
        simulate(SURVEY, fiducial(1), N, seed=OBSERVED),
        train,
        most=ROUNDS,
    )
    return found, time.process_time() - begun


def trained_row(found: list[Round], n: int, seconds: float) -> Row:
    """Time for n surveys, and what the first round left of the prior."""
    box = found[-1].prior
    smaller = math.exp(PRIOR.log_volume - box.log_volume)
    edges = ", ".join(f"{a:.2f} to {b:.2f}" for a, b in zip(box.low, box.high, strict=True))
    return Row(
        "sbi",
        f"A: NRE-B in {len(found)} rounds, {n:,} surveys of {N}: training, simulation included",
        f"<= {LIMIT_SECONDS:.0f} s",
        f"{seconds:.0f} s; prior's volume / {smaller:.1f}: {edges}",
        met="yes" if seconds <= LIMIT_SECONDS and len(found) > 1 else "no",
    )


def tested(module: Any, box: BoxPrior, n_surveys: int) -> Iterable[Row]:
    """Surveys of the box: sampling, calibration, and their exact posteriors."""
    theta = draw_prior(box, n_surveys, seed=TEST)
    data = simulate(SURVEY, theta, N, seed=TEST)
    begun = time.process_time()
    draws = sample(module.posterior(data), N_DRAWS).theta
    seconds = time.process_time() - begun
    yield sampling_row(draws, theta, seconds)
    yield coverage_row(draws, theta)
    likelihood = SummaryLikelihood(SURVEY, data)
    exact = sample(BoxPosterior(likelihood, box), N_DRAWS).theta
    again = sample(BoxPosterior(likelihood, box), N_DRAWS, EnsembleSettings(seed=1)).theta
    truth = Moments.of(exact, box)
    floor = verdict(truth, Moments.of(again, box))
    yield compared_row("own draws", truth, Moments.of(draws, box), floor)
    weight = weights(module, likelihood, data, exact)
    yield compared_row("weighted draws", truth, Moments.of(exact, box, weight), "0; 1; 0")


@torch.no_grad()
def weights(module: Any, likelihood: SummaryLikelihood, data: Any, draws: Tensor) -> Tensor:
    """Of exact draws, for moments of the estimated posteriors, shape (B, S)."""
    parts = []
    for index in torch.arange(len(draws)).split(AT_ONCE):
        learnt = module.likelihood(data.take(index))(draws[index])
        parts.append((learnt - likelihood.take(index)(draws[index])).softmax(1))
    return torch.cat(parts)


def sampling_row(draws: Tensor, theta: Tensor, seconds: float) -> Row:
    """Time of drawing, and TARP."""
    n_surveys = len(theta)
    limit = LIMIT_SAMPLING * n_surveys / SURVEYS
    return Row(
        "sbi",
        f"A: {n_surveys:,} posteriors of {N_DRAWS:,} draws by the batched sampler",
        f"< {LIMIT_SAMPLING:.0f} s for {SURVEYS:,}",
        f"{seconds:.0f} s; TARP: largest |ECP - α| {tarp(draws, theta):.3f}",
        reference=f"{1.36 / n_surveys**0.5:.3f} (KS, 5 %)",
        met="yes" if seconds < limit else "no",
    )


def coverage_row(draws: Tensor, theta: Tensor) -> Row:
    """How often central intervals hold the truth."""
    rank = (draws < theta[:, None]).double().mean(1)
    found, fine = [], True
    for percent, limit in COVERAGE.items():
        inside = (2 * (rank - 0.5).abs() < percent / 100).double().mean(0)
        found.append(f"{percent} %: {numbers(100 * inside, 1)}")
        fine &= bool(((inside - percent / 100).abs() < limit).all())
    return Row(
        "sbi",
        f"A: intervals of {len(theta):,} surveys drawn inside the box hold the truth",
        "68 % within 4, 95 % within 2",
        "; ".join(found),
        met="yes" if fine else "no",
    )


def tarp(draws: Tensor, theta: Tensor) -> float:
    """Largest distance of expected coverage and credibility (Lemos et al. 2023, 2302.03026)."""
    low, high = theta.amin(0), theta.amax(0)
    generator = torch.Generator().manual_seed(TEST)
    reference = low + (high - low) * torch.rand(theta.shape, generator=generator).double()

    def distance(point: Tensor) -> Tensor:
        return ((point - reference[:, None]) / (high - low)).norm(dim=-1)

    credibility = (distance(draws) < distance(theta[:, None])).double().mean(1).sort().values
    expected = torch.arange(1, len(theta) + 1, dtype=torch.float64) / len(theta)
    return float((credibility - expected).abs().max())


def verdict(p: Moments, q: Moments) -> str:
    """Mean size of the bias over σ, σ ratio, and median divergence."""
    bias = ((q.mean - p.mean) / p.sd).abs().mean(0)
    ratio = (q.sd / p.sd).mean(0)
    return f"{numbers(bias, 3)}; {numbers(ratio, 3)}; {float(divergence(p, q).median()):.3f}"


def compared_row(how: str, p: Moments, q: Moments, floor: str) -> Row:
    """A row of bias, width and divergence."""
    bias, ratio = ((q.mean - p.mean) / p.sd).abs().mean(0), (q.sd / p.sd).mean(0)
    fine = float(bias.max()) < LIMIT_BIAS and float(divergence(p, q).median()) < LIMIT_KL
    fine &= LIMIT_RATIO[0] < float(ratio.min()) and float(ratio.max()) < LIMIT_RATIO[1]
    return Row(
        "sbi",
        f"A: {len(p.mean):,} surveys, {how}: mean abs bias / σ of {' '.join(PARAMETERS)}; "
        "σ ratio; median KL",
        f"< {LIMIT_BIAS}; {LIMIT_RATIO[0]}-{LIMIT_RATIO[1]}; < {LIMIT_KL}",
        verdict(p, q),
        reference=floor,
        met="yes" if fine else "no",
    )


if __name__ == "__main__":
    main(rows)
