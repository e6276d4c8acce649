"""A neural ratio in truncated rounds, held to the exact posterior survey by survey.

The benchmark B1 of ``sntorch.sbi.summary``. Two rounds of training for one observation: the first
one on the whole prior, the second in the box that the first one's own posterior of the observation
gives. Then fresh surveys are drawn from that box, and each one's posterior is compared with its
exact one in the same box: by own draws of both, which has the noise of two finite samples (the
reference: the exact posterior drawn twice), and by resampling the exact one's draws, so that the
noise cancels. Kullback-Leibler divergences are those of normal distributions with the moments of
the draws in unconstrained coordinates. Times are CPU seconds on one thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
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
from sntorch.sbi.diagnostics import Calibration, PosteriorComparison, calibrate, compare
from sntorch.sbi.truncation import Round

N, BATCH, N_DRAWS = 100, 128, 1_000
ROUNDS = 2
STEPS, QUICK_STEPS = (1_500, 9_000), (200, 300)
SURVEYS, QUICK_SURVEYS, AT_ONCE = 1_000, 40, 25
# Seeds of training, of the observation, and of the test: two whole runs.
SEEDS = ((1, 21, 22), (2, 31, 32))
LIMIT_SECONDS, LIMIT_SAMPLING = 900.0, 120.0
LIMIT_BIAS, LIMIT_RATIO, LIMIT_KL = 0.2, (0.95, 1.08), 0.2
STRETCH_BIAS, STRETCH_KL = 0.1, 0.05
COVERAGE = {68: 0.04, 95: 0.02}
EMBEDDING = {"_target_": "sntorch.sbi.embeddings.DeepSet"}


def rows(quick: bool) -> Iterable[Row]:
    """Training in rounds, then the test within the box; a quick one proves nothing."""
    quiet()
    steps, n_surveys = (QUICK_STEPS, QUICK_SURVEYS) if quick else (STEPS, SURVEYS)
    for i, seeds in enumerate(SEEDS[:1] if quick else SEEDS, start=1):
        for row in _rows(steps, n_surveys, *seeds):
            told = replace(row, what=f"{row.what} (training {i})")
            yield replace(told, met="-") if quick else told


def _rows(
    steps: tuple[int, ...], n_surveys: int, training: int, observed: int, test: int
) -> Iterable[Row]:
    found, seconds = trained(steps, training, observed)
    yield trained_row(found, BATCH * sum(steps[: len(found)]), seconds)
    yield from tested(found[-1].estimator, found[-1].prior, n_surveys, test)


def trained(steps: tuple[int, ...], training: int, observed: int) -> tuple[list[Round], float]:
    """The rounds for one observation of the fiducial universe, and CPU seconds for all of it."""
    left: Iterator[int] = iter(steps)

    def train(estimator: Any, simulator: Any) -> None:
        data = SurveyDataModule(simulator, BATCH, next(left), n_validation=0)
        bare_trainer(max_epochs=1).fit(estimator, data)

    begun = time.process_time()
    found = truncated_rounds(
        RatioModule(PRIOR, EMBEDDING),
        SummarySimulator(SURVEY, PRIOR, N, training),
        simulate(SURVEY, fiducial(1), N, seed=observed),
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


def tested(module: Any, box: BoxPrior, n_surveys: int, seed: int) -> Iterable[Row]:
    """Surveys of the box: sampling, calibration, and their exact posteriors."""
    theta = draw_prior(box, n_surveys, seed=seed)
    data = simulate(SURVEY, theta, N, seed=seed)
    begun = time.process_time()
    # Walkers of one seed move alike, which would bring it closer to the exact posterior's draws.
    draws = sample(module.posterior(data), N_DRAWS, EnsembleSettings(seed=2)).theta
    seconds = time.process_time() - begun
    found = calibrate(draws, theta, box)
    yield sampling_row(found, seconds)
    yield coverage_row(found)
    likelihood = SummaryLikelihood(SURVEY, data)
    exact = sample(BoxPosterior(likelihood, box), N_DRAWS).theta
    again = sample(BoxPosterior(likelihood, box), N_DRAWS, EnsembleSettings(seed=1)).theta
    floor = verdict(compare(again, exact, box))
    yield from compared_rows("own draws", compare(draws, exact, box), floor)
    shared = resampled(exact, weights(module, likelihood, data, exact))
    yield from compared_rows("exact draws resampled", compare(shared, exact, box), "0; 1; 0")


@torch.no_grad()
def weights(module: Any, likelihood: SummaryLikelihood, data: Any, draws: Tensor) -> Tensor:
    """Of exact draws, for the estimated posteriors, shape (B, S)."""
    parts = []
    for index in torch.arange(len(draws)).split(AT_ONCE):
        learnt = module.likelihood(data.take(index))(draws[index])
        parts.append((learnt - likelihood.take(index)(draws[index])).softmax(1))
    return torch.cat(parts)


def resampled(draws: Tensor, weight: Tensor) -> Tensor:
    """Draws (B, S, D) repeated in proportion to their weights (B, S), at even steps."""
    n = draws.shape[1]
    place = ((torch.arange(n) + 0.5) / n).to(weight).expand(len(draws), n).contiguous()
    index = torch.searchsorted(weight.cumsum(1), place).clamp(max=n - 1)
    return draws.gather(1, index[..., None].expand_as(draws))


def sampling_row(found: Calibration, seconds: float) -> Row:
    """Time of drawing, and TARP."""
    n_surveys = len(found.ranks)
    limit = LIMIT_SAMPLING * n_surveys / SURVEYS
    return Row(
        "sbi",
        f"A: {n_surveys:,} posteriors of {N_DRAWS:,} draws by the batched sampler",
        f"< {LIMIT_SAMPLING:.0f} s for {SURVEYS:,}",
        f"{seconds:.0f} s; TARP: largest |ECP - α| {found.tarp_deviation:.3f}",
        reference=f"{1.36 / n_surveys**0.5:.3f} (KS, 5 %)",
        met="yes" if seconds < limit else "no",
    )


def coverage_row(found: Calibration) -> Row:
    """How often central intervals hold the truth."""
    told, fine = [], True
    for percent, limit in COVERAGE.items():
        inside = torch.tensor([e.value for e in found.coverage(percent / 100)])
        told.append(f"{percent} %: {numbers(100 * inside, 1)}")
        fine &= bool(((inside - percent / 100).abs() < limit).all())
    return Row(
        "sbi",
        f"A: intervals of {len(found.ranks):,} surveys drawn inside the box hold the truth",
        "68 % within 4, 95 % within 2",
        "; ".join(told),
        met="yes" if fine else "no",
    )


def verdict(found: PosteriorComparison) -> str:
    """Mean size of the bias over σ, σ ratio, and median divergence."""
    bias, width = found.bias.abs().mean(0), found.width.mean(0)
    return f"{numbers(bias, 3)}; {numbers(width, 3)}; {float(found.divergence.median()):.3f}"


def compared_rows(how: str, found: PosteriorComparison, floor: str) -> Iterable[Row]:
    """Bias, width and divergence, against what is asked and what would be better still."""
    bias, divergence = float(found.bias.abs().mean(0).max()), float(found.divergence.median())
    width = found.width.mean(0)
    fine = bias < LIMIT_BIAS and divergence < LIMIT_KL
    fine &= LIMIT_RATIO[0] < float(width.min()) and float(width.max()) < LIMIT_RATIO[1]
    compared = f"A: {len(found.bias):,} surveys, {how}"
    yield Row(
        "sbi",
        f"{compared}: mean abs bias / σ of {' '.join(PARAMETERS)}; σ ratio; median KL",
        f"< {LIMIT_BIAS}; {LIMIT_RATIO[0]}-{LIMIT_RATIO[1]}; < {LIMIT_KL}",
        verdict(found),
        reference=floor,
        met="yes" if fine else "no",
    )
    yield Row(
        "sbi",
        f"{compared}, stretch: largest bias / σ; median KL",
        f"< {STRETCH_BIAS}; {STRETCH_KL}",
        f"{bias:.3f}; {divergence:.3f}",
        met="yes" if bias < STRETCH_BIAS and divergence < STRETCH_KL else "no",
    )


if __name__ == "__main__":
    main(rows)
