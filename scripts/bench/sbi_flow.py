"""The learnt likelihood of one selected supernova, summed over surveys, against the exact one.

B1 with redshifts as they came. The errors of N supernovae add up, so that bias over σ is shown at
several N. Posteriors by the same ensemble sampler on both sides; the reference is the exact one
drawn twice. Times are CPU seconds on one thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import torch
from sbi_exact import PRIOR, SURVEY, numbers
from table import Row, main
from training_clock import quiet

from sntorch.sbi import (
    BoxPosterior,
    EnsembleSettings,
    SummaryLikelihood,
    draw_prior,
    sample,
    simulate,
)
from sntorch.sbi.diagnostics import compare
from sntorch.sbi.selected_flow import FlowLikelihood, SelectedFlow, fit_selected_flow

BATCH, STEPS = 2_048, 3_000
SURVEYS = {100: 30, 1_000: 4}
DRAWS, AT_ONCE = 400, 4


def rows(quick: bool) -> Iterable[Row]:
    """Training, then surveys of two sizes."""
    torch.set_num_threads(1)
    quiet()
    begun = time.process_time()
    flow = fit_selected_flow(SURVEY, PRIOR, batch=BATCH, steps=STEPS // 10 if quick else STEPS)
    seconds = time.process_time() - begun
    n = BATCH * flow.steps
    yield Row("sbi", f"B, flow from {n:,} selected SNe: training", "reported", f"{seconds:.0f} s")
    for size, n_surveys in SURVEYS.items():
        yield compared(flow, size, max(n_surveys // 8, 2) if quick else n_surveys)


def compared(flow: SelectedFlow, n: int, n_surveys: int) -> Row:
    """Bias, width and divergence of posteriors of surveys of n supernovae."""
    theta = draw_prior(PRIOR, n_surveys, seed=700 + n)
    data = simulate(SURVEY, theta, n, seed=700 + n)
    exact = BoxPosterior(SummaryLikelihood(SURVEY, data, "conditional"), PRIOR)
    begun = time.process_time()
    settings = EnsembleSettings(seed=3, at_once=AT_ONCE)
    learnt = sample(BoxPosterior(FlowLikelihood(flow, data), PRIOR), DRAWS, settings).theta
    seconds = time.process_time() - begun
    first, again = (sample(exact, DRAWS, EnsembleSettings(seed=k)).theta for k in (1, 2))
    found, floor = compare(learnt, first, PRIOR), compare(again, first, PRIOR)
    return Row(
        "sbi",
        f"B, {n_surveys} surveys of {n:,}: mean abs bias / σ; σ ratio; KL",
        "reported",
        f"{numbers(found.bias.abs().mean(0), 2)}; {numbers(found.width.mean(0), 2)}; "
        f"{float(found.divergence.median()):.2f} ({seconds / n_surveys:.0f} s a survey)",
        reference=f"exact twice {numbers(floor.bias.abs().mean(0), 2)}; "
        f"{float(floor.divergence.median()):.2f}",
    )


if __name__ == "__main__":
    main(rows)
