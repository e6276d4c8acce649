"""Surveys of light curves with cuts: how fast they are simulated, and the exact answer for them.

The benchmark B2 of ``sntorch.sbi.light_curve_survey``: SNe Ia of one shape, in a griz survey that
sees half of them, kept with five detections of S/N > 5, one before and two after peak. What a full
simulation costs (BayeSN with residual surfaces, dust, noise) is in the first row. Times are CPU
seconds on one thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import torch
from sbi_exact import numbers
from table import Row, main
from torch import Tensor

from sntorch.inference.laplace import laplace
from sntorch.sbi import BoxPosterior, BoxPrior, sample
from sntorch.sbi.benchmarks.light_curves import CUT, FIDUCIAL, bank_simulator
from sntorch.sbi.light_curve_exact import LightCurveLikelihood
from sntorch.sbi.light_curve_survey import (
    PARAMETERS,
    PRIOR,
    LightCurveSurvey,
    LightCurveSurveys,
    simulate_light_curves,
)

N_BANK, N_KEPT, N_SURVEYS, N_SUPERNOVAE = 1_000, 100_000, 1_000, 100
LIMIT_SECONDS, LIMIT_ERRORS = 120.0, 3.0
# Room for the wrong answers.
WIDE = BoxPrior(PARAMETERS, (0.02, -1.0, 0.01), (0.98, 1.0, 0.6))


def rows(quick: bool) -> Iterable[Row]:
    """Simulators, scores at the truth, and what ignoring the cut does."""
    torch.set_num_threads(1)
    yield full_simulation(N_KEPT // 10 if quick else N_KEPT)
    begun = time.process_time()
    bank = bank_simulator().candidates(1, 0, N_BANK // 4 if quick else N_BANK)
    survey = LightCurveSurvey(bank, CUT)
    prepared = time.process_time() - begun
    n_surveys = N_SURVEYS // 10 if quick else N_SURVEYS
    theta = fiducial(n_surveys)
    begun = time.process_time()
    data = simulate_light_curves(survey, theta, N_SUPERNOVAE, seed=2)
    yield speed("benchmark B2", n_surveys * N_SUPERNOVAE, time.process_time() - begun, prepared)
    for scheme in ("conditional", "ignored"):
        yield score_row(survey, data, scheme)
    yield bias_row(survey, data.take(torch.arange(min(n_surveys, 40))))
    yield sampled(survey, 4 if quick else 20)


def full_simulation(n: int) -> Row:
    """Light curves kept by the cut, from population to measured fluxes."""
    begun = time.process_time()
    made = bank_simulator(one_shape=False, cut=CUT).simulate(n, seed=1)
    row = speed("BayeSN, all scatter", n, time.process_time() - begun, 0.0)
    flow = made.cut_flow
    return Row(
        row.part, f"{row.what} of {flow.counts[0]:,}", row.target, row.measured, met=row.met
    )


def speed(what: str, n: int, seconds: float, prepared: float) -> Row:
    """How long so many kept light curves took."""
    scaled = seconds * N_KEPT / n + prepared
    ready = f" and {prepared:.0f} s for the bank" if prepared else ""
    return Row(
        "sbi",
        f"light curves with cuts, {what}: {n:,} kept",
        f"< {LIMIT_SECONDS:.0f} s for {N_KEPT:,}",
        f"{seconds:.1f} s{ready}",
        met="yes" if scaled < LIMIT_SECONDS else "no",
    )


def fiducial(n: int) -> Tensor:
    """The truth of n surveys, shape (n, 3)."""
    return torch.tensor([FIDUCIAL], dtype=torch.float64).repeat(n, 1)


def score_row(survey: LightCurveSurvey, data: LightCurveSurveys, scheme: str) -> Row:
    """Mean score at the truth in standard errors."""
    theta = fiducial(len(data))[:, None].requires_grad_()
    found = LightCurveLikelihood(survey, data, scheme)(theta)
    (score,) = torch.autograd.grad(found.sum(), theta)
    off = score[:, 0].mean(0) / (score[:, 0].std(0) / len(data) ** 0.5)
    exact = scheme == "conditional"
    return Row(
        "sbi",
        f"B2, mean score at the truth of {' '.join(PARAMETERS)}, {scheme}, "
        f"{data.member.numel():,} SNe",
        f"within {LIMIT_ERRORS:.0f} s.e." if exact else "reported",
        numbers(off, 2) + " s.e.",
        met=("yes" if float(off.abs().max()) < LIMIT_ERRORS else "no") if exact else "-",
    )


def bias_row(survey: LightCurveSurvey, data: LightCurveSurveys) -> Row:
    """Shift of the mode over its σ with the cut ignored, and with the exact likelihood."""
    shifts = {}
    for scheme in ("ignored", "conditional"):
        posterior = BoxPosterior(LightCurveLikelihood(survey, data, scheme), WIDE, flat=True)
        theta = fiducial(len(data))
        found = laplace(posterior, WIDE.unconstrain(theta))
        spread = (
            found.mean[:, None]
            + torch.randn(
                len(data), 400, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64
            )
            @ found.scale_tril.mT
        )
        sigma = WIDE.constrain(spread).std(1)
        shifts[scheme] = ((WIDE.constrain(found.mean) - theta) / sigma).mean(0)
    return Row(
        "sbi",
        f"B2, cut ignored, {len(data)} surveys of {data.member.shape[1]}: mean bias / σ",
        "reported",
        numbers(shifts["ignored"], 2),
        reference=f"exact {numbers(shifts['conditional'], 2)} (± {1 / len(data) ** 0.5:.2f})",
    )


def sampled(survey: LightCurveSurvey, n: int) -> Row:
    """Exact posteriors by the ensemble sampler."""
    data = simulate_light_curves(survey, fiducial(n), N_SUPERNOVAE, seed=3)
    begun = time.process_time()
    drawn = sample(BoxPosterior(LightCurveLikelihood(survey, data), PRIOR), 1_000)
    seconds = time.process_time() - begun
    sd = drawn.theta.std(1).mean(0)
    return Row(
        "sbi",
        f"B2, exact posteriors of {n} surveys of {N_SUPERNOVAE}, 1,000 draws each: seconds; σ",
        "reported",
        f"{seconds:.0f} s; {numbers(sd, 3)}",
    )


if __name__ == "__main__":
    main(rows)
