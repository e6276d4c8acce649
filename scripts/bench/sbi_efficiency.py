"""A learnt efficiency in a tractable likelihood, held to the exact posterior survey by survey.

Surveys are drawn from the prior. The posterior with the learnt efficiency is compared with the
exact one by weighting the exact one's draws, so that Monte-Carlo noise cancels; for 100 supernovae
also by drawing from it, which has the noise of two independent samples (the reference: the exact
posterior drawn twice). Times are CPU seconds on one thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import torch
from sbi_exact import PARAMETERS, PRIOR, SURVEY, numbers
from table import Row, main
from torch import Tensor
from training_clock import quiet

from sntorch.inference.efficiency import fit_efficiency
from sntorch.sbi import (
    BoxPosterior,
    EnsembleSettings,
    SummaryLikelihood,
    draw_prior,
    sample,
    simulate,
)
from sntorch.sbi.selected import LearntSelection, inject

N_INJECTIONS, N_THETA = 25_000, 2_000
SURVEYS = {100: 60, 1_000: 30, 3_000: 20}
LIMIT_BIAS, LIMIT_RATIO, LIMIT_SECONDS = 0.1, (0.98, 1.02), 10.0


def rows(quick: bool) -> Iterable[Row]:
    """Training, then surveys of three sizes."""
    torch.set_num_threads(1)
    quiet()
    learnt, row = trained()
    yield row
    for n, n_surveys in SURVEYS.items():
        yield from compared(n, n_surveys // 4 if quick else n_surveys, learnt, quick)


def trained() -> tuple[LearntSelection, Row]:
    """The efficiency, and how well it gives the fraction detected over the whole prior."""
    begun = time.process_time()
    module = fit_efficiency(*inject(SURVEY, N_INJECTIONS, seed=1))
    seconds = time.process_time() - begun
    learnt = LearntSelection(SURVEY, module)
    theta = draw_prior(PRIOR, N_THETA, seed=3)[None]
    data = simulate(SURVEY, theta[0, :1], 10, seed=3)
    found = SummaryLikelihood(SURVEY, data, log_selection=learnt).log_detectable(theta)
    off = float((found - SummaryLikelihood(SURVEY, data).log_detectable(theta)).std())
    return learnt, Row(
        "sbi",
        f"efficiency from {N_INJECTIONS:,} injections: training; rms of ln β over the prior",
        f"< {LIMIT_SECONDS:.0f} s",
        f"{seconds:.1f} s; {off:.1e}",
        met="yes" if seconds < LIMIT_SECONDS else "no",
    )


def compared(n: int, n_surveys: int, learnt: LearntSelection, quick: bool) -> Iterable[Row]:
    """Bias and width of the learnt posteriors of surveys of n supernovae."""
    theta = draw_prior(PRIOR, n_surveys, seed=100 + n)
    data = simulate(SURVEY, theta, n, seed=100 + n)
    exact = SummaryLikelihood(SURVEY, data)
    other = SummaryLikelihood(SURVEY, data, log_selection=learnt)
    drawn = sample(BoxPosterior(exact, PRIOR), 1_000).theta
    # One survey at a time: the quadrature has a thousand points for each draw.
    parts = [other.take(i).log_selected(drawn[i]) for i in torch.arange(n_surveys).split(1)]
    weight = (exact.log_selected(drawn) - torch.cat(parts)).softmax(1)
    mean, sd = moments(drawn, torch.full_like(weight, 1 / weight.shape[1]))
    new_mean, new_sd = moments(drawn, weight)
    yield verdict(n, n_surveys, "weighted draws", (new_mean - mean) / sd, new_sd / sd)
    if n == min(SURVEYS) and not quick:
        again = sample(BoxPosterior(exact, PRIOR), 1_000, EnsembleSettings(seed=1)).theta
        settings = EnsembleSettings(seed=2, at_once=4)
        its = sample(BoxPosterior(other, PRIOR), 1_000, settings).theta
        floor = numbers(((again.mean(1) - mean) / sd).abs().mean(0), 3)
        ratio = its.std(1) / sd
        yield verdict(n, n_surveys, "own draws", (its.mean(1) - mean) / sd, ratio, floor)


def moments(draws: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and standard deviation, shape (B, 5) each."""
    mean = (draws * weight[..., None]).sum(1)
    return mean, ((draws - mean[:, None]) ** 2 * weight[..., None]).sum(1).sqrt()


def verdict(
    n: int, n_surveys: int, how: str, bias: Tensor, ratio: Tensor, floor: str = "-"
) -> Row:
    """A row of bias and width."""
    size, widths = bias.abs().mean(0), ratio.mean(0)
    fine = float(size.max()) < LIMIT_BIAS
    fine &= LIMIT_RATIO[0] < float(widths.min()) and float(widths.max()) < LIMIT_RATIO[1]
    return Row(
        "sbi",
        f"learnt efficiency, {n_surveys} surveys of {n:,}, {how}: mean abs bias / σ of "
        f"{' '.join(PARAMETERS)}; σ ratio",
        f"< {LIMIT_BIAS}; {LIMIT_RATIO[0]}-{LIMIT_RATIO[1]}",
        f"{numbers(size, 3)}; {numbers(widths, 3)}",
        reference=floor,
        met="yes" if fine else "no",
    )


if __name__ == "__main__":
    main(rows)
